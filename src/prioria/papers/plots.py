"""Numbers of a page as points with error bars beside the published ones, and the curves of their training."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from itertools import cycle, product
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from prioria.papers.columns import Case, Column
from prioria.papers.table import Result
from prioria.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES = ("-", "--", ":")  # of curves that share a color
LETTERS = 38  # of a line of a row's name
WIDTH, LINE, FRAME = 6.4, 0.27, 1.0  # inches: of a figure, of a row, around the rows


def dots(found: Sequence[Case], columns: Sequence[Column]) -> Figure:
    """Returns a panel for each column and data set: ours as points with two standard errors, published as diamonds.

    The two differ in color, shape and filling, so that they are told apart without color.

    Args:
        found: the cases.
        columns: those with a path; published numbers belong to the first.
    """
    panels = [
        (column, name, [case for case in found if case.data == name and case.values(str(column.path))])
        for column in columns
        for name in dict.fromkeys(case.data for case in found)
    ]
    panels = [panel for panel in panels if panel[2]]
    heights = [FRAME + LINE * len(here) for _, _, here in panels]
    figure, axes = style.stacked(WIDTH, heights)
    for each, (column, name, here) in zip(axes, panels, strict=True):
        _draw(each, column, here, beside=column is columns[0])
        style.dress(each, name if len({case.data for case in found}) > 1 else "", x=column.heading)
    style.legend_below(axes[0])
    return figure


def curves(found: Sequence[Case]) -> Figure | None:
    """Returns the validation bounds after each epoch, a panel for each data set; None where nothing was trained."""
    names = dict.fromkeys(case.data for case in found if any(_bound(run) for run in case.runs))
    if not names:
        return None
    trained = [case for case in found if any(map(_bound, case.runs))]
    looks = dict(zip(dict.fromkeys(case.title for case in trained), cycle(product(DASHES, style.SERIES)), strict=False))
    figure, axes = style.stacked(WIDTH, [2.6] * (len(names) - 1) + [2.6 + 0.12 * len(looks)])
    for each, name in zip(axes, names, strict=True):
        bounds = []
        for case in (case for case in trained if case.data == name):
            dashes, color = looks[case.title]
            for bound in filter(None, map(_bound, case.runs)):
                each.plot(range(1, len(bound) + 1), bound, color=color, ls=dashes, lw=1.2)
                bounds.append(bound)
        style.dress(each, f"{name}: validation bound at the end of every schedule", x="epoch", y="nats")
        lowest = min(bound[len(bound) // 5] for bound in bounds)  # not where all begin
        highest = max(max(bound) for bound in bounds)
        each.set_ylim(lowest, highest + 0.05 * max(highest - lowest, 1e-6))
    for title, (dashes, color) in looks.items():
        axes[0].plot([], [], color=color, ls=dashes, lw=1.2, label=textwrap.shorten(title, 48))
    style.legend_below(axes[0], columns=2)
    return figure


def _bound(run: Result) -> list[float]:
    losses = run["curve"]["loss"] if "curve" in run else []
    return [-loss for loss in losses] if len(losses) > 1 else []  # not where only a prior was replaced


def _draw(axes: Axes, column: Column, found: Sequence[Case], *, beside: bool) -> None:
    path, rows = str(column.path), range(len(found))
    means = [column.scale * fmean(case.values(path)) for case in found]
    errors = [2 * column.scale * error_of(case, path) for case in found]
    axes.errorbar(
        means, rows, xerr=errors, fmt="o", color=style.DATA, ms=5, lw=1.2, capsize=2, label="ours, ± 2 errors"
    )
    single = [(row, case.published) for row, case in zip(rows, found, strict=True) if isinstance(case.published, float)]
    if beside and single:
        places, values = zip(*single, strict=True)
        axes.plot(values, places, "D", color=style.SAMPLE, mfc="none", ms=6, label="published")
    beyond = [case.table.published.others_of(case.data, case.row.name).values() for case in found]
    others = [(row, value) for row, values in zip(rows, beyond, strict=True) for value in values]
    if beside and others:
        places, values = zip(*others, strict=True)
        axes.plot(values, places, "^", color=style.RECONSTRUCTION, mfc="none", ms=6, label="also published")
    names = [textwrap.fill(textwrap.shorten(case.title, 2 * LETTERS - 8), LETTERS) for case in found]
    axes.set_yticks(list(rows), names, fontsize=7)
    axes.set_ylim(len(found) - 0.5, -0.5)


def error_of(case: Case, path: str) -> float:
    """Returns the standard error over seeds, of a single one that over examples; 0 where it is not known."""
    values = case.values(path)
    if len(values) > 1:
        return stdev(values) / math.sqrt(len(values))
    parent = path.rpartition(".")[0]
    found = case.values(f"{parent}.standard_error") if parent else []
    return found[0] if found else 0.0
