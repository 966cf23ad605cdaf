"""The command that interpolates along what a model has learned."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch

from prioria import drawing, evaluate, explore
from prioria.commands.opened import DataPlace, RunFolder
from prioria.commands.sample import check_seed
from prioria.data import Protocol
from prioria.report import graphs, strips, style, waves
from prioria.storage import discard, write_json, write_tensors
from prioria.train import Run

FRAMES = 50  # that every path is resampled to before its smoothness is measured
PARTS = ("z", "frames")  # of each path, that are kept


def interpolate(
    run: RunFolder,
    *,
    pairs: int = 4,
    nodes: int = 1000,
    neighbors: int = 15,
    mutual: bool = False,
    lengths: Literal["latent", "data", "decoder"] = "latent",
    out: Path | None = None,
    data: DataPlace = None,
    seed: int = 0,
) -> None:
    """Find shortest paths between pairs of test rows through a graph of samples from the prior.

    Writes into a folder: paths.json (lengths, discontinuities, smoothness), paths.safetensors (nodes and frames),
    graph.png, strip.png of pictures, poses and series, and of all but series a .gif for each path.

    Args:
        pairs: how many pairs of test rows.
        nodes: samples from the prior.
        neighbors: nearest nodes that each node is joined to.
        mutual: join two nodes only where each is among the nearest of the other, so that strays make no bridges.
        lengths: of edges: latent distance, distance of the decoded ends, or length of the decoded line between them.
        out: the folder, RUN/paths by default.
        seed: of pairs and samples.
    """
    check_seed(seed)
    opened, folder = Run.load(run, data=data), out or run / "paths"
    starts, ends = _pairs(opened, pairs, seed)
    graph = explore.latent_graph(
        opened.model, nodes=nodes, neighbors=neighbors, mutual=mutual, lengths=lengths, seed=seed
    )
    paths = explore.interpolate(opened.model, graph, starts, ends)
    frames = torch.stack([explore.decoded(opened.model, explore.resample(path.z, FRAMES)) for path in paths])
    _write(folder, graph, paths, evaluate.smoothness(frames))
    _draw(folder, graph, paths, opened.data.protocol)
    jumps = sum(len(path.discontinuities) for path in paths)
    joined = "" if graph.components == 1 else f", {graph.components} parts joined"
    print(f"{len(paths)} paths through {nodes:,} nodes{joined}: {jumps} discontinuities. Written: {folder}")


def _pairs(run: Run, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rows = len(run.data.test)
    if rows < 2:
        raise ValueError(f"{run.path} has {rows} test row, and a path needs two; train on more rows")
    if not 1 <= count <= rows // 2:
        raise ValueError(f"--pairs {count} of {rows} test rows cannot be drawn; use between 1 and {rows // 2}")
    chosen = np.random.default_rng(seed).permutation(rows)[: 2 * count]
    x = run.data.test.batch(torch.from_numpy(chosen))
    return x[:count], x[count:]


def _write(folder: Path, graph: explore.Graph, paths: list[explore.Path], smoothness: evaluate.Smoothness) -> None:
    found = [
        {
            "nodes": len(path.z),
            "length": path.cost,
            "steps": path.steps.tolist(),
            "discontinuities": path.discontinuities,
            "smoothness": smoothness.pairs[number].mean().item(),
        }
        for number, path in enumerate(paths)
    ]
    settings = {
        "nodes": len(graph.points),
        "neighbors": graph.neighbors,
        "mutual": graph.mutual,
        "components": graph.components,
    }
    write_json(folder / "paths.json", {"graph": settings, "resampled_to": FRAMES, "paths": found})
    tensors = {f"{number + 1}.{part}": getattr(path, part) for number, path in enumerate(paths) for part in PARTS}
    write_tensors(folder / "paths.safetensors", tensors)


def _draw(folder: Path, graph: explore.Graph, paths: list[explore.Path], protocol: Protocol) -> None:
    discard(folder, r"strip\.png|path-\d+\.gif")  # there may have been more paths
    style.write(graphs.graph(graph, paths), folder / "graph.png")
    if protocol.series is not None:
        style.write(waves.paths(paths, protocol), folder / "strip.png")
    if not drawing.is_drawable(protocol):
        return
    drawn = {f"path {number + 1}": strip for number, strip in enumerate(strips.strips_of(paths, protocol))}
    style.write(strips.strips(drawn), folder / "strip.png")
    for name, strip in drawn.items():
        strips.animation(strip, folder / f"{name.replace(' ', '-')}.gif")
