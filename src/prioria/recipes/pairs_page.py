"""The page of a table of pairs: every cell, then what the other prior changes in each pair."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from prioria.data import Dataset
from prioria.model import VAE
from prioria.recipes.cell import Cell, loaded, shortened
from prioria.recipes.page import PROTOCOL, Page, Picture, Section, budgets, introduction, protocol
from prioria.recipes.table import Result, Table
from prioria.report import style
from prioria.report.moons import leakage_curves, moons, traversals
from prioria.train import Run

METRICS: dict[str, tuple[str, ...]] = {  # column -> where it is in a result
    "FID": ("images", "fid", "value"),
    "FID(LP)": ("images", "fid_low_posterior", "value"),
    "floor": ("images", "floor", "value"),
    "KID": ("images", "kid", "value"),
    "off the moons": ("images", "off_the_moons", "samples"),
    "off the moons (LP)": ("images", "off_the_moons", "low_posterior"),
    "sKL": ("skl", "value"),
    "sKL, 1-NN in z": ("skl_nearest", "value"),
    "sKL, 1-NN in z0": ("skl_nearest_generation", "value"),
    "log p(x)": ("log_likelihood", "value"),
    "log p(x), quadrature": ("quadrature", "value"),
    "rate": ("rate",),
    "pockets": ("overlap", "pockets"),
    "leaks": ("overlap", "leaks"),
}
COMPARED = ("FID", "FID(LP)", "sKL", "sKL, 1-NN in z", "off the moons", "off the moons (LP)")
COLLAPSED = 0.1  # nats of rate
COLUMNS = ("data", "row", "budget", "seeds", *METRICS, "published FID, FID(LP), sKL, NLL", *PROTOCOL)
LEGEND = (
    "Every number is a mean over seeds ± standard deviation over seeds. sKL without more words is the Monte Carlo "
    "estimate with the exact aggregate density; log p(x) is in nats, by importance sampling and on a grid; pockets and "
    "leaks are shares of draws, 0.01 if prior and aggregate posterior were one."
)


def page(table: Table, out: Path, cells: Sequence[Cell]) -> Page:
    """Returns the page of all results below ``out``: what the other prior changes in each pair, then every cell.

    Args:
        table: of pairs, a baseline ``name`` and ``name-dp``.
        out: folder of the results.
        cells: those whose runs are at hand; the figures are drawn of the runs with seed 0.
    """
    results = table.results(out)
    lines = [line for data in table.data for line in _lines(table, data, results)]
    pairs = [line for data in table.data for line in _pairs(table, data, results)]
    return Page(
        title=table.published.title,
        text=[*introduction(table), LEGEND],
        notes=[*table.published.notes, *budgets(table)],
        sections=[
            Section("Pairs: decoupled prior minus baseline", ("data", "regulariser", "budget", *COMPARED), pairs),
            Section("Cells", COLUMNS, lines),
        ],
        pictures=[Picture(name, name) for name in _figures(cells, out)],
    )


def metric(result: Result, name: str) -> float | None:
    """Returns a number of a result by the name of its column; None where it was not measured."""
    value: Any = result
    for key in METRICS[name]:
        value = value.get(key) if isinstance(value, Mapping) else None
    return None if value is None else float(value)


def verdict(
    baseline: Sequence[Result], decoupled: Sequence[Result], name: str
) -> tuple[float, float | None, str] | None:
    """Returns mean and spread over seeds of the difference decoupled - baseline of a metric, and what they say.

    "drop" and "rise" are beyond the spread (one standard deviation over seeds), "within the spread" is neither, and a
    baseline with a rate below 0.1 nats has "collapsed" and is not compared. None where the two share no seed.
    """
    seeds = {result["seed"]: result for result in baseline}
    pairs = [(seeds[each["seed"]], each) for each in decoupled if each["seed"] in seeds]
    values = [(metric(a, name), metric(b, name)) for a, b in pairs]
    differences = [b - a for a, b in values if a is not None and b is not None]
    if not differences:
        return None
    middle, spread = fmean(differences), stdev(differences) if len(differences) > 1 else None
    if any(a["rate"] < COLLAPSED for a, _ in pairs):
        return middle, spread, "collapsed baseline"
    if spread is None:
        return middle, spread, "one seed"
    return middle, spread, "drop" if middle < -spread else "rise" if middle > spread else "within the spread"


def _lines(table: Table, data: str, results: Sequence[Result]) -> Iterator[list[str]]:
    for row in table.rows:
        published = table.published.cells.get(data, {}).get(row.name)
        beside = "" if published is None else ", ".join(f"{value:g}" for value in published)
        found = [result for result in results if (result["data"], result["row"]) == (data, row.name)]
        for budget in sorted({result["budget"]["name"] for result in found}) or [""]:
            runs = [result for result in found if result["budget"]["name"] == budget]
            yield [
                data,
                row.title,
                budget or "not run",
                str(len(runs)),
                *(_cell(runs, name) for name in METRICS),
                beside,
                *protocol(runs),
            ]


def _cell(runs: Sequence[Result], name: str) -> str:
    values = [value for run in runs if (value := metric(run, name)) is not None and math.isfinite(value)]
    if not values:
        return ""
    spread = f" ± {stdev(values):.2g}" if len(values) > 1 else ""
    return f"{fmean(values):.4g}{spread}"


def _pairs(table: Table, data: str, results: Sequence[Result]) -> Iterator[list[str]]:
    here = [result for result in results if result["data"] == data]
    budgets = sorted({result["budget"]["name"] for result in here})
    for budget in budgets:
        rows = {
            row.name: [r for r in here if r["row"] == row.name and r["budget"]["name"] == budget] for row in table.rows
        }
        for row in table.rows:
            if f"{row.name}-dp" in rows:
                cells = [_difference(rows[row.name], rows[f"{row.name}-dp"], name) for name in COMPARED]
                yield [data, row.title, budget, *cells]


def _difference(baseline: Sequence[Result], decoupled: Sequence[Result], name: str) -> str:
    found = verdict(baseline, decoupled, name)
    if found is None:
        return ""
    middle, spread, says = found
    return f"{middle:+.3g}{'' if spread is None else f' ± {spread:.2g}'}: {says}"


def _figures(cells: Sequence[Cell], out: Path) -> Iterator[str]:
    for name in dict.fromkeys(cell.data for cell in cells):
        here = [cell for cell in cells if cell.data == name and cell.seed == 0 and cell.result is not None]
        data = shortened(loaded(name), here[0].budget) if here else loaded(name)
        models = {cell.row.title: Run.load(cell.folder, data=data).model for cell in here}
        yield from _drawn(models, data, out, f"{cells[0].table.name}-{name}")


def _drawn(models: dict[str, VAE], data: Dataset, out: Path, stem: str) -> Iterator[str]:
    if not models:
        return
    figures = {"leakage": leakage_curves(models, data)}
    if data.dimensions == 2:
        figures["samples"] = moons(models, data)
    for title, model in models.items():
        if (
            title.endswith("decoupled prior")
            and next(iter(model.stages_.values())).prior(None).event_shape.numel() == 2
        ):
            figures[f"lines-{title.split(',')[0]}"] = traversals(model, data)
    for name, figure in figures.items():
        yield style.write(figure, out / f"{stem}-{name}.png").name
