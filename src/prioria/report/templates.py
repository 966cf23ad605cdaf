"""The one environment in which every page of the product is rendered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape


def render(name: str, **context: Any) -> str:
    """Returns the text of a template; a name that it needs and is not given is an error, never a gap."""
    return _environment().get_template(name).render(**context)


@lru_cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("prioria.report"),
        undefined=StrictUndefined,
        autoescape=select_autoescape(("html",)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"side_by_side": _side_by_side, "code": _code, "in_a_cell": _in_a_cell}
    return environment


def _code(text: str) -> Markup:
    """Turns what stands between backticks into code."""
    return Markup(re.sub("`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def _in_a_cell(text: str) -> str:
    """Returns text that ends no cell of a Markdown table."""
    return text.replace("|", "\\|")


def _side_by_side(items: Sequence[Any], columns: int = 3) -> list[Sequence[Any]]:
    return [items[start : start + columns] for start in range(0, len(items), columns)]
