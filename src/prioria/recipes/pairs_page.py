"""The page of a table of pairs: every cell, then what the other prior changes in each pair."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from prioria.data import Dataset
from prioria.flows import NormalizingFlow
from prioria.model import VAE
from prioria.recipes.cell import Cell, loaded, shortened
from prioria.recipes.page import PROTOCOL, Page, Picture, Section, budgets, introduction, protocol
from prioria.recipes.table import Result, Table
from prioria.report import style
from prioria.report.moons import leakage_curves, moons, traversals
from prioria.train import Run

METRICS: dict[str, tuple[str, ...]] = {  # column -> where it is in a result
    "FID": ("images", "fid", "samples", "value"),
    "FID(LP)": ("images", "fid", "low_posterior", "value"),
    "FID(q)": ("images", "fid", "aggregate", "value"),
    "floor": ("images", "fid", "floor", "value"),
    "KID": ("images", "kid", "value"),
    "off the moons": ("images", "off_the_moons", "samples"),
    "off the moons (LP)": ("images", "off_the_moons", "low_posterior"),
    "off the moons (q)": ("images", "off_the_moons", "aggregate"),
    "sKL": ("skl", "value"),
    "KL of q(z) from p(z)": ("skl", "q_to_p"),
    "TC of q(z)": ("total_correlation", "value"),
    "sKL, 1-NN in z": ("skl_nearest", "value"),
    "sKL, 1-NN in z0": ("skl_nearest_generation", "value"),
    "log p(x)": ("log_likelihood", "value"),
    "log p(x), quadrature": ("quadrature", "value"),
    "rate": ("rate",),
    "pockets": ("overlap", "pockets"),
    "leaks": ("overlap", "leaks"),
}
DERIVED: dict[str, tuple[str, str, Callable[[float, float], float]]] = {
    "FID(LP)/FID": ("FID(LP)", "FID", operator.truediv),
    "FID - FID(q)": ("FID", "FID(q)", operator.sub),
}
COMPARED = ("FID", "FID(LP)", "FID(LP)/FID", "sKL", "sKL, 1-NN in z", "off the moons", "off the moons (LP)")
PARTS = ("FID", "FID(q)", "FID - FID(q)")
CAUSES = ("KL of q(z) from p(z)", "TC of q(z)")
COLLAPSED = 0.1  # nats of rate
COLUMNS = ("data", "row", "budget", "seeds", *METRICS, *DERIVED, "published FID, FID(LP), sKL, NLL", *PROTOCOL)
LEGEND = (
    "Every number is a mean over seeds ± standard deviation over seeds. sKL without more words is the Monte Carlo "
    "estimate with the exact aggregate density; log p(x) is in nats, by importance sampling and on a grid; pockets and "
    "leaks are shares of draws, 0.01 if prior and aggregate posterior were one.",
    "FID(q) is the FID of what encodings of training rows, drawn from their posteriors, decode to: the FID that the "
    "same decoder would have under a prior that fits. FID - FID(q) is what the prior costs, and all that a better "
    "prior can mend; FID(q) is the decoder's.",
)


def page(table: Table, out: Path, cells: Sequence[Cell]) -> Page:
    """Returns the page of all results below ``out``: what the other prior changes in each pair, then every cell.

    Args:
        table: of pairs, a baseline ``name`` and ``name-dp``.
        out: folder of the results.
        cells: those whose runs are at hand; the figures are drawn of the runs with seed 0.
    """
    results = table.results(out)
    pictures = [*_pictures(table, cells, out)]
    return Page(
        title=table.published.title,
        text=[*introduction(table), *LEGEND],
        notes=[*table.published.notes, *budgets(table)],
        sections=[
            Section(
                "Pairs: decoupled prior minus baseline",
                ("data", "regulariser", "budget", *COMPARED),
                [[*names, *(_difference(*pair, name) for name in COMPARED)] for names, pair in _pairs(table, results)],
            ),
            Section(
                "Why the FID falls, or does not",
                ("data", "regulariser", "budget", *PARTS, *CAUSES, "in words"),
                [
                    [*names, *(_difference(*pair, name) for name in (*PARTS, *CAUSES)), reading(*pair)]
                    for names, pair in _pairs(table, results)
                ],
            ),
            Section("Cells", COLUMNS, [line for data in table.data for line in _lines(table, data, results)]),
        ],
        pictures=[picture for picture in pictures if "-lines-" not in picture.file],
        gallery=[picture for picture in pictures if "-lines-" in picture.file],
    )


def metric(result: Result, name: str) -> float | None:
    """Returns a number of a result by the name of its column; None where it was not measured."""
    if name in DERIVED:
        first, second, combined = DERIVED[name]
        a, b = metric(result, first), metric(result, second)
        return None if a is None or b is None else combined(a, b)
    value: Any = result
    for key in METRICS[name]:
        value = value.get(key) if isinstance(value, Mapping) else None
    return None if value is None else float(value)


def verdict(
    baseline: Sequence[Result], decoupled: Sequence[Result], name: str
) -> tuple[float, float | None, str] | None:
    """Returns mean and spread over seeds of the difference decoupled - baseline of a metric, and what they say.

    "drop" and "rise" are beyond the spread (one standard deviation over seeds), "within the spread" is neither. Seeds
    whose baseline has a rate below 0.1 nats, "collapsed", are not compared; None where the two share no seed.
    """
    seeds = {result["seed"]: result for result in baseline}
    shared = [(seeds[each["seed"]], each) for each in decoupled if each["seed"] in seeds]
    pairs = [(a, b) for a, b in shared if a["rate"] >= COLLAPSED] or shared
    values = [(metric(a, name), metric(b, name)) for a, b in pairs]
    differences = [b - a for a, b in values if a is not None and b is not None]
    if not differences:
        return None
    middle, spread = fmean(differences), stdev(differences) if len(differences) > 1 else None
    if any(a["rate"] < COLLAPSED for a, _ in pairs):
        return middle, spread, "collapsed baseline"
    lost = len(shared) - len(pairs)
    caution = f", {lost} of {len(shared)} baselines collapsed" if lost else ""
    if spread is None:
        return middle, spread, f"one seed{caution}"
    says = "drop" if middle < -spread else "rise" if middle > spread else "within the spread"
    return middle, spread, f"{says}{caution}"


def reading(baseline: Sequence[Result], decoupled: Sequence[Result]) -> str:
    """Returns in words which part of the FID moved: that of the decoder, FID(q), or that of the prior, the rest."""
    found = [verdict(baseline, decoupled, name) for name in PARTS]
    if found[0] is None or found[1] is None or found[2] is None:
        return ""
    if found[0][2] == "collapsed baseline":
        return "not compared: without information in the latents there is no representation to decouple"
    total, decoder, prior = (each[0] for each in found if each is not None)
    caution = (
        "" if found[0][2] in ("drop", "rise") else f"{found[0][2].removeprefix('drop, ').removeprefix('rise, ')}: "
    )
    if total < 0:
        return f"{caution}falls, mostly by {'the prior' if prior <= decoder else 'the decoder'}"
    if prior < 0:
        return (
            f"{caution}does not fall: samples are nearer to what encodings decode to, but that is farther from the data"
        )
    compared = [each for each in baseline if each["rate"] >= COLLAPSED]
    cost, whole = (fmean(metric(each, name) or 0.0 for each in compared) for name in (PARTS[2], PARTS[0]))
    part = f"the prior cost the baseline {cost:.3g} of its FID of {whole:.3g}"
    return f"{caution}does not fall: {part}, and the flow costs no less"


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
                beside,
                *protocol(runs),
            ]


def _cell(runs: Sequence[Result], name: str) -> str:
    values = [value for run in runs if (value := metric(run, name)) is not None and math.isfinite(value)]
    if not values:
        return ""
    spread = f" ± {stdev(values):.2g}" if len(values) > 1 else ""
    return f"{fmean(values):.4g}{spread}"


def _pairs(table: Table, results: Sequence[Result]) -> Iterator[tuple[list[str], tuple[list[Result], list[Result]]]]:
    """Yields names of data, regulariser and budget, and the results of the two members, where there are any."""
    titles = {row.name: row.title for row in table.rows}
    for data, name, budget in product(table.data, titles, table.budgets):
        here = [each for each in results if (each["data"], each["budget"]["name"]) == (data, budget)]
        baseline, decoupled = ([each for each in here if each["row"] == row] for row in (name, f"{name}-dp"))
        if baseline and decoupled:
            yield [data, titles[name], budget], (baseline, decoupled)


def _difference(baseline: Sequence[Result], decoupled: Sequence[Result], name: str) -> str:
    found = verdict(baseline, decoupled, name)
    if found is None:
        return ""
    middle, spread, says = found
    if says == "collapsed baseline":
        return says
    return f"{middle:+.3g}{'' if spread is None else f' ± {spread:.2g}'}: {says}"


def _pictures(table: Table, cells: Sequence[Cell], out: Path) -> Iterator[Picture]:
    """Draws the runs that are at hand, and yields the pictures of all data sets, earlier ones too."""
    for name in dict.fromkeys(cell.data for cell in cells):
        here = [cell for cell in cells if cell.data == name and cell.seed == 0 and cell.result is not None]
        if here:
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
