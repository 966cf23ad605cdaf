"""What to say to whoever writes a name that is not known: the nearest one that is, old spellings among them."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def closest(word: str, known: Collection[str]) -> str | None:
    """Returns the known word that is nearly the same, if there is one; capitals and underscores do not count."""
    plain = {each.lower().replace("_", "-"): each for each in reversed(list(known))}
    found = difflib.get_close_matches(word.lower().replace("_", "-"), plain, n=1)
    return plain[found[0]] if found else None


def nearest(word: str, known: Collection[str]) -> str:
    """Returns what to say to who wrote a word that is not known.

    Example:
        >>> nearest("optimiser", ["optimizer", "epochs"])
        'did you mean optimizer?'
        >>> nearest("xyz", ["optimizer", "epochs"])
        'use one of optimizer, epochs'
    """
    found = closest(word, known)
    return f"did you mean {found}?" if found else f"use one of {', '.join(known) or 'none'}"


def check_keywords(name: str, given: Collection[str], known: Collection[str]) -> None:
    """Refuses arguments by names that a function does not have.

    Raises:
        TypeError: with the nearest name.
    """
    for word in given:
        if word not in known:
            raise TypeError(f"{name}() has no argument {word}; {nearest(word, known)}")


def suggesting(function: Function) -> Function:
    """Makes a function answer an unknown keyword, such as one of an older version, with the nearest that it has.

    Example:
        >>> suggesting(lambda source, *, binarize=None: binarize)(0, binarise="dynamic")
        Traceback (most recent call last):
        ...
        TypeError: <lambda>() has no argument binarise; did you mean binarize?
    """
    known = inspect.signature(function).parameters

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        check_keywords(function.__name__, kwargs, known)
        return function(*args, **kwargs)

    return checked  # pyright: ignore[reportReturnType]
