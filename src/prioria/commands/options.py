"""Options of the command line, generated from the signatures of the constructors.

A family (priors, objectives, ...) becomes one record: the kind, and every option of every kind. (A union of one record
a kind would say more, but the parser cannot merge options of one name with different defaults.) An option left out
keeps the constructor's default; one that the chosen kind does not have is refused. Facts of the model (latents, shapes,
the encoder) are no options: the builder knows them.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import field, make_dataclass
from typing import Annotated, Any, Literal, Optional, Protocol, get_args, get_origin, runtime_checkable

from cyclopts import Parameter
from docstring_parser import parse

SIMPLE = (int, float, str, bool, type(None))


@runtime_checkable
class Options(Protocol):
    """What a generated record has."""

    kind: Any  # a name, or None where the family may be left out


def record(name: str, kinds: Mapping[str, type], *, facts: frozenset[str], default: str | None) -> type:
    """Returns a dataclass with ``kind`` and one optional field for each option of any kind.

    Args:
        name: name of the dataclass.
        kinds: what the command line calls each class.
        facts: constructor arguments that the builder fills in.
        default: the kind where none is given; None leaves it out.
    """
    hints: dict[str, Any] = {}
    helps: dict[str, list[str]] = {}
    for kind, cls in kinds.items():
        described = {
            item.arg_name: " ".join((item.description or "").split()) for item in parse(cls.__doc__ or "").params
        }
        for option, parameter in options_of(cls, facts).items():
            hint = typing.get_type_hints(cls.__init__)[option]
            hints[option] = hints[option] | hint if option in hints else hint
            helps.setdefault(option, []).append(_help(kind, described.get(option, ""), parameter))
    kind_type = Literal[tuple(kinds)] if default else Optional[Literal[tuple(kinds)]]  # noqa: UP045 - made at run time
    extra = [(option, _optional(hint, helps[option]), field(default=None)) for option, hint in hints.items()]
    made = make_dataclass(name, [("kind", kind_type, field(default=default)), *extra])
    made.__module__ = __name__
    return made


def _optional(hint: Any, helps: list[str]) -> Any:
    several = get_origin(hint) is tuple  # --stages.groups 2 3: all that follows up to the next option
    return Annotated[hint | None, Parameter(help="; ".join(helps), negative_iterable="", consume_multiple=several)]


def options_of(cls: type, facts: frozenset[str]) -> dict[str, inspect.Parameter]:
    """Returns the constructor arguments that a user may choose: simple values that are not facts of the model."""
    hints = typing.get_type_hints(cls.__init__)
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return {p.name: p for p in parameters if p.name not in facts and p.name in hints and _is_simple(hints[p.name])}


def construct(family: str, options: Options, kinds: Mapping[str, type], facts: Mapping[str, Any]) -> Any:
    """Builds the chosen kind from its options and the facts that it asks for.

    Raises:
        ValueError: an option was given that this kind does not have.
    """
    cls = kinds[options.kind]
    accepted = inspect.signature(cls.__init__).parameters
    given = {name: value for name, value in vars(options).items() if name != "kind"}
    chosen = {name: value for name, value in given.items() if value is not None}
    for option in chosen:
        if option not in accepted:
            owners = [kind for kind, other in kinds.items() if option in inspect.signature(other.__init__).parameters]
            flag = option.replace("_", "-")
            belongs = f"it is an option of {', '.join(owners)}"
            raise ValueError(f"--{family}.{flag} does not belong to --{family} {options.kind}; {belongs}")
    arguments = {name: value for name, value in facts.items() if name in accepted} | chosen
    for name, parameter in list(accepted.items())[1:]:
        if parameter.default is parameter.empty and name not in arguments:
            raise ValueError(f"--{family} {options.kind} needs --{family}.{name.replace('_', '-')}")
    return cls(**arguments)


def shorthand(arguments: list[str], families: frozenset[str]) -> list[str]:
    """Rewrites ``--prior vamp`` to ``--prior.kind vamp``; the parser cannot mix both forms.

    Example:
        >>> shorthand(["--prior", "vamp", "--prior.components", "9"], frozenset({"prior"}))
        ['--prior.kind', 'vamp', '--prior.components', '9']
    """
    return [_long(argument, families) for argument in arguments]


def _long(argument: str, families: frozenset[str]) -> str:
    name, equals, value = argument.partition("=")
    return f"{name}.kind{equals}{value}" if name.removeprefix("--") in families and name.startswith("--") else argument


def _is_simple(hint: Any) -> bool:
    if get_origin(hint) in (types.UnionType, typing.Union, tuple):
        return all(_is_simple(part) for part in get_args(hint) if part is not Ellipsis)
    return hint in SIMPLE or get_origin(hint) is Literal


def _help(kind: str, description: str, parameter: inspect.Parameter) -> str:
    default = "" if parameter.default in (inspect.Parameter.empty, None) else f" [{parameter.default}]"
    return f"({kind}) {' '.join(description.split()).rstrip('.')}{default}"
