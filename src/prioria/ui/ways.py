"""Ways between two points of a plane: the straight line beside the shortest path through samples of the prior."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prioria import evaluate, explore
from prioria.report import strips
from prioria.ui.opened import Opened, alone

FRAMES = 40


@alone
def path(opened: Opened, **asked: Any) -> dict[str, Any]:
    """Both ways between two points, under one class where there are classes.

    Args:
        opened: the run.
        **asked: points ``start`` and ``end``, the ``number`` of a class; ``nodes``, ``neighbors`` and ``mutual`` of the
            graph.
    """
    graph, ways, number = _ways(opened, **asked)
    edges = np.stack(graph.edges.nonzero(), 1)
    edges = edges[edges[:, 0] < edges[:, 1]]
    return {
        "nodes": _place(opened, torch.from_numpy(graph.points), number),
        "edges": edges.tolist(),
        "weights": np.asarray(graph.edges[edges[:, 0], edges[:, 1]]).ravel().tolist(),
        "parts": graph.components,
        "ways": {name: _way(opened, way, number) for name, way in ways.items()},
    }


@alone
def animation(opened: Opened, way: str = "graph", **asked: Any) -> dict[str, str]:
    """A path as the bytes of a .gif, in base64."""
    _, ways, number = _ways(opened, **asked)
    if way not in ways:
        raise ValueError(f"way={way!r} is unknown; use {' or '.join(ways)}")
    found = explore.Path(ways[way], _frames(opened, ways[way], number), cost=0.0)
    strip = strips.strips_of([found], opened.run.data.protocol)[0]
    with tempfile.TemporaryDirectory() as folder:
        strips.animation(strip, Path(folder) / "path.gif")
        return {"gif": base64.b64encode((Path(folder) / "path.gif").read_bytes()).decode("ascii")}


def _ways(
    opened: Opened, start: Any, end: Any, number: int | None = None, **graph: Any
) -> tuple[explore.Graph, dict[str, Tensor], int | None]:
    if number is None and opened.shown.values is not None:
        raise ValueError(f"a path has one class of {opened.top}, as latents of two have nothing in common; choose one")
    found = _graph(opened, number, **graph)
    ends, _ = opened.lifted([start, end], number)
    joined = found.joined(ends.numpy())
    through = torch.from_numpy(joined.points[joined.path(len(found.points), len(found.points) + 1)])
    ways = {"straight": explore.resample(ends, FRAMES), "graph": explore.resample(through, FRAMES)}
    return found, ways, number


def _graph(
    opened: Opened, number: int | None, nodes: int = 500, neighbors: int = 15, *, mutual: bool = True
) -> explore.Graph:
    if not 2 <= int(nodes) <= 5000:
        raise ValueError(f"nodes={nodes} must be between 2 and 5000")
    options = {"neighbors": int(neighbors), "mutual": bool(mutual)}
    key = ("graph", number, int(nodes), *options.values())
    return opened.once(key, lambda: explore.Graph.build(opened.shown.draws(int(nodes), number).numpy(), **options))


def _place(opened: Opened, z: Tensor, number: int | None) -> list[list[float]]:
    return opened.chart(number).place(z, torch.full((len(z),), number or 0)).tolist()


def _frames(opened: Opened, z: Tensor, number: int | None) -> Tensor:
    return opened.means(z, torch.full((len(z),), number or 0))


def _way(opened: Opened, z: Tensor, number: int | None) -> dict[str, Any]:
    frames = _frames(opened, z, number)
    way = explore.Path(z, frames, cost=float(z.diff(dim=0).norm(dim=-1).sum()))
    return {
        "z": z.tolist(),
        "points": _place(opened, z, number),
        "pictures": opened.drawer.to_text(frames),
        "discontinuities": way.discontinuities,
        "smoothness": evaluate.smoothness(frames.unsqueeze(0)).pairs.mean().item(),
        "length": way.cost,
    }
