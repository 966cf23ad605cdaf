"""Paths of a pendulum: do they pass through the angles in between? (Klushyn et al., 2019, the poster)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from prioria import explore
from prioria.data.known.pendulum import NOISE, render
from prioria.model import VAE
from prioria.papers.cell import beside, scored
from prioria.papers.columns import ROW, Case, Column, cases, listing, listings
from prioria.papers.fitted import fit_of
from prioria.papers.likelihood import cost
from prioria.papers.page import attached, compose
from prioria.papers.paths import (
    FITTED,
    FRAMES,
    METHODS,
    NEIGHBORS,
    SMALL,
    UNFOLDED,
    Effort,
    constraint_of,
    effort,
    frames_of,
    graph_of,
    method_of,
    pairs_of,
    path_of,
    reconstruction_error,
    rows,
    trained,
)
from prioria.papers.table import Cell, Published, Result, Table
from prioria.report import constraint, graphs, strips, style
from prioria.report.constraint import Moment
from prioria.report.listing import Image, Page
from prioria.train import Run

TARGET, TOLERANCE = "rmse=0.06", 2.0  # a fifth above the noise of the pixels; degrees back that still count as onward
MOMENTS = (0, 300, 1000, 3000, 11_900)  # steps at which the latent space is looked at
COLUMNS = (
    ROW,
    Column(f"monotone within {TOLERANCE:.0f}°", "monotone", ".0%"),
    Column("largest jump of angle, worst path", "jump.1", ".0f"),
    Column("discontinuities on a path", "discontinuities"),
    Column("RMSE", "rmse", ".4f"),
    Column("beta at the end", "beta", ".3f"),
)
DETAILS = (
    Column("largest jump of angle, median path", "jump.0", ".0f"),
    Column("largest distance to a clean image (RMSE): median", "distance.0", ".3f"),
    Column("largest distance to a clean image (RMSE): worst", "distance.1", ".3f"),
    Column("nodes on a path, median", "nodes", ".0f"),
)
PARTS = Column("parts of the graph before they were joined", "parts", ".0f")
FIT = (
    ROW,
    Column("KL(q‖p), nats", "kl.q_to_p", ".3f"),
    Column("KL(p‖q), nats", "kl.p_to_q", ".1f"),
    Column("draws of p far from q", "far", ".1%"),
    Column("log p(x), nats", "log_likelihood.value"),
)


def _each(heading: str, path: str, form: str) -> Column:
    """Returns a column of the values of all seeds."""
    return Column(f"{heading}, seed by seed", lambda case: ", ".join(f"{value:{form}}" for value in case.values(path)))


FIT_DETAILS = (
    _each("KL(q‖p)", "kl.q_to_p", ".3f"),
    _each("draws of p far from q", "far", ".1%"),
    _each("beta", "beta", ".3f"),
    _each("mutual neighbors: monotone", "mutual.monotone", ".0%"),
    _each("mutual neighbors: largest jump", "mutual.jump.1", ".0f"),
    _each("mutual neighbors: discontinuities", "mutual.discontinuities", ".2f"),
    _each("log p(x)", "log_likelihood.value", ".2f"),
    Column("draws of p below the first percentile of q", "pockets", ".1%"),
    Column("rate, nats", "rate"),
)
PUBLISHED = Published(
    title="Paths of a pendulum",
    source="A. Klushyn et al., Learning Hierarchical Priors in VAEs, NeurIPS 2019, the poster: no numbers",
    protocol="",
    unit="degrees",
    cells={},
    notes=(
        f"Two latents, tanh networks of two layers of 128 for every method, p(x|z) with the standard deviation {NOISE} "
        f"of the pixel noise, target {TARGET}; weights of the end of training.",
        f"Graphs of 1,000 prior samples with {NEIGHBORS} neighbors join 100 pairs of test images (smoke: 30 and 2). "
        f"Each path with its edges is resampled to {FRAMES} frames by arc length; the angle of a frame is that of the "
        "nearest of 360 clean images.",
        "The poster joins each sample to its nearest: the union. Where only mutual neighbors are joined, a departure "
        "of ours, a stray sample inside the ring makes no chord; both are shown for the same weights.",
        "Rows with full covariances, of standardized latents or of `same schedule` have one schedule: cosine, and a "
        "prior that learns three times as fast as the model, or ten times where the row says so; under `short` 25 "
        "epochs. VHP then has full covariances in p(z|zeta) and q(zeta|z) and latents standardized once.",
        "From a start at random the ring of seed 3 crosses itself once, under REWO from the first epoch to the last, "
        "and no prior mends that. Rows with an unfolded start begin with an encoder at the first two principal "
        "components of the pictures, by 200 steps on squared distances before training.",
        "KL of 2,000 draws with the density of q(z) over all training rows, and 64 samples in the bound of VHP, by "
        "which its KL(q‖p) is an upper bound; far is 10 nats below the lowest log q(z) of as many draws of q; log p(x) "
        "of 500 test pictures with 20 importance samples.",
    ),
)


@dataclass(frozen=True)
class Walk:
    """What became of the angle along one path.

    Attributes:
        monotone: whether it never turns back by more than two degrees.
        jump: largest change between two frames, in degrees.
        distance: largest distance of a frame to the nearest clean image, root mean square per pixel.
    """

    monotone: bool
    jump: float
    distance: float

    @classmethod
    def of(cls, frames: Tensor) -> Walk:
        """Reads the angle of each frame (T, 256) off the nearest of 360 clean images."""
        clean = render(np.radians(np.arange(360))).reshape(360, -1)
        squares = ((frames.numpy()[:, None] - clean) ** 2).mean(-1)
        turns = (np.diff(squares.argmin(1)) + 180) % 360 - 180
        onward = turns * (np.sign(turns.sum()) or 1)
        return cls(bool((onward >= -TOLERANCE).all()), float(np.abs(turns).max()), float(np.sqrt(squares.min(1)).max()))


def measure(cell: Cell) -> Result:
    """Trains a method on the pendulum, walks between test images, draws paths and graph, and returns the numbers."""

    def look(model: VAE, step: int) -> None:
        if step in MOMENTS:
            Moment.of(model, cell.dataset, step).write(cell.folder / "moments")

    start, run = time.perf_counter(), trained(cell, scale=NOISE, target=TARGET, watch=look)
    graph, ends = graph_of(cell, run.model), pairs_of(run.data, effort(cell).pairs)
    paths = explore.interpolate(run.model, graph, *ends)
    _draw(cell, run, graph, paths)
    found = {
        **_measured(cell, run, paths),
        "parts": graph.components,
        "split": "test",
        "selection": "weights at the end",
    }
    found["mutual"] = _mutual(cell, run)
    found |= fit_of(run.model, run.data.train, scored(cell)[0], draws=min(2000, 5 * len(run.data.train)))
    if method_of(cell.row.name).straight:
        found["straight"] = _measured(cell, run, explore.straight(run.model, *ends))
    return found | cost(run, start)


def _mutual(cell: Cell, run: Run) -> dict[str, Any]:
    """Walks the same pairs through the graph of mutual neighbors, and draws it."""
    graph = graph_of(cell, run.model, mutual=True)
    paths = explore.interpolate(run.model, graph, *pairs_of(run.data, effort(cell).pairs))
    style.write(graphs.graph(graph, paths[:1]), cell.attached / "mutual.png")
    return _measured(cell, run, paths) | {"parts": graph.components}


def _draw(cell: Cell, run: Run, graph: explore.Graph, paths: Sequence[explore.Path]) -> None:
    drawn = strips.strips_of(paths[:3], run.data.protocol)
    titled = {f"{cell.row.title}, path {number + 1}": strip for number, strip in enumerate(drawn)}
    style.write(graphs.graph(graph, paths[:1]), cell.attached / "graph.png")
    style.write(strips.strips(titled), cell.attached / "strip.png")
    strips.animation(drawn[0], cell.attached / "path.gif")


def _measured(cell: Cell, run: Run, paths: Sequence[explore.Path]) -> dict[str, Any]:
    walks = [Walk.of(frames) for frames in frames_of(run.model, paths)]
    jumps, distances = [walk.jump for walk in walks], [walk.distance for walk in walks]
    return {
        **constraint_of(run),
        "rmse": reconstruction_error(cell, run.model),
        "monotone": float(np.mean([walk.monotone for walk in walks])),
        "jump": [float(np.median(jumps)), max(jumps)],
        "distance": [float(np.median(distances)), max(distances)],
        "nodes": float(np.median([len(path.z) for path in paths])),
        "discontinuities": float(np.mean([len(path.discontinuities) for path in paths])),
    }


def page(table: Table, out: Path, cells: Sequence[Cell]) -> Page:
    """Returns the page of all results below ``out``, and draws how REWO and GECO change the latent space."""
    found = cases(table, out)
    style.write(constraint.update_surfaces(), out / f"{table.name}-updates.png")
    here = beside(cells[0]) if cells else []
    evolution = _evolution(here)
    if evolution:
        style.write(constraint.evolution(evolution), out / f"{table.name}-evolution.png")
    shown = {f"{table.name}-updates.png": "Updates of beta", f"{table.name}-evolution.png": "Latent space in training"}
    others = (
        listing("Graphs of mutual neighbors", _within(found, "mutual"), COLUMNS[:4], (*DETAILS, PARTS)),
        listing("How well the prior fits", [case for case in found if case.values("kl")], FIT, FIT_DETAILS),
        listing("Straight lines between the same images", _within(found, "straight"), COLUMNS[:4], DETAILS[:3]),
    )
    return compose(
        table,
        out,
        [*listings(table, out, COLUMNS, DETAILS), *(each for each in others if each.entries)],
        plotted=COLUMNS[1:4],
        images=[
            *(Image(file, title) for file, title in shown.items() if (out / file).exists()),
            *_side_by_side(table, here, out),
        ],
        gallery=attached(table, out, "strip.png"),
        likelihoods=False,
    )


def _within(found: Sequence[Case], name: str) -> list[Case]:
    """Returns the cases whose methods also walked otherwise, with what these walks gave."""
    walked = [(case, [{**run, **run[name]} for run in case.runs if name in run]) for case in found]
    return [replace(case, runs=runs) for case, runs in walked if runs]


def _side_by_side(table: Table, cells: Sequence[Cell], out: Path) -> Iterator[Image]:
    """Draws the path between the same two test images, one below the other for the methods whose runs are at hand."""
    drawn = {cell.row.title: path_of(cell) for cell in cells}
    file = out / f"{table.name}-strips.png"
    if drawn:
        style.write(strips.strips(drawn), file)
    if file.exists():
        yield Image(file.name, "One path by each method")


def _evolution(cells: Sequence[Cell]) -> dict[str, list[Moment]]:
    """Returns the moments of REWO and GECO; nothing unless both runs are at hand."""
    shown = [cell for cell in cells if cell.row.name in ("vhp-rewo", "vhp-geco")]
    found = {cell.row.title: Moment.read(cell.folder / "moments") for cell in shown}
    return found if len(found) == 2 and all(found.values()) else {}


TABLE = Table(
    name="vhp-pendulum",
    rows=rows(*METHODS, *FITTED, *UNFOLDED),
    data=("pendulum",),
    budgets={
        "smoke": SMALL,
        "short": Effort(epochs=25),
        "cpu": Effort(epochs=100),
        "gpu": Effort(epochs=400),
    },
    published=PUBLISHED,
    measure=measure,
    page=page,
)
