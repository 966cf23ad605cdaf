"""The JSON that describes a module, as the code that a reader would write."""

from __future__ import annotations

import textwrap
from typing import Any

WIDTH = 76


def as_code(description: Any) -> str:
    """Returns the call that a description by :func:`prioria.module.describe` stands for; it is shown, never executed.

    An argument that was met before is written as the place where it was; arguments that are None are left out.

    Example:
        >>> print(as_code({"class": "nets.GatedMLP", "args": {"sizes": {"tuple": [4, 2]}, "gated_output": True}}))
        nets.GatedMLP(sizes=(4, 2), gated_output=True)
    """
    return _code(description, path="", built=[])


def _code(item: Any, *, path: str, built: list[str]) -> str:
    match item:
        case {"class": str(name), "args": dict(args)}:
            parts = [
                f"{key}={_code(value, path=f'{path}.{key}'.lstrip('.'), built=built)}"
                for key, value in args.items()
                if value is not None
            ]
            built.append(path)  # after its parts: the order in which descriptions count
            return _bracketed(f"{name}(", parts, ")")
        case {"foreign": str(name)}:
            built.append(path)
            return f"<{name}>"
        case {"ref": int(number)}:
            return built[number]
        case {"tensor": list(shape)}:
            return f"<tensor {' x '.join(map(str, shape))}>"
        case {"tuple": list(items)}:
            return _sequence("(", items, ",)" if len(items) == 1 else ")", path, built)
        case {"dict": dict(items)}:
            parts = [f"{key!r}: {_code(value, path=f'{path}.{key}', built=built)}" for key, value in items.items()]
            return _bracketed("{", parts, "}")
        case list():
            return _sequence("[", item, "]", path, built)
        case _:
            return repr(item)


def _sequence(opening: str, items: list[Any], closing: str, path: str, built: list[str]) -> str:
    parts = [_code(value, path=f"{path}.{index}", built=built) for index, value in enumerate(items)]
    return _bracketed(opening, parts, closing)


def _bracketed(opening: str, parts: list[str], closing: str) -> str:
    line = opening + ", ".join(parts) + closing
    if len(line) <= WIDTH and "\n" not in line:
        return line
    return opening + "\n" + textwrap.indent(",\n".join(parts), "    ") + ",\n" + closing.lstrip(",")
