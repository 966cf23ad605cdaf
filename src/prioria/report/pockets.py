"""The aggregate posterior with what the prior adds to it and what it misses, and what both decode to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from prioria.data import Dataset
from prioria.distributions import is_binary
from prioria.evaluate import aggregate_draws, aggregate_posterior, has_aggregate_density, top_posterior
from prioria.evaluate.diagnosis import ROWS
from prioria.evaluate.sampling import device_of
from prioria.explore import Extremes, decoded, high_posterior, low_posterior
from prioria.model import VAE
from prioria.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE = 150  # of the grid that its density is drawn on
POINTS = 1500
POCKET, LEAK = style.SAMPLE, style.SERIES[3]


@dataclass(frozen=True, eq=False)
class Margins:
    """The edges of a model's latent space.

    Attributes:
        encodings: draws of the aggregate posterior of the top group (n, L).
        low: low-posterior samples, None for a posterior without a density elsewhere.
        high: high-posterior samples.
        density: log q(z) on a grid of the plane (side, side), None unless z has two dimensions and is no pair of bits.
        extent: of the grid: left, right, bottom, top.
    """

    encodings: Float[Tensor, "n L"]
    low: Extremes | None
    high: Extremes
    density: Float[Tensor, "side side"] | None
    extent: tuple[float, float, float, float]


def margins(model: VAE, data: Dataset, *, seed: int = 0, count: int = 200) -> Margins:
    """Draws the encodings, the low- and the high-posterior samples of a model."""
    encodings = aggregate_draws(model, data.train, num_samples=POINTS, seed=seed, limit=ROWS).flatten(1).cpu()
    high = high_posterior(model, data.train, num_samples=count, seed=seed, limit=ROWS)
    density, extent = None, (0.0, 1.0, 0.0, 1.0)
    if not has_aggregate_density(model, data.train):
        return Margins(encodings, None, high, None, extent)
    low = low_posterior(model, data.train, num_samples=count, seed=seed, limit=ROWS)
    if encodings.shape[1] == 2 and not is_binary(top_posterior(model, data.train)):
        density, extent = _density(model, data, torch.cat([encodings, low.z.flatten(1)]), seed)
    return Margins(encodings, low, high, density, extent)


def pockets(model: VAE, data: Dataset, *, seed: int = 0) -> Figure:
    """Returns the aggregate posterior with low- and high-posterior samples marked; beyond two latents, projected."""
    figure, (axes,) = style.panels(5.4, 4.6)
    draw_margins(axes, margins(model, data, seed=seed))
    style.legend_below(axes)
    return figure


def draw_margins(axes: Axes, found: Margins, title: str = "aggregate posterior, pockets and leaks") -> None:
    """Draws encodings (or their density), low-posterior samples (pockets) and high-posterior samples (leaks)."""
    if found.encodings.shape[1] == 1:
        return _histograms(axes, found, title)
    project = _plane(found.encodings)
    names = ("z[0]", "z[1]") if found.encodings.shape[1] <= 2 else ("principal component 1", "principal component 2")
    style.dress(axes, title, x=names[0], y=names[1])
    if found.density is None:
        axes.scatter(*project(found.encodings), s=5, color=style.PALE, linewidths=0, rasterized=True, label="encodings")
    else:
        lightest = min(-8.0, found.density.max().item() - 6)  # nats; wide encodings are nowhere denser than e^-8
        shade = {"cmap": "Greys", "origin": "lower", "extent": found.extent, "aspect": "auto", "vmin": lightest}
        axes.imshow(found.density.numpy(), interpolation="bilinear", **shade)
        axes.grid(visible=False)
    look = {"s": 9, "linewidths": 0, "rasterized": True}
    if found.low is not None:
        axes.scatter(*project(found.low.z.flatten(1)), color=POCKET, label="low-posterior (pockets)", **look)
    axes.scatter(*project(found.high.z.flatten(1)), color=LEAK, label="high-posterior (leaks)", **look)


def _histograms(axes: Axes, found: Margins, title: str) -> None:
    style.dress(axes, title, x="z[0]", y="density")
    shown = {"low-posterior (pockets)": (found.low, POCKET), "high-posterior (leaks)": (found.high, LEAK)}
    parts = {label: (e.z.flatten().cpu(), color) for label, (e, color) in shown.items() if e is not None}
    every = torch.cat([found.encodings.flatten(), *(z for z, _ in parts.values())]).numpy()
    bins = np.histogram_bin_edges(every, bins=60).tolist()
    axes.hist(found.encodings[:, 0].numpy(), bins, density=True, color=style.PALE, label="encodings")
    for label, (z, color) in parts.items():
        axes.hist(z.numpy(), bins, density=True, histtype="step", color=color, label=label)


def draw_plane(axes: Axes, data: Tensor, rows: dict[str, tuple[Tensor, str]], title: str) -> None:
    """Draws points of the plane, and sets of others over them: label -> (rows, color)."""
    style.dress(axes, title)
    axes.scatter(*data.T.numpy(), s=4, color=style.LINE, linewidths=0, rasterized=True)
    for label, (points, color) in rows.items():
        axes.scatter(*points.T.numpy(), s=7, color=color, alpha=0.7, linewidths=0, rasterized=True, label=label)


def decoded_margins(model: VAE, found: Margins) -> dict[str, tuple[Tensor, str]]:
    """Returns what low- and high-posterior samples decode to, with their colors."""
    rows = {"low-posterior": (found.low, POCKET), "high-posterior": (found.high, LEAK)}
    return {name: (decoded(model, e.z.flatten(1)), color) for name, (e, color) in rows.items() if e is not None}


def _density(model: VAE, data: Dataset, z: Tensor, seed: int) -> tuple[Tensor, tuple[float, float, float, float]]:
    low, high = z.min(0).values, z.max(0).values
    margin = 0.05 * (high - low)
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    grid = torch.cartesian_prod(torch.linspace(bottom, top, SIDE), torch.linspace(left, right, SIDE)).flip(-1)
    q = aggregate_posterior(model, data.train, limit=ROWS, seed=seed)
    grid = grid.to(device_of(model)).reshape(-1, *q.event_shape)
    return q.log_prob(grid).reshape(SIDE, SIDE).cpu(), (left, right, bottom, top)


def _plane(encodings: Tensor):  # noqa: ANN202 - a projection (n, L) -> x and y
    center = encodings.double().mean(0)
    if encodings.shape[1] == 2:
        return lambda z: z.cpu().T.numpy()
    _, _, directions = torch.linalg.svd(encodings.double() - center, full_matrices=False)
    return lambda z: ((z.double() - center) @ directions[:2].T).cpu().T.numpy()
