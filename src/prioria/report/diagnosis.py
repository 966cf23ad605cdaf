"""The page of a diagnosis: the findings, their numbers and pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prioria.atomic import check_place
from prioria.data import Dataset
from prioria.evaluate.diagnosis import OPAQUE, THRESHOLDS, Diagnosis, Measurements, by_severity, diagnose, sweep
from prioria.model import VAE
from prioria.report import pictures, style
from prioria.report.overview import sections
from prioria.report.page import Picture, check_page
from prioria.report.pictures import Section
from prioria.report.pockets import Margins, decoded_margins, draw_margins, draw_plane, margins
from prioria.report.standing import standing
from prioria.report.subject import Subject
from prioria.report.templates import render
from prioria.storage import write_json, write_text
from prioria.train import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS, SHOWN = 12, 24


def write_diagnosis(
    run: Run, out: str | Path, *, seed: int = 0, say: Callable[[Diagnosis], object] | None = None
) -> Diagnosis:
    """Writes the page of a diagnosis as ``out`` and its numbers as JSON beside it, and returns it.

    Args:
        run: the run.
        out: the .html file.
        seed: of all draws.
        say: called with it before anything is written.

    Raises:
        ValueError: as for :func:`diagnose`, or a file that is no .html.
        OSError: a file cannot be written, which is tried first.
    """
    out = check_page(out)
    check_place(out.with_suffix(".json"))
    name = run.data.name if run.path is None else run.path.resolve().name
    found = _standing(run, diagnose(run.model, run.data, name=name, seed=seed))
    if say is not None:
        say(found)
    shown = _pictures(run.model, run.data, found)
    page = render("diagnosis.html", found=found, sweep=sweep(found.measurements), pictures=shown, opaque=OPAQUE)
    write_text(out, page)
    write_json(out.with_suffix(".json"), found.to_json())
    return found


def _standing(run: Run, found: Diagnosis) -> Diagnosis:
    """Adds what the history of the run and its evaluation say."""
    evaluation = None if run.path is None else Subject.of(run).evaluation
    more = standing(run, found.measurements.units, evaluation)
    known = {each.name for each in found.findings}
    if known & {"posterior collapse", "idle latents"}:  # which says the same, and why
        more = [each for each in more if each.name != "informative latents"]
    baselines = None if evaluation is None else evaluation.baselines
    return replace(found, findings=by_severity([*found.findings, *more]), baselines=baselines)


def _pictures(model: VAE, data: Dataset, found: Diagnosis) -> list[Picture]:
    edges = margins(model, data, seed=found.seed)
    shown = [
        Picture(
            "Latents", _source(_bars(found.measurements)), "KL of each latent, and how much its posterior mean varies"
        ),
        Picture("Pockets and leaks", _source(_latent(edges)), "of the top group, over the aggregate posterior"),
    ]
    if len(data.shape) == 3:
        blocks = pictures.blocks(_rows(model, data, edges, found.seed), data.protocol, columns=COLUMNS)
        return shown + [Picture(name, style.inline(pictures.png(each), ".png")) for name, each in blocks.items()]
    if data.dimensions == 2:
        shown.append(Picture("Decoded", _source(_decoded(model, data, edges)), "what pockets and leaks decode to"))
    return shown


def _rows(model: VAE, data: Dataset, edges: Margins, seed: int) -> dict[str, Section]:
    found = sections(model, data, seed=seed, columns=COLUMNS)
    for name, (rows, _) in decoded_margins(model, edges).items():
        found[f"{name} samples, decoded"] = Section(rows[:SHOWN])
    return found


def _bars(seen: Measurements) -> Figure:
    known = {name: each for name, each in seen.dimensions.items() if each is not None}
    figure, axes = style.panels(7.2, 2.4 * max(1, len(seen.units.variances)), rows=len(seen.units.variances), columns=2)
    for row, (name, variances) in enumerate(seen.units.variances.items()):
        left, right = axes[2 * row], axes[2 * row + 1]
        if name in known:
            values = known[name].values.sort(descending=True).values
            style.dress(left, f"{name}: KL to {known[name].against}", x="latent, sorted", y="nats")
            left.bar(range(len(values)), values.numpy(), color=style.DATA)
        else:
            style.dress(left, f"{name}: no KL of single latents").set_axis_off()
        ordered = variances.flatten().sort(descending=True).values
        style.dress(right, f"{name}: variance of posterior means", x="latent, sorted")
        right.plot(range(len(ordered)), ordered.clamp(min=1e-8).numpy(), marker="o", ms=3, color=style.DATA)
        right.set_yscale("log")
        for threshold in THRESHOLDS:
            right.axhline(threshold, color=style.LINE, lw=0.6)
    return figure


def _latent(edges: Margins) -> Figure:
    figure, (axes,) = style.panels(5.4, 4.6)
    draw_margins(axes, edges)
    style.legend_below(axes)
    return figure


def _decoded(model: VAE, data: Dataset, edges: Margins) -> Figure:
    figure, (axes,) = style.panels(5.4, 4.4)
    draw_plane(axes, data.test.tensor(2000), decoded_margins(model, edges), "data (grey) and what extremes decode to")
    style.legend_below(axes)
    return figure


def _source(figure: Figure) -> str:
    return style.inline(style.render(figure))
