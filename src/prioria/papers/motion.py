"""Paths between poses of motion capture, and how smooth they are joint by joint (Klushyn et al., 2019, the poster)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from prioria import evaluate, explore
from prioria.data.files import data_root
from prioria.data.known.cmu_mocap import MOVEMENTS, moving, read_skeleton
from prioria.papers.cell import Cell, beside
from prioria.papers.likelihood import cost
from prioria.papers.page import (
    PROTOCOL,
    Page,
    Picture,
    Section,
    attached,
    by_budget,
    introduction,
    over_seeds,
    protocol,
)
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
from prioria.papers.table import Published, Result, Row, Table
from prioria.report import graphs, strips, style

SCALE, TARGET = 0.05, "rmse=0.075"  # of channels between 0 and 1; the target is what a pilot of 100 epochs proposed
SHOWN = ("walking", "jogging", "punching", "kicking")
COLUMNS = ("method", "budget", "seeds", "all joints", "RMSE", "discontinuities on a path", "beta at the end", *PROTOCOL)
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
    results = table.results(out)
    lines = [line for row in table.rows for line in _lines(row, [each for each in results if each["row"] == row.name])]
    measured = [
        (f"{row.title}, {budget}", runs)
        for row in table.rows
        for budget, runs in by_budget(each for each in results if each["row"] == row.name)
    ]
    columns = ("joint", *(title for title, _ in measured))
    joints = [[joint, *(_smoothness(runs, joint) for _, runs in measured)] for joint in joints_of()]
    pictures = [*_bars(table, measured, out), *_movements(table, cells, out)]
    return Page(
        title=table.published.title,
        text=introduction(table),
        notes=table.published.notes,
        sections=[Section("Methods", COLUMNS, lines), Section("Each joint", columns, joints)],
        pictures=pictures,
        gallery=attached(table, out, "graph.png"),
    )


def _lines(row: Row, results: Sequence[Result]) -> Iterator[list[str]]:
    if not results:
        yield [row.title, "not run", *[""] * (len(COLUMNS) - 2)]
    for budget, runs in by_budget(results):
        yield [
            row.title,
            budget,
            str(len(runs)),
            over_seeds([1000 * run["overall"] for run in runs], ".2f"),
            over_seeds([run["rmse"] for run in runs], ".4f"),
            over_seeds([run["discontinuities"] for run in runs], ".2f"),
            over_seeds([run["beta"] for run in runs], ".3f"),
            *protocol(runs),
        ]


def _smoothness(runs: Sequence[Result], joint: str) -> str:
    mean, deviation = (fmean(1000 * run["joints"][joint][k] for run in runs) for k in (0, 1))
    return f"{mean:.2f} ({deviation:.2f})"


def _bars(table: Table, measured: Sequence[tuple[str, Sequence[Result]]], out: Path) -> Iterator[Picture]:
    """Draws the joints of each method, of the first seed."""
    if not measured:
        return
    joints, width = list(joints_of()), 0.75 / len(measured)
    figure, (axes,) = style.panels(9.0, 3.4)
    for number, (title, runs) in enumerate(measured):
        means, deviations = zip(*(runs[0]["joints"][joint] for joint in joints), strict=True)
        left, colour = np.arange(len(joints)) + width * number, style.SERIES[number % len(style.SERIES)]
        axes.bar(left, means, width, color=colour, label=title)
        axes.errorbar(left, means, deviations, fmt="none", ecolor=style.INK, elinewidth=0.7)
    title = "Root mean square of second differences, mean and sd over paths; smaller is smoother"
    style.dress(axes, title)
    axes.set_xticks(np.arange(len(joints)), joints, rotation=60, ha="right")
    style.legend(axes)
    yield Picture(style.write(figure, out / f"{table.name}-smoothness.png").name, title)


def _movements(table: Table, cells: Sequence[Cell], out: Path) -> Iterator[Picture]:
    """Draws a path between two test poses of each movement, one below the other for the methods."""
    here = beside(cells[0]) if cells else []
    for movement in SHOWN:
        drawn, file = {cell.row.title: _path(cell, movement) for cell in here}, out / f"{table.name}-{movement}.png"
        if drawn:
            strips.animation(next(iter(drawn.values())), file.with_suffix(".gif"))
            style.write(strips.strips(drawn), file)
        if file.exists():
            yield Picture(file.name, movement)


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
