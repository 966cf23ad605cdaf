"""BibTeX of the methods that a run used: ``references.json`` says which entries of ``references.bib`` a class needs."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prioria.module import public_class
from prioria.train.run import read_specification

FOLDER = Path(__file__).parent


def citations(path: str | Path) -> str:
    """Returns the BibTeX entries of the methods in a run's model and objective, each once, without a duplicate.

    A class that is in no published paper's name, such as a diagonal Gaussian, has none; an argument such as the beta of
    the ELBO has its own where it differs from its default.

    Args:
        path: folder of a run.

    Raises:
        ValueError: there is no run in the folder.
    """
    return bibtex(read_specification(Path(path))["step"])


def bibtex(description: Any) -> str:
    """Returns the BibTeX entries for a module as :func:`prioria.module.describe` wrote it.

    Example:
        >>> from prioria import priors
        >>> from prioria.module import describe
        >>> print(bibtex(describe(priors.RealNVP(2))).splitlines()[0])
        @inproceedings{bhalodia2020dpvaes,
    """
    keys, found = methods(), entries()
    used = dict.fromkeys(key for name in _names(description) for key in keys.get(name, []))
    return "\n\n".join(found[key] for key in used)


def methods() -> dict[str, list[str]]:
    """Returns class, or class and argument -> keys of its BibTeX entries; an empty list where no paper is behind it."""
    return json.loads((FOLDER / "references.json").read_text(encoding="utf-8"))


def entries() -> dict[str, str]:
    """Returns key -> BibTeX entry."""
    text = (FOLDER / "references.bib").read_text(encoding="utf-8").strip()
    return {re.split("[{,]", entry)[1]: entry for entry in text.split("\n\n")}


def _names(description: Any) -> Iterator[str]:
    match description:
        case {"class": str(name), "args": dict(args)}:
            yield name
            yield from (f"{name}.{argument}" for argument in _changed(name, args))
            for value in args.values():
                yield from _names(value)
        case dict():
            for value in description.values():
                yield from _names(value)
        case list():
            for value in description:
                yield from _names(value)


def _changed(name: str, args: dict[str, Any]) -> list[str]:
    parameters = inspect.signature(public_class(name).__init__).parameters
    return [argument for argument, value in args.items() if parameters[argument].default != value]
