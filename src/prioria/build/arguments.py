"""An argument chooses from kinds: classes under short names, and the facts that a builder fills in."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from torch import nn

from prioria.spelling import nearest

Choice = str | Mapping[str, Any] | nn.Module | Callable[..., Any]
"""A kind by name, ``"vamp"``; a kind with options, ``{"kind": "vamp", "components": 50}``; a part that is built
already; or a class or function of one's own, which is called with those facts that its arguments name."""

SIMPLE = (int, float, str, bool, type(None))
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Argument:
    """An argument that chooses from kinds.

    Args:
        name: which error messages begin with.
        kinds: the classes, by the names that they are chosen by.
        facts: constructor arguments that follow from data and model; the builder fills them in.
        default: the kind where nothing is chosen; None where the argument may be left out.

    Example:
        >>> from prioria import posteriors
        >>> argument = Argument("posterior", {"gaussian": posteriors.Gaussian}, frozenset({"context", "latents"}))
        >>> argument.build({"kind": "gaussian", "log_variance_bounds": (-6.0, 2.0)}, {"context": 8, "latents": 2})
        Gaussian(
          (net): Identity()
          (heads): Linear(in_features=8, out_features=4, bias=True)
        )
        >>> argument.build("gausian", {})
        Traceback (most recent call last):
        ...
        ValueError: posterior gausian is unknown; did you mean gaussian?
    """

    name: str
    kinds: Mapping[str, type]
    facts: frozenset[str]
    default: str | None = None

    def build(self, choice: Choice, facts: Mapping[str, Any]) -> Any:
        """Builds what was chosen from its options and those facts that it asks for.

        Raises:
            ValueError: an unknown kind, an option that the kind does not have, or one that it needs and has not got.
        """
        if isinstance(choice, nn.Module):
            return choice
        if not isinstance(choice, str | Mapping):
            return self._called(choice, {}, facts, name=self.name_of(choice))
        kind, options = self.named(choice)
        return self._called(self.kinds[kind], options, facts, name=kind)

    def named(self, choice: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Returns the kind and the options that were given to it; those that are None are left out.

        Raises:
            ValueError: an unknown kind, or an option that the kind does not have.
        """
        options = {"kind": choice} if isinstance(choice, str) else dict(choice)
        kind = options.pop("kind", self.default)
        if kind is None:
            given = ", ".join(f"{self.name}.{option}" for option in options) or self.name
            raise ValueError(f"{given} needs a kind; give {self.name} one of {', '.join(self.kinds)}")
        if kind not in self.kinds:
            raise ValueError(f"{self.name} {kind} is unknown; {nearest(kind, self.kinds)}")
        given = {name: value for name, value in options.items() if value is not None}
        for option in given.keys() - _parameters(self.kinds[kind]).keys():
            raise ValueError(
                f"{self.name}.{option} does not belong to {self.name} {kind}; {self._owners(kind, option)}"
            )
        return kind, given

    def name_of(self, choice: Any) -> str:
        """Returns what messages call a choice: its kind, or its class."""
        if isinstance(choice, str | Mapping):
            return self.named(choice)[0]
        return getattr(choice, "__name__", type(choice).__name__)

    def asks(self, choice: Choice, fact: str) -> bool:
        """Whether what was chosen is built with a fact, so that costly ones need not be at hand for all."""
        if isinstance(choice, nn.Module):
            return False
        part = self.kinds[self.named(choice)[0]] if isinstance(choice, str | Mapping) else choice
        return fact in _parameters(part)

    def options_of(self, kind: str) -> dict[str, inspect.Parameter]:
        """Returns the arguments that a command line can offer: simple values that are no facts."""
        cls = self.kinds[kind]
        hints = typing.get_type_hints(cls.__init__)
        parameters = _parameters(cls)
        return {n: p for n, p in parameters.items() if n not in self.facts and n in hints and is_simple(hints[n])}

    def _called(self, part: Callable[..., Any], options: dict[str, Any], facts: Mapping[str, Any], name: str) -> Any:
        accepted = _parameters(part)
        arguments = {fact: value for fact, value in facts.items() if fact in accepted} | options
        for option, parameter in accepted.items():
            if parameter.default is parameter.empty and option not in arguments:
                raise ValueError(f"{self.name} {name} needs {self.name}.{option}")
        return part(**arguments)

    def _owners(self, kind: str, option: str) -> str:
        owners = [other for other, cls in self.kinds.items() if option in _parameters(cls)]
        return f"it is an option of {', '.join(owners)}" if owners else nearest(option, self.options_of(kind))


def is_simple(hint: Any) -> bool:
    """Whether a type is one that a command line can read: numbers, text, choices, and tuples and unions of them."""
    if get_origin(hint) in (types.UnionType, typing.Union, tuple):
        return all(is_simple(part) for part in get_args(hint) if part is not Ellipsis)
    return hint in SIMPLE or get_origin(hint) is Literal


def _parameters(part: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return {name: p for name, p in inspect.signature(part).parameters.items() if p.kind not in VARIADIC}
