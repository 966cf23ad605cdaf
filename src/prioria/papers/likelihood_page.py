"""The page of a table of likelihoods: what was run beside what was published."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import cycle, product
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from torch import Tensor

from prioria.papers.cell import Cell
from prioria.papers.likelihood import POINTWISE, SAMPLES
from prioria.papers.page import (
    PROTOCOL,
    Page,
    Picture,
    Section,
    attached,
    budgets,
    by_budget,
    introduction,
    over_seeds,
    protocol,
)
from prioria.papers.table import Result, Row, Table
from prioria.report import style
from prioria.report.comparison import Difference
from prioria.storage import read_tensors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DASHES = ("-", "--", ":")  # of curves that share a colour
COLUMNS = (
    "data",
    "row",
    "budget",
    "ours (nats)",
    "published",
    "difference to the first row, paired",
    "training - test",
    "ELBO",
    "active units",
    "also (nats)",
    *PROTOCOL,
)


def page(table: Table, out: Path, cells: Sequence[Cell]) -> Page:
    """Returns the page of all results below ``out``, and draws their curves there."""
    results = table.results(out)
    lines = [line for name in table.data for row in table.rows for line in _lines(table, out, name, row, results)]
    curves = style.write(_curves(results), out / f"{table.name}-curves.png").name
    return Page(
        title=table.published.title,
        text=introduction(table),
        notes=[*table.published.notes, *budgets(table)],
        sections=[Section("", COLUMNS, lines)],
        pictures=[Picture(curves, "Validation bound after each epoch")],
        gallery=attached(table, out, SAMPLES),
    )


def _curves(results: Sequence[Result]) -> Figure:
    trained = [result for result in results if len(result["curve"]["loss"]) > 1]  # not where only a prior was replaced
    bounds = [[-loss for loss in result["curve"]["loss"]] for result in trained]
    figure, (axes,) = style.panels(7.5, 4.0 + len(trained) / 15)
    for (dashes, color), result, bound in zip(cycle(product(DASHES, style.SERIES)), trained, bounds, strict=False):
        name = f"{result['data']}, {result['row']}, {result['budget']['name']}, seed {result['seed']}"
        axes.plot(range(1, len(bound) + 1), bound, color=color, linestyle=dashes, linewidth=1.2, label=name)
    style.dress(axes, "Validation bound at the end of every schedule", x="epoch", y="nats")
    if trained:
        lowest = min(bound[len(bound) // 5] for bound in bounds)  # not where all begin
        axes.set_ylim(lowest, max(max(bound) for bound in bounds) + 1)
        style.legend_below(axes, columns=2)
    return figure


def _lines(table: Table, out: Path, name: str, row: Row, results: Sequence[Result]) -> Iterator[list[str]]:
    published = table.published.cells.get(name, {}).get(row.name)
    beside = "" if published is None else f"{published:.2f}"
    found = [result for result in results if (result["data"], result["row"]) == (name, row.name)]
    if not found and (beside or any(result["data"] == name for result in results)):
        yield [name, row.title, row.absent or "not run", "", beside, *[""] * (len(COLUMNS) - 5)]
    for budget, runs in by_budget(found):
        yield [name, row.title, budget, _with_error(runs), beside, _difference(table, out, runs), *_numbers(runs)]


def _numbers(runs: Sequence[Result]) -> list[str]:
    first = runs[0]
    return [
        _gap(runs),
        f"{fmean(run['elbo']['value'] for run in runs):.2f}",
        ", ".join(f"{group}: {_active(runs, group)}" for group in first["active_units"]["counts"]),
        "; ".join(f"{name}: {_mean_of(runs, name):.2f}" for name in first.get("also", {})),
        *protocol(runs),
    ]


def _difference(table: Table, out: Path, runs: Sequence[Result]) -> str:
    """Returns log p(x) less that of the first row, over the same examples and seeds; empty where they were not kept."""
    first = table.rows[0].name
    pairs = [(_pointwise(table, out, run), _pointwise(table, out, {**run, "row": first})) for run in runs]
    found = [each for a, b in pairs if a is not None and b is not None and (each := paired(a, b)) is not None]
    if not found or runs[0]["row"] == first:
        return ""
    seeds = f" over {len(found)} of {len(runs)} seeds" if len(found) < len(runs) else ""
    if len(found) > 1:
        return over_seeds([each.value for each in found], "+.2f") + seeds
    fewer = found[0].examples < runs[0]["log_likelihood"]["examples"]
    return f"{found[0]}{f' over {found[0].examples:,} examples' if fewer else ''}{seeds}"


def paired(one: Tensor, other: Tensor) -> Difference | None:
    """Returns the difference over the examples that two evaluations share; None where these cannot be told.

    Examples are taken at even distances from a split: fewer of them are every m-th of m times as many.
    """
    fewer = min(len(one), len(other))
    if len(one) % fewer or len(other) % fewer:
        return None
    return Difference.of(one[:: len(one) // fewer], other[:: len(other) // fewer])


def _pointwise(table: Table, out: Path, run: Result) -> Tensor | None:
    path = out / table.place(run["data"], run["row"], run["budget"]["name"], run["seed"]) / POINTWISE
    return read_tensors(path)["pointwise"] if path.exists() else None


def _gap(runs: Sequence[Result]) -> str:
    """Returns by how much training examples are likelier than those of the test set."""
    found = [(run["training"], run["log_likelihood"]) for run in runs if "training" in run]
    if not found:
        return ""
    values = over_seeds([training["value"] - test["value"] for training, test in found], ".2f")
    errors = f" ± {math.hypot(*(each['standard_error'] for each in found[0])):.2f}" if len(found) == 1 else ""
    return f"{values}{errors} ({found[0][0]['examples']:,})"


def _with_error(runs: Sequence[Result]) -> str:
    value = over_seeds([run["log_likelihood"]["value"] for run in runs], ".2f")
    if len(runs) > 1:
        return f"{value} over {len(runs)} seeds"
    return f"{value} ± {runs[0]['log_likelihood']['standard_error']:.2f} over examples"


def _active(runs: Sequence[Result], group: str) -> str:
    return over_seeds([float(run["active_units"]["counts"][group]) for run in runs], ".0f" if len(runs) == 1 else ".1f")


def _mean_of(runs: Sequence[Result], name: str) -> float:
    return fmean(run["also"][name]["value"] for run in runs)
