"""The page of a table of pairs: every cell, then what the other prior changes in each pair."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean, stdev

from prioria.data import Dataset
from prioria.flows import NormalizingFlow
from prioria.model import VAE
from prioria.papers.cell import Cell, beside, loaded, shortened
from prioria.papers.changes import DERIVED, METRICS, PARTS, change, false_alarm, metric, reading
from prioria.papers.moons import leakage_curves, moons
from prioria.papers.page import PROTOCOL, Page, Picture, Section, budgets, introduction, protocol
from prioria.papers.table import Result, Table
from prioria.report import style
from prioria.report.lines import traversals
from prioria.train import Run

COMPARED = ("FID", "FID(LP)", "FID(LP)/FID", "sKL", "sKL, 1-NN in z", "off the moons", "off the moons (LP)")
NEAREST = ("skl_nearest", "skl_nearest_generation")  # of a result
CAUSES = ("KL of q(z) from p(z)", "TC of q(z)")
COLUMNS = (
    "data",
    "row",
    "budget",
    "seeds",
    *METRICS,
    *DERIVED,
    "features of FID and KID",
    "caution on 1-NN",
    "caution on quadrature",
    "published FID, FID(LP), sKL, NLL",
    *PROTOCOL,
)
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
    results = table.results(out)
    pictures = [*_pictures(table, cells, out)]
    return Page(
        title=table.published.title,
        text=[*introduction(table, errors=""), *LEGEND],
        notes=[*table.published.notes, *budgets(table)],
        sections=[
            Section(
                "Pairs: decoupled prior minus baseline",
                ("data", "regularizer", "budget", *COMPARED),
                [[*names, *_changes(*pair, COMPARED)] for names, pair in _pairs(table, results)],
            ),
            Section(
                "Why the FID falls, or does not",
                ("data", "regularizer", "budget", "FID", *PARTS, *CAUSES, "in words"),
                [
                    [*names, *_changes(*pair, ("FID", *PARTS, *CAUSES)), reading(*pair)]
                    for names, pair in _pairs(table, results)
                ],
            ),
            Section("Cells", COLUMNS, [line for data in table.data for line in _lines(table, data, results)]),
        ],
        pictures=[picture for picture in pictures if "-lines-" not in picture.file],
        gallery=[picture for picture in pictures if "-lines-" in picture.file],
    )


def _lines(table: Table, data: str, results: Sequence[Result]) -> Iterator[list[str]]:
    for row in table.rows:
        published = table.published.cells.get(data, {}).get(row.name)
        beside = "" if published is None else ", ".join(f"{value:g}" for value in published)
        found = [result for result in results if (result["data"], result["row"]) == (data, row.name)]
        if not beside and not any(result["data"] == data for result in results):
            continue  # neither run nor published
        for budget in sorted({result["budget"]["name"] for result in found}) or [""]:
            runs = [result for result in found if result["budget"]["name"] == budget]
            yield [
                data,
                row.title,
                budget or "not run",
                str(len(runs)),
                *(_cell(runs, name) for name in (*METRICS, *DERIVED)),
                _features(runs),
                _cautions(runs),
                _off_the_grid(runs),
                beside,
                *protocol(runs),
            ]


def _cell(runs: Sequence[Result], name: str) -> str:
    values = [value for run in runs if (value := metric(run, name)) is not None and math.isfinite(value)]
    if not values:
        return ""
    spread = f" ± {stdev(values):.2g}" if len(values) > 1 else ""
    return f"{fmean(values):.4g}{spread}"


def _features(runs: Sequence[Result]) -> str:
    """Returns in what features images were compared, and how many; a distance means nothing without them."""
    distances = [images["fid"]["samples"] for run in runs if (images := run.get("images"))]
    return "; ".join(dict.fromkeys(f"{each['extractor']}, {each['counts'][0]:,} rows" for each in distances))


def _cautions(runs: Sequence[Result]) -> str:
    """Returns why nearest neighbors are not to be trusted, and with how many seeds; empty where they are."""
    found = [[text for name in NEAREST if (text := run.get(name, {}).get("warning"))] for run in runs]
    reasons = dict.fromkeys(re.split("[:;]", text)[0] for texts in found for text in texts)
    return f"{', '.join(reasons)} ({sum(map(bool, found))} of {len(runs)} seeds)" if reasons else ""


def _off_the_grid(runs: Sequence[Result]) -> str:
    """Returns with how many seeds a grid is too coarse for some example, and by how much it errs over all."""
    grids = [run["quadrature"] for run in runs if "quadrature" in run]
    coarse = [grid["quadrature_error"] for grid in grids if not grid["converged"]]
    return f"not converged, mean error {max(coarse):.2g} nats ({len(coarse)} of {len(grids)} seeds)" if coarse else ""


def _pairs(table: Table, results: Sequence[Result]) -> Iterator[tuple[list[str], tuple[list[Result], list[Result]]]]:
    """Yields names of data, regularizer and budget, and the results of the two members, where there are any."""
    titles = {row.name: row.title for row in table.rows}
    for data, name, budget in product(table.data, titles, table.budgets):
        here = [each for each in results if (each["data"], each["budget"]["name"]) == (data, budget)]
        baseline, decoupled = ([each for each in here if each["row"] == row] for row in (name, f"{name}-dp"))
        if baseline and decoupled:
            yield [data, titles[name], budget], (baseline, decoupled)


def _changes(baseline: Sequence[Result], decoupled: Sequence[Result], names: Sequence[str]) -> list[str]:
    found = (change(baseline, decoupled, name) for name in names)
    return ["" if each is None else str(each) for each in found]


def _pictures(table: Table, cells: Sequence[Cell], out: Path) -> Iterator[Picture]:
    """Draws the runs that are at hand, and yields the pictures of all data sets, earlier ones too."""
    for name, cell in {cell.data: cell for cell in cells}.items():
        if here := beside(cell):
            data = shortened(loaded(name), here[0].budget)
            models = {cell.row.title: Run.load(cell.folder, data=data).last() for cell in here}
            _draw(models, data, out, f"{table.name}-{name}")
    for name in table.data:
        for path in sorted(out.glob(f"{table.name}-{name}-*.png")):
            what = path.stem.removeprefix(f"{table.name}-{name}-")
            yield Picture(path.name, f"{name}: {what.replace('-', ' of ', 1) if what.startswith('lines-') else what}")


def _draw(models: Mapping[str, VAE], data: Dataset, out: Path, stem: str) -> None:
    style.write(leakage_curves(models, data), out / f"{stem}-leakage.png")
    if data.dimensions == 2:
        style.write(moons(models, data, across=2), out / f"{stem}-samples.png")
    for title, model in models.items():
        prior = next(iter(model.stages_.values())).prior(None)
        if isinstance(prior, NormalizingFlow) and prior.event_shape.numel() == 2:
            style.write(traversals(model, data), out / f"{stem}-lines-{title.split(',')[0]}.png")
