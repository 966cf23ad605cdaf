"""Graphs in latent space, with the paths through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prioria import explore
from prioria.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALE = "Blues_r"  # short edges are dark


def graph(found: explore.Graph, paths: Sequence[explore.Path]) -> Figure:
    """Returns a picture of a graph: its edges blue, the darker the shorter, and paths red.

    With more than two latents the axes are the first two principal components of the nodes.

    Args:
        found: from ``explore.latent_graph``.
        paths: through it.
    """
    figure, (axes,) = style.panels(5.4, 4.6)
    draw_graph(axes, found, paths)
    return figure


def draw_graph(axes: Axes, found: explore.Graph, paths: Sequence[explore.Path], title: str = "") -> None:
    """Draws a graph and paths into axes."""
    from matplotlib.collections import LineCollection

    center, directions = _plane(found.points)
    ends = found.edges.tocoo()
    once = ends.row < ends.col
    points = (found.points - center) @ directions
    segments = points[np.stack([ends.row[once], ends.col[once]], 1)]
    lengths = ends.data[once]
    edges = LineCollection(list(segments), array=lengths, cmap=SCALE, linewidths=0.4, rasterized=True)
    edges.set_clim(0, 1.25 * float(np.quantile(lengths, 0.99)))  # the longest are still to be seen
    axes.add_collection(edges)
    for path in paths:
        axes.plot(*((path.z.numpy() - center) @ directions).T, color=style.SAMPLE, lw=1.6, marker="o", ms=2.5)
    axes.autoscale()
    names = ("z 1", "z 2") if found.points.shape[1] <= 2 else ("1st component", "2nd component")
    style.dress(axes, title, x=names[0], y=names[1])
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.colorbar(edges, ax=axes, label="length of edge", shrink=0.8)


def _plane(points: NDArray) -> tuple[NDArray, NDArray]:
    dimensions = points.shape[1]
    if dimensions <= 2:
        return np.zeros(dimensions), np.eye(dimensions, 2)
    center = points.mean(0)
    _, _, directions = np.linalg.svd(points[:10_000] - center, full_matrices=False)
    return center, directions[:2].T
