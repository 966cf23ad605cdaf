"""Paths between faces on a manifold of 32 latents (Klushyn et al., 2019, the poster; its own faces are not public)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from prioria import evaluate, explore
from prioria.papers.cell import Cell
from prioria.papers.likelihood import cost
from prioria.papers.page import PROTOCOL, Page, Section, attached, by_budget, introduction, over_seeds, protocol
from prioria.papers.paths import (
    FRAMES,
    METHODS,
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
from prioria.papers.table import Published, Result, Row, Table
from prioria.report import strips, style

SCALE, TARGET, LATENTS, SHOWN = 0.1, "rmse=0.1", 32, 3
COLUMNS = (
    "data",
    "method",
    "budget",
    "seeds",
    "RMSE",
    "second difference of pixels",
    "change between frames: median",
    "worst",
    "discontinuities on a path",
    "nodes on a path",
    "beta at the end",
    *PROTOCOL,
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
    results = table.results(out)
    lines = [line for data in table.data for row in table.rows for line in _lines(data, row, results)]
    return Page(
        title=table.published.title,
        text=introduction(table),
        notes=table.published.notes,
        sections=[Section("", COLUMNS, lines)],
        pictures=[],
        gallery=attached(table, out, "strip.png"),
    )


def _lines(data: str, row: Row, results: Sequence[Result]) -> Iterator[list[str]]:
    found = [result for result in results if (result["data"], result["row"]) == (data, row.name)]
    if not found:
        yield [data, row.title, "not run", *[""] * (len(COLUMNS) - 3)]
    for budget, runs in by_budget(found):
        yield [
            data,
            row.title,
            budget,
            str(len(runs)),
            over_seeds([run["rmse"] for run in runs], ".4f"),
            over_seeds([1000 * run["overall"] for run in runs], ".2f"),
            *(over_seeds([1000 * run["change"][k] for run in runs], ".1f") for k in (0, 1)),
            over_seeds([run["discontinuities"] for run in runs], ".2f"),
            over_seeds([run["nodes"] for run in runs], ".0f"),
            over_seeds([run["beta"] for run in runs], ".3f"),
            *protocol(runs),
        ]


TABLE = Table(
    name="vhp-faces",
    rows=rows(*(name for name in METHODS if name not in ("vhp-geco", "vhp-double-loop"))),
    data=("olivetti", "lfwcrop"),
    budgets={"smoke": SMALL, "cpu": Effort(steps=6000), "gpu": Effort(steps=40_000)},
    published=PUBLISHED,
    measure=measure,
    page=page,
)
