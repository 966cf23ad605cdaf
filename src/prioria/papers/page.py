"""A page: paragraphs, tables and pictures, written as HTML, Markdown and JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from prioria.evaluate import doubt
from prioria.papers.table import Budget, Result, Table
from prioria.storage import write_json, write_text

PROTOCOL = (
    "estimator",
    "samples",
    "split",
    "selection",
    "epochs",
    "parameters",
    "seconds (training + evaluation)",
    "version",
)
STANDARD_ERRORS = "After ± is a standard error: over seeds where there are several, else over examples."


@dataclass(frozen=True)
class Section:
    """A table of a page.

    Attributes:
        title: above it; empty for none.
        columns: their headings.
        lines: a text for each column; empty where nothing is known.
    """

    title: str
    columns: Sequence[str]
    lines: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Attributes:
        file: relative to the page.
        title: what it shows.
    """

    file: str
    title: str


@dataclass(frozen=True)
class Page:
    """What a command leaves for a reader.

    Attributes:
        title: of the page.
        text: paragraphs.
        notes: a list below them.
        sections: tables.
        pictures: one below the other.
        gallery: pictures side by side.
    """

    title: str
    text: Sequence[str]
    notes: Sequence[str]
    sections: Sequence[Section]
    pictures: Sequence[Picture] = ()
    gallery: Sequence[Picture] = ()

    def write(self, out: Path, name: str) -> Path:
        """Writes ``<name>.md``, ``.html`` and ``.json`` into a folder; returns the first."""
        for suffix in ("html", "md"):
            write_text(out / f"{name}.{suffix}", _template(f"page.{suffix}").render(page=self))
        write_json(out / f"{name}.json", asdict(self))
        return out / f"{name}.md"


def introduction(table: Table, *, errors: str = STANDARD_ERRORS) -> list[str]:
    """Returns the paragraphs that every page begins with: whose numbers stand beside ours, and how ours were made.

    Args:
        table: which.
        errors: what stands after ±, in words.
    """
    published = table.published
    made = f"Made by `prioria reproduce {table.name}`. Each line says its budget; a cell that was not run is empty."
    return [f"Published: {published.source}. {published.protocol}", f"{made} {errors}".strip()]


def budgets(table: Table, *, likelihoods: bool = True) -> list[str]:
    """Returns what each budget of a table means, and of the rows that have one of their own.

    Args:
        table: which.
        likelihoods: whether its numbers come from the budgets' importance samples of their test examples.
    """
    own: dict[tuple[str, Budget], list[str]] = {}
    for row in table.rows:
        for name, budget in row.budgets.items():
            own.setdefault((name, budget), []).append(row.name)
    every = [f"`{name}`: {_cost(budget, likelihoods)}." for name, budget in table.budgets.items()]
    return every + [
        f"`{name}` of {', '.join(rows)}: {_cost(budget, likelihoods)}." for (name, budget), rows in own.items()
    ]


def _cost(budget: Budget, likelihoods: bool) -> str:
    length = (
        f"at most {budget.epochs:,} epochs"
        if budget.steps is None
        else f"{budget.steps:,} steps, to the end of their epoch"
    )
    parts = [length, f"batch {budget.batch_size}"]
    parts += [f"warm-up {budget.warmup}"] if budget.warmup else []
    parts += [f"patience {budget.patience}"] if budget.patience else []
    if likelihoods:
        examples = "all" if budget.limit is None else f"{budget.limit:,}"
        parts += [f"{budget.num_samples:,} importance samples", f"{examples} test examples"]
    return ", ".join(parts)


def protocol(runs: Sequence[Result]) -> list[str]:
    """Returns how the numbers of some runs came about, in the columns ``PROTOCOL``; empty where it is not known."""
    if not runs:
        return [""] * len(PROTOCOL)
    first = runs[0]
    numbers, parts = [run["log_likelihood"] for run in runs if "log_likelihood" in run], first.get("seconds", {})
    seconds = (fmean(run["seconds"][part] for run in runs) for part in parts)
    versions = (", ".join(f"{name} {number}" for name, number in run.get("version", {}).items()) for run in runs)
    return [
        numbers[0].get("estimator", "") if numbers else "",
        _samples(numbers) if numbers else "",
        first.get("split", ""),
        first.get("selection", ""),
        ", ".join(str(run.get("epochs_run", "")) for run in runs),
        f"{first['parameters']:,}" if "parameters" in first else "",
        " + ".join(f"{each:,.0f}" for each in seconds),
        "; ".join(dict.fromkeys(versions)),
    ]


def by_budget(results: Iterable[Result]) -> Iterator[tuple[str, list[Result]]]:
    """Returns the names of the budgets, and the results of each: those of several seeds."""

    def budget(result: Result) -> str:
        return result["budget"]["name"]

    for name, runs in groupby(sorted(results, key=budget), key=budget):
        yield name, list(runs)


def over_seeds(values: Sequence[float | None], form: str) -> str:
    """Returns the mean in a form such as ".2f", ± its standard error where there are several; empty without values."""
    found = [value for value in values if value is not None]
    if len(found) < 2:
        return f"{found[0]:{form}}" if found else ""
    return f"{fmean(found):{form}} ± {stdev(found) / math.sqrt(len(found)):{form}}"


def attached(table: Table, out: Path, name: str) -> list[Picture]:
    """Returns the pictures of a name that belong to the results with seed 0, in the order of the page."""
    files = [
        (row, path) for row in table.rows for path in sorted((out / table.name).glob(f"*/{row.name}/*-seed-0/{name}"))
    ]
    return [
        Picture(path.relative_to(out).as_posix(), f"{row.title}, {path.parts[-4]}, {path.parts[-2]}")
        for row, path in files
    ]


def _samples(numbers: Sequence[Mapping[str, Any]]) -> str:
    """Returns the count of samples, and how far the weights of all seeds can be trusted."""
    sizes = sorted(number["ess"] for number in numbers if number.get("ess") is not None)
    ends = dict.fromkeys(f"{size:,.0f}" for size in (*sizes[:1], *sizes[-1:]))
    details = [f"median ESS {' to '.join(ends)}"] if ends else []
    if failed := sum(not number.get("converged", True) for number in numbers):
        where = "" if failed == len(numbers) else f" with {failed} of {len(numbers)} seeds"
        details += [f"not converged{where}: {doubt(numbers[0].get('estimator', ''), numbers[0]['num_samples'])}"]
    return f"{numbers[0]['num_samples']:,}" + (f" ({', '.join(details)})" if details else "")


def _code(text: str) -> Markup:
    return Markup(re.sub("`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def _side_by_side(pictures: Sequence[Picture], columns: int = 3) -> Iterable[Sequence[Picture]]:
    return [pictures[start : start + columns] for start in range(0, len(pictures), columns)]


def _template(name: str) -> Any:
    environment = Environment(
        loader=PackageLoader("prioria.papers"),
        undefined=StrictUndefined,
        autoescape=name.endswith("html"),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"side_by_side": _side_by_side, "code": _code}
    return environment.get_template(name)
