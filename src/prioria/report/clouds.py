"""The latent space in two dimensions: draws of the posterior over the prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from prioria.data import Dataset, Protocol
from prioria.data.base import evenly
from prioria.distributions import is_bound
from prioria.evaluate.sampling import device_of, measuring, seed_device
from prioria.model import VAE
from prioria.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 2000
SIDE = 120  # of the grid that a density is drawn on
GRID_ROWS = 2000  # of the grid at a time: a large mixture has a number for each row and component


@dataclass(frozen=True, eq=False)
class Density:
    """The prior's density on a grid of the plane; ``values[i, j]`` is at ``(x[j], y[i])``."""

    x: Float[Tensor, " columns"]
    y: Float[Tensor, " rows"]
    values: Float[Tensor, "rows columns"]
    is_bound: bool


@dataclass(frozen=True, eq=False)
class Cloud:
    """The top group of latents in one or two dimensions.

    Attributes:
        posterior: one draw of q(z | x) for each test row (n, 1 or 2).
        prior: draws of p(z) (m, 1 or 2), by the same projection.
        names: of the axes.
        density: of the prior, where z itself has two dimensions.
        labels: of the rows, where there are any.
    """

    posterior: Float[Tensor, "n d"]
    prior: Float[Tensor, "m d"]
    names: tuple[str, ...]
    density: Density | None
    labels: Tensor | None


def latent(model: VAE, dataset: Dataset, *, seed: int = 0, points: int = POINTS) -> Figure:
    """Returns a picture of the top latent group: posterior draws of test rows, colored by label, over the prior.

    With two latents they are the axes and the prior is drawn as its density; with more, the axes are the first two
    principal components of the posterior draws and the prior is drawn as points; with one, both are histograms.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        dataset: its data.
        seed: of the draws.
        points: test rows at most, and draws of the prior.
    """
    figure, (axes,) = style.panels(5.4, 4.4)
    draw_cloud(axes, cloud_of(model, dataset, seed=seed, points=points), dataset.protocol)
    return figure


def cloud_of(model: VAE, dataset: Dataset, *, seed: int, points: int) -> Cloud:
    """Computes the projected draws."""
    group = model.groups[0]
    with measuring(model):
        seed_device(device_of(model), seed)
        x = dataset.test.tensor(points).to(device_of(model))
        prior = model.stages[group].prior(None)
        p = prior.sample(torch.Size([points])).flatten(1)
        q = model.draw(x).z[group][0].flatten(1)
        plain = q.shape[1] == 2 and len(q.unique()) > 2  # two bits have no density on a grid
        density = _density(prior, torch.cat([q, p])) if plain else None
    labels = None if dataset.test.labels is None else dataset.test.labels[evenly(len(dataset.test), points)]
    (q, p), names = _project(q.cpu(), p.cpu(), group)
    return Cloud(q, p, names, density, labels)


def draw_cloud(axes: Axes, found: Cloud, protocol: Protocol) -> None:
    """Draws a cloud."""
    if found.posterior.shape[1] == 1:
        return _histograms(axes, found)
    style.dress(axes, _title(found), x=found.names[0], y=found.names[1])
    if found.density is None:
        axes.scatter(*found.prior.T.numpy(), s=7, color=style.PALE, alpha=0.5, linewidths=0, rasterized=True)
    else:
        grid = found.density
        axes.pcolormesh(grid.x.numpy(), grid.y.numpy(), grid.values.numpy(), cmap="Greys", alpha=0.6, rasterized=True)
    _scatter(axes, found, protocol)


def _density(prior: Distribution, z: Tensor) -> Density:
    low, high = z.min(0).values, z.max(0).values
    margin = 0.08 * (high - low)
    fractions = torch.linspace(0, 1, SIDE, device=z.device)[:, None]
    x, y = (low - margin + fractions * (high - low + 2 * margin)).T
    grid = torch.cartesian_prod(y, x).flip(-1)
    values = torch.cat([prior.log_prob(rows) for rows in grid.split(GRID_ROWS)]).exp().reshape(SIDE, SIDE)
    return Density(x.cpu(), y.cpu(), values.cpu(), is_bound(prior))


def _project(q: Tensor, p: Tensor, group: str) -> tuple[tuple[Tensor, Tensor], tuple[str, ...]]:
    width = q.shape[1]
    if width <= 2:
        return (q, p), tuple(f"{group}[{index}]" for index in range(width))
    if len(q) < 2:  # one row has no variance: no direction is a principal one
        return (q[:, :2], p[:, :2]), (f"{group}[0]", f"{group}[1]")
    center = q.double().mean(0)
    variances, directions = torch.linalg.eigh((q.double() - center).T.cov())
    basis = directions[:, -2:].flip(-1)
    basis = basis * basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()  # eigenvectors come with any sign
    shares = (variances[-2:].flip(-1) / variances.sum()).tolist()
    names = (f"principal component {index} of {group} ({share:.0%})" for index, share in enumerate(shares, start=1))
    return ((q.double() - center) @ basis, (p.double() - center) @ basis), tuple(names)


def _title(found: Cloud) -> str:
    bound = found.density is not None and found.density.is_bound
    return "posterior over prior (grey" + ", a lower bound" * bound + ")"


def _histograms(axes: Axes, found: Cloud) -> None:
    style.dress(axes, "posterior and prior (grey)", x=found.names[0], y="density")
    bins = np.histogram_bin_edges(torch.cat([found.posterior, found.prior]).numpy(), bins=60).tolist()
    axes.hist(found.prior[:, 0].numpy(), bins, density=True, color=style.LINE, label="prior")
    axes.hist(found.posterior[:, 0].numpy(), bins, density=True, histtype="step", color=style.DATA, label="posterior")
    style.legend(axes)


def _scatter(axes: Axes, found: Cloud, protocol: Protocol) -> None:
    x, y = found.posterior.T.numpy()
    look = {"s": max(6.0, min(20.0, 6000 / len(x))), "linewidths": 0, "rasterized": True}
    if found.labels is None:
        axes.scatter(x, y, color=style.DATA, **look)
        return
    labels = found.labels if found.labels.ndim == 1 else found.labels[:, 0]
    values = labels.unique()
    if len(values) > len(style.CLASSES):
        points = axes.scatter(x, y, c=labels.numpy(), cmap=style.SCALE, **look)
        axes.figure.colorbar(points, ax=axes, label=protocol.factors[0] if protocol.factors else "label")
        return
    for value, color in zip(values.tolist(), style.CLASSES, strict=False):
        chosen = (labels == value).numpy()
        name = protocol.classes[int(value)] if protocol.classes else f"{value:g}"
        axes.scatter(x[chosen], y[chosen], color=color, label=name, **look)
    style.legend_below(axes)
