"""Paths between poses of motion capture, and how smooth they are joint by joint (Klushyn et al., 2019, the poster)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np

from prioria import evaluate, explore
from prioria.data.files import data_root
from prioria.data.known.cmu_mocap import MOVEMENTS, moving, read_skeleton
from prioria.papers.cell import beside
from prioria.papers.columns import ROW, Case, Column, cases, listings
from prioria.papers.likelihood import cost
from prioria.papers.page import attached, compose
from prioria.papers.paths import (
    FRAMES,
    NEIGHBORS,
    SMALL,
    Effort,
    constraint_of,
    effort,
    frames_of,
    graph_of,
    pairs_of,
    path_of,
    reconstruction_error,
    rows,
    trained,
)
from prioria.papers.table import Cell, Published, Result, Table
from prioria.report import graphs, strips, style
from prioria.report.listing import Image, Page

SCALE, TARGET = 0.05, "rmse=0.075"  # of channels between 0 and 1; the target is what a pilot of 100 epochs proposed
SHOWN = ("walking", "jogging", "punching", "kicking")
COLUMNS = (
    ROW,
    Column("second differences, all joints", "overall", scale=1000.0),
    Column("RMSE", "rmse", ".4f"),
    Column("discontinuities on a path", "discontinuities"),
    Column("beta at the end", "beta", ".3f"),
)
PUBLISHED = Published(
    title="Paths between poses",
    source="A. Klushyn et al., Learning Hierarchical Priors in VAEs, NeurIPS 2019, the poster: no numbers",
    protocol="",
    unit="thousandths of a channel's range",
    cells={},
    notes=(
        "Two latents, tanh networks of two layers of 128 for every method, p(x|z) with standard deviation "
        f"{SCALE}, target {TARGET}; weights of the end of training.",
        f"Graphs of 1,000 prior samples with {NEIGHBORS} neighbors join 100 pairs of test poses (smoke: 30 and 2); "
        f"every path with its edges is resampled to {FRAMES} frames by arc length.",
        "Root mean square of second differences of the channels of a joint, in thousandths of a channel's range: the "
        "mean over pairs and, of each joint, their standard deviation in brackets; smaller is smoother, but only "
        "beside reconstructions that are as good: a decoder that ignores z is smoothest of all.",
        "The trials cover the poster's five movements but are not its own, which are not known.",
    ),
)


def measure(cell: Cell) -> Result:
    """Trains a method on motion capture, walks between test poses, and returns how smooth each joint moves."""
    start, run = time.perf_counter(), trained(cell, scale=SCALE, target=TARGET)
    graph, joints = graph_of(cell, run.model), joints_of()
    paths = explore.interpolate(run.model, graph, *pairs_of(run.data, effort(cell).pairs))
    style.write(graphs.graph(graph, paths[:4]), cell.attached / "graph.png")
    found = evaluate.smoothness(frames_of(run.model, paths), parts=list(joints.values()))
    return {
        "overall": found.overall,
        "rmse": reconstruction_error(cell, run.model),
        "joints": dict(zip(joints, zip(found.mean.tolist(), found.sd.tolist(), strict=True), strict=True)),
        "discontinuities": float(np.mean([len(path.discontinuities) for path in paths])),
        "split": "test",
        "selection": "weights at the end",
        **constraint_of(run),
        **cost(run, start),
    }


def joints_of() -> dict[str, list[int]]:
    """Returns the columns of the data that belong to each joint."""
    skeleton = read_skeleton(data_root())
    joints: dict[str, list[int]] = {}
    for column, channel in enumerate(moving(skeleton)):
        joints.setdefault(skeleton.channels[channel].split()[0], []).append(column)
    return joints


def page(table: Table, out: Path, cells: Sequence[Cell]) -> Page:
    """Returns the page of all results below ``out``; movements are drawn of the runs at hand."""
    found = cases(table, out)
    joints = tuple(Column(joint, partial(_smoothness, joint)) for joint in joints_of())
    return compose(
        table,
        out,
        listings(table, out, COLUMNS, joints),
        plotted=COLUMNS[1:4],
        images=[*_bars(table, found, out), *_movements(table, cells, out)],
        gallery=attached(table, out, "graph.png"),
        likelihoods=False,
    )


def _smoothness(joint: str, case: Case) -> str:
    mean, deviation = (fmean(1000 * run["joints"][joint][k] for run in case.runs) for k in (0, 1))
    return f"{mean:.2f} ({deviation:.2f})"


def _bars(table: Table, found: Sequence[Case], out: Path) -> Iterator[Image]:
    """Draws the joints of each method, of the first seed."""
    if not found:
        return
    joints, width = list(joints_of()), 0.75 / len(found)
    figure, (axes,) = style.panels(9.0, 3.4)
    for number, case in enumerate(found):
        means, deviations = zip(*(case.runs[0]["joints"][joint] for joint in joints), strict=True)
        left, color = np.arange(len(joints)) + width * number, style.SERIES[number % len(style.SERIES)]
        axes.bar(left, means, width, color=color, label=case.title)
        axes.errorbar(left, means, deviations, fmt="none", ecolor=style.INK, elinewidth=0.7)
    title = "Root mean square of second differences, mean and sd over paths; smaller is smoother"
    style.dress(axes, title)
    axes.set_xticks(np.arange(len(joints)), joints, rotation=60, ha="right")
    style.legend(axes)
    yield Image(style.write(figure, out / f"{table.name}-smoothness.png").name, title)


def _movements(table: Table, cells: Sequence[Cell], out: Path) -> Iterator[Image]:
    """Draws a path between two test poses of each movement, one below the other for the methods."""
    here = beside(cells[0]) if cells else []
    for movement in SHOWN:
        drawn, file = {cell.row.title: _path(cell, movement) for cell in here}, out / f"{table.name}-{movement}.png"
        if drawn:
            strips.animation(next(iter(drawn.values())), file.with_suffix(".gif"))
            style.write(strips.strips(drawn), file)
        if file.exists():
            yield Image(file.name, movement)


def _path(cell: Cell, movement: str) -> strips.Strip:
    labels = cell.dataset.test.labels
    assert labels is not None
    return path_of(cell, rows=(labels == MOVEMENTS.index(movement)).nonzero().flatten())


TABLE = Table(
    name="vhp-motion",
    rows=rows("vhp-rewo", "vamp", "iwae"),
    data=("cmu-mocap",),
    budgets={"smoke": SMALL, "cpu": Effort(epochs=400), "gpu": Effort(epochs=2000)},
    published=PUBLISHED,
    measure=measure,
    page=page,
)
