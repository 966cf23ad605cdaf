"""The page of a table of pairs: every cell, then what the other prior changes in each pair."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from prioria.data import Dataset
from prioria.flows import is_flow
from prioria.model import VAE
from prioria.papers.cell import beside
from prioria.papers.changes import DERIVED, METRICS, PARTS, Change, change, false_alarm, metric, reading
from prioria.papers.columns import ROW, Case, Column, listings, numbers, over_seeds
from prioria.papers.moons import leakage_curves, moons
from prioria.papers.page import compose
from prioria.papers.table import Cell, Result, Table, loaded, shortened
from prioria.report import style
from prioria.report.lines import traversals
from prioria.report.listing import Entry, Image, Listing, Page
from prioria.train import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pair = tuple[Sequence[Result], Sequence[Result]]

COMPARED = ("FID", "FID(LP)", "sKL")
FURTHER = ("FID(LP)/FID", "sKL, 1-NN in z", "off the moons", "off the moons (LP)")
NEAREST = ("skl_nearest", "skl_nearest_generation")  # of a result
CAUSES = ("KL of q(z) from p(z)", "TC of q(z)")
LEGEND = (
    "Every number is a mean over seeds ± standard deviation over seeds. sKL without more words is the Monte Carlo "
    "estimate with the exact aggregate density; 'caution on 1-NN' says where nearest neighbors cannot tell; log p(x) "
    "is in nats, by importance sampling and on a grid; pockets and leaks are shares of draws, 0.01 if prior and "
    "aggregate posterior were one.",
    "FID(q) is the FID of what encodings of training rows, drawn from their posteriors, decode to: the FID that the "
    "same decoder would have under a prior that fits. FID to q is that of samples against what these encodings decode "
    "to, no data in between: all that a better prior can mend. FID(q) is the decoder's.",
    "'drop' and 'rise' are a mean difference larger than its standard deviation over seeds. Were there no difference "
    "at all, "
    + ", ".join(f"{seeds} seeds would say one of the two in {false_alarm(seeds):.0%} of all cells" for seeds in (2, 3))
    + ", were the differences normal.",
)


def page(table: Table, out: Path, cells: Sequence[Cell]) -> Page:
    """Returns the page of all results below ``out``: what the other prior changes in each pair, then every cell.

    Args:
        table: of pairs, a baseline ``name`` and ``name-dp``.
        out: folder of the results.
        cells: those just computed; figures are drawn of all runs with seed 0 beside theirs, under the same budget.
    """
    pictures, pairs = [*_pictures(table, cells, out)], [*_pairs(table, table.results(out))]
    made = compose(
        table,
        out,
        [
            _listing("Pairs: decoupled prior minus baseline", pairs, COMPARED, FURTHER),
            Listing(
                "Why the FID falls, or does not",
                ("pair", "FID", *PARTS, "in words"),
                [
                    Entry([name, *_changes(*pair, ("FID", *PARTS)), reading(*pair)], _named(pair, CAUSES))
                    for name, pair in pairs
                ],
            ),
            *listings(table, out, COLUMNS, DETAILS),
        ],
        images=[picture for picture in pictures if "-lines-" not in picture.file],
        gallery=[picture for picture in pictures if "-lines-" in picture.file],
        errors="",
        curve=False,
    )
    changed = [(name, change(*pair, "FID")) for name, pair in pairs]
    drawn = [(name, each) for name, each in changed if each is not None and each.compared]
    plots = (
        [Image(style.write(relative(drawn, pairs), out / f"{table.name}-numbers.png").name, RELATIVE)] if drawn else []
    )
    return replace(made, lead=[*made.lead, LEGEND[0]], plots=plots, notes=[*LEGEND[1:], *made.notes])


def relative(drawn: Sequence[tuple[str, Change]], pairs: Sequence[tuple[str, Pair]]) -> Figure:
    """Returns the changes of FID, each divided by the FID of its baseline, with the deviation over seeds."""
    baselines = {name: fmean(filter(None, (metric(run, "FID") for run in pair[0]))) for name, pair in pairs}
    figure, (axes,) = style.stacked(6.4, [1.0 + 0.24 * len(drawn)])
    axes.axvline(0, color=style.PALE, lw=1)
    places = range(len(drawn))
    means = [each.mean / baselines[name] for name, each in drawn]
    spreads = [(each.spread or 0.0) / baselines[name] for name, each in drawn]
    axes.errorbar(means, places, xerr=spreads, fmt="o", color=style.DATA, ms=5, lw=1.2, capsize=2)
    axes.set_yticks(list(places), [name for name, _ in drawn])
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    style.dress(axes, RELATIVE, x="share of the baseline's FID, ± deviation over seeds")
    return figure


def _listing(title: str, pairs: Sequence[tuple[str, Pair]], columns: Sequence[str], details: Sequence[str]) -> Listing:
    entries = [Entry([name, *_changes(*pair, columns)], _named(pair, details)) for name, pair in pairs]
    return Listing(title, ("pair", *columns), entries)


def _named(pair: Pair, names: Sequence[str]) -> dict[str, str]:
    found = zip(names, _changes(*pair, names), strict=True)
    return {name: text for name, text in found if text}


def _derived(name: str, case: Case) -> str:
    return over_seeds([metric(run, name) for run in case.runs], ".4g", spread=".2g")


def _published(case: Case) -> str:
    return numbers(case.published)


def _features(case: Case) -> str:
    """Returns in what features images were compared, and how many; a distance means nothing without them."""
    distances = [images["fid"]["samples"] for run in case.runs if (images := run.get("images"))]
    return "; ".join(dict.fromkeys(f"{each['extractor']}, {each['counts'][0]:,} rows" for each in distances))


def _cautions(case: Case) -> str:
    """Returns why nearest neighbors are not to be trusted, and with how many seeds; empty where they are."""
    found = [[text for name in NEAREST if (text := run.get(name, {}).get("warning"))] for run in case.runs]
    reasons = dict.fromkeys(re.split("[:;]", text)[0] for texts in found for text in texts)
    return f"{', '.join(reasons)} ({sum(map(bool, found))} of {len(case.runs)} seeds)" if reasons else ""


def _off_the_grid(case: Case) -> str:
    """Returns with how many seeds a grid is too coarse for some example, and by how much it errs over all."""
    grids = [run["quadrature"] for run in case.runs if "quadrature" in run]
    coarse = [grid["quadrature_error"] for grid in grids if not grid["converged"]]
    return f"not converged, mean error {max(coarse):.2g} nats ({len(coarse)} of {len(grids)} seeds)" if coarse else ""


def _pairs(table: Table, results: Sequence[Result]) -> Iterator[tuple[str, Pair]]:
    """Yields data, regularizer and budget in words, and the results of the two members, where there are any."""
    titles = {row.name: row.title for row in table.rows}
    for data, name, budget in product(table.data, titles, table.budgets):
        here = [each for each in results if (each["data"], each["budget"]["name"]) == (data, budget)]
        baseline, decoupled = ([each for each in here if each["row"] == row] for row in (name, f"{name}-dp"))
        if baseline and decoupled:
            yield f"{data}, {titles[name]} ({budget})", (baseline, decoupled)


def _changes(baseline: Sequence[Result], decoupled: Sequence[Result], names: Sequence[str]) -> list[str]:
    found = (change(baseline, decoupled, name) for name in names)
    return ["" if each is None else str(each) for each in found]


def _pictures(table: Table, cells: Sequence[Cell], out: Path) -> Iterator[Image]:
    """Draws the runs that are at hand, and yields the pictures of all data sets, earlier ones too."""
    for name, cell in {cell.data: cell for cell in cells}.items():
        if here := beside(cell):
            data = shortened(loaded(name), here[0].budget)
            models = {cell.row.title: Run.load(cell.folder, data=data).last() for cell in here}
            _draw(models, data, out, f"{table.name}-{name}")
    for name in table.data:
        for path in sorted(out.glob(f"{table.name}-{name}-*.png")):
            what = path.stem.removeprefix(f"{table.name}-{name}-")
            yield Image(path.name, f"{name}: {what.replace('-', ' of ', 1) if what.startswith('lines-') else what}")


def _draw(models: Mapping[str, VAE], data: Dataset, out: Path, stem: str) -> None:
    style.write(leakage_curves(models, data), out / f"{stem}-leakage.png")
    if data.dimensions == 2:
        style.write(moons(models, data, across=2), out / f"{stem}-samples.png")
    for title, model in models.items():
        prior = model.top.prior(None)
        if is_flow(prior) and prior.event_shape.numel() == 2:
            style.write(traversals(model, data), out / f"{stem}-lines-{title.split(',')[0]}.png")


RELATIVE = "Change of FID by the decoupled prior"
COLUMNS = (
    ROW,
    *(Column(name, METRICS[name], ".4g", deviation=True) for name in ("FID", "FID(LP)", "sKL")),
    Column("published FID, FID(LP), sKL, NLL", _published),
)
DETAILS = (
    *(
        Column(name, path, ".4g", deviation=True)
        for name, path in METRICS.items()
        if name not in ("FID", "FID(LP)", "sKL")
    ),
    *(Column(name, partial(_derived, name)) for name in DERIVED),
    Column("features of FID and KID", _features),
    Column("caution on 1-NN", _cautions),
    Column("caution on quadrature", _off_the_grid),
)
