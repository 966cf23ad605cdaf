"""Options of the command line, generated from what ``prioria.build`` offers.

An argument (prior, objective, ...) becomes one record: the kind, and every option of every kind. (A union of one
record a kind would say more, but the parser cannot merge options of one name with different defaults.) An option left
out keeps the constructor's default; one that the chosen kind does not have is refused.
"""

from __future__ import annotations

import inspect
from dataclasses import Field, field, fields, make_dataclass
from typing import Annotated, Any, Literal, Optional, get_args, get_type_hints

from cyclopts import Group, Parameter
from docstring_parser import parse

from prioria.build import Argument

TITLES = ("Values", "Pictures", "Series", "Tables", "Parts of the model", "Training")
GROUPS = {title: Group(title, sort_key=number) for number, title in enumerate(TITLES, start=1)}


def record(argument: Argument) -> type:
    """Returns a dataclass with ``kind`` and one optional field for each option of any kind."""
    hints: dict[str, Any] = {}
    helps: dict[str, list[str]] = {}
    for kind, cls in argument.kinds.items():
        described = {item.arg_name: item.description or "" for item in parse(cls.__doc__ or "").params}
        for option, parameter in argument.options_of(kind).items():
            hint = get_type_hints(cls.__init__)[option]
            hints[option] = hints[option] | hint if option in hints else hint
            helps.setdefault(option, []).append(_help(kind, described.get(option, ""), parameter))
    names = Literal[tuple(argument.kinds)]
    kind_type = names if argument.default else Optional[names]  # noqa: UP045 - made at run time
    extra = [(option, _optional(hint, helps[option]), field(default=None)) for option, hint in hints.items()]
    made = make_dataclass(f"{argument.name}_options", [("kind", kind_type, field(default=argument.default)), *extra])
    made.__module__ = __name__
    return made


def flags(declared: type, *, without: frozenset[str] = frozenset(), **defaults: Any) -> type:
    """Returns a dataclass of the fields of another that have a ``text`` (and a ``group``), as flags of a command.

    Args:
        declared: the dataclass.
        without: fields that the command does not take, or takes in its own way.
        **defaults: of the command, where they are others.
    """
    hints, offered = get_type_hints(declared), [each for each in fields(declared) if each.name not in without]
    made = [
        (
            each.name,
            Annotated[hints[each.name], _parameter(each)],
            field(default=defaults.get(each.name, each.default)),
        )
        for each in offered
    ]
    return make_dataclass(f"{declared.__name__}OfTheCommandLine", made, namespace={"__module__": __name__})


def _parameter(declared: Field[Any]) -> Parameter:
    text, title = declared.metadata["text"], declared.metadata.get("group")
    return Parameter(help=text) if title is None else Parameter(help=text, group=GROUPS[title])


def chosen(options: Any) -> dict[str, Any] | None:
    """Returns a record as ``prioria.build`` reads it; None where nothing was chosen."""
    return None if options == type(options)() else {n: value for n, value in vars(options).items() if value is not None}


def _optional(hint: Any, helps: list[str]) -> Any:
    # --stages.groups 2 3: all that follows up to the next option
    several = any(Ellipsis in get_args(each) for each in (hint, *get_args(hint)))
    text = "; ".join(dict.fromkeys(helps))
    return Annotated[hint | None, Parameter(help=text, negative_iterable="", consume_multiple=several)]


def _help(kind: str, description: str, parameter: inspect.Parameter) -> str:
    default = "" if parameter.default in (inspect.Parameter.empty, None) else f" [{parameter.default}]"
    return f"({kind}) {' '.join(description.split()).rstrip('.')}{default}"
