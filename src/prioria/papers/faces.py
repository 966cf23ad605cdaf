"""Paths between faces on a manifold of 32 latents (Klushyn et al., 2019, the poster; its own faces are not public)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prioria import evaluate, explore
from prioria.papers.columns import ROW, Column, listings
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
    reconstruction_error,
    rows,
    trained,
)
from prioria.papers.table import Cell, Published, Result, Table
from prioria.report import strips, style
from prioria.report.listing import Page

SCALE, TARGET, LATENTS, SHOWN = 0.1, "rmse=0.1", 32, 3
COLUMNS = (
    ROW,
    Column("second difference of pixels", "overall", scale=1000.0),
    Column("RMSE", "rmse", ".4f"),
    Column("discontinuities on a path", "discontinuities"),
    Column("beta at the end", "beta", ".3f"),
)
DETAILS = (
    Column("change between frames: median", "change.0", ".1f", scale=1000.0),
    Column("change between frames: worst", "change.1", ".1f", scale=1000.0),
    Column("nodes on a path", "nodes", ".0f"),
)
PUBLISHED = Published(
    title="Paths between faces",
    source="A. Klushyn et al., Learning Hierarchical Priors in VAEs, NeurIPS 2019, the poster: pictures, no numbers",
    protocol="",
    unit="thousandths of the range of grey",
    cells={},
    notes=(
        f"{LATENTS} latents, tanh networks of two layers of 128 for every method, p(x|z) with standard deviation "
        f"{SCALE}, target {TARGET}; weights of the end of training.",
        f"Graphs of 1,000 prior samples with {NEIGHBORS} neighbors join 100 pairs of test faces, or as many as there "
        f"are (smoke: 30 nodes, 2 pairs); every path with its edges is resampled to {FRAMES} frames by arc length.",
        "Second differences and changes between neighboring frames are root mean squares over pixels, in thousandths "
        "of the range of grey.",
        "The poster's three-dimensional faces are restricted; these are photographs and not a replacement for its row.",
    ),
)


def measure(cell: Cell) -> Result:
    """Trains a method on faces, walks between test faces, draws paths, and returns how smooth they are."""
    start, run = time.perf_counter(), trained(cell, scale=SCALE, target=TARGET, latents=LATENTS)
    count = min(effort(cell).pairs, len(run.data.test) // 2)
    paths = explore.interpolate(run.model, graph_of(cell, run.model), *pairs_of(run.data, count))
    drawn = strips.strips_of(paths[:SHOWN], run.data.protocol)
    style.write(strips.strips({f"path {k + 1}": strip for k, strip in enumerate(drawn)}), cell.attached / "strip.png")
    strips.animation(drawn[0], cell.attached / "path.gif")
    frames = frames_of(run.model, paths)
    steps = frames.diff(dim=1).square().mean(-1).sqrt()
    return {
        "rmse": reconstruction_error(cell, run.model),
        "overall": evaluate.smoothness(frames).overall,
        "change": [steps.median().item(), steps.max().item()],
        "discontinuities": float(np.mean([len(path.discontinuities) for path in paths])),
        "nodes": float(np.median([len(path.z) for path in paths])),
        "split": f"test, {count} pairs",
        "selection": "weights at the end",
        **constraint_of(run),
        **cost(run, start),
    }


def page(table: Table, out: Path, cells: Sequence[Cell]) -> Page:
    """Returns the page of all results below ``out``."""
    return compose(
        table,
        out,
        listings(table, out, COLUMNS, DETAILS),
        plotted=COLUMNS[1:4],
        gallery=attached(table, out, "strip.png"),
        likelihoods=False,
    )


TABLE = Table(
    name="vhp-faces",
    rows=rows("vhp-rewo", "vamp", "iwae"),
    data=("olivetti", "lfwcrop"),
    budgets={"smoke": SMALL, "cpu": Effort(steps=6000), "gpu": Effort(steps=40_000)},
    published=PUBLISHED,
    measure=measure,
    page=page,
)
