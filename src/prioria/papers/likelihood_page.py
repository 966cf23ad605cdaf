"""The page of a table of likelihoods: what was run beside what was published."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from prioria.evaluate import Difference
from prioria.papers.columns import ROW, Case, Column, listings, over_seeds
from prioria.papers.likelihood import POINTWISE, SAMPLES
from prioria.papers.page import attached, compose
from prioria.papers.plots import error_of
from prioria.papers.table import Cell, Result, Table
from prioria.report.listing import Page
from prioria.storage import read_tensors

VALUE = "log_likelihood.value"


def page(table: Table, out: Path, cells: Sequence[Cell]) -> Page:
    """Returns the page of all results below ``out``, and draws its numbers and their curves there."""
    gallery = attached(table, out, SAMPLES)
    return compose(table, out, listings(table, out, COLUMNS, DETAILS), plotted=[OURS], gallery=gallery)


def _ours(case: Case) -> str:
    value = over_seeds(case.values(VALUE), ".2f")
    return value if len(case.runs) > 1 else f"{value} ± {error_of(case, VALUE):.2f}"


def _published(case: Case) -> str:
    return "" if case.published is None else f"{case.published:.2f}"


def _also_published(case: Case) -> str:
    return "; ".join(f"{value:.2f} ({name})" for name, value in _others(case).items())


def _others(case: Case) -> dict[str, float]:
    return case.table.published.others_of(case.data, case.row.name)


def _difference(case: Case) -> str:
    return "" if case.published is None else f"{_short(case):+.2f}"


def _short(case: Case) -> float:
    values = case.values(VALUE)
    return sum(values) / len(values) - case.published


def _reached(case: Case) -> str:
    """Says whether ours is as high as the published number, or less than two of our standard errors below it."""
    if case.published is None:
        return ""
    return "yes" if _short(case) > -2 * error_of(case, VALUE) else "no"


def _epochs(case: Case) -> str:
    """Returns our epochs beside the paper's."""
    ours = ", ".join(dict.fromkeys(str(count) for count in case.values("epochs_run")))
    theirs = case.table.published.epochs if case.published is not None else ""
    return f"{ours} / {theirs}" if theirs else ours


def _paired(case: Case) -> str:
    """Returns log p(x) less that of the first row, over the same examples and seeds; empty where they were not kept."""
    table, first, runs = case.table, case.table.rows[0].name, case.runs
    pairs = [(_pointwise(table, case.out, run), _pointwise(table, case.out, {**run, "row": first})) for run in runs]
    found = [each for a, b in pairs if a is not None and b is not None and (each := paired(a, b)) is not None]
    if not found or case.row.name == first:
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


def _gap(case: Case) -> str:
    """Returns by how much training examples are likelier than those of the test set."""
    found = [(run["training"], run["log_likelihood"]) for run in case.runs if "training" in run]
    if not found:
        return ""
    values = over_seeds([training["value"] - test["value"] for training, test in found], ".2f")
    errors = f" ± {math.hypot(*(each['standard_error'] for each in found[0])):.2f}" if len(found) == 1 else ""
    return f"{values}{errors} ({found[0][0]['examples']:,} training examples)"


def _active(case: Case) -> str:
    form = ".0f" if len(case.runs) == 1 else ".1f"
    groups = case.runs[0]["active_units"]["counts"]
    return ", ".join(f"{name}: {Column('', f'active_units.counts.{name}', form).text(case)}" for name in groups)


def _also(case: Case) -> str:
    names = case.runs[0].get("also", {})
    return "; ".join(
        f"{name}: {over_seeds([run['also'][name]['value'] for run in case.runs], '.2f')}" for name in names
    )


OURS = Column("log p(x), nats", VALUE)
COLUMNS = (
    ROW,
    Column("ours (nats)", _ours),
    Column("published", _published),
    Column("difference", _difference),
    Column("reached", _reached),
    Column("epochs, ours / paper", _epochs),
)
DETAILS = (
    Column("also published", _also_published),
    Column("difference to the first row, paired", _paired),
    Column("training - test", _gap),
    Column("ELBO", "elbo.value"),
    Column("active units", _active),
    Column("also (nats)", _also),
)
