"""What multipliers do: their updates as surfaces, their course in a run, and the latent space on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.data import Dataset
from prioria.evaluate.sampling import device_of, measuring, seed_generators
from prioria.model import VAE
from prioria.objectives import geco_update, rewo_update
from prioria.objectives.target import LABELS, Target
from prioria.report import style
from prioria.storage import read_tensors, write_tensors
from prioria.train.log import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 2000


def update_surfaces(*, nu: float = 1.0, tau: float = 3.0) -> Figure:
    """Returns beta_t - beta_(t-1) under REWO and GECO over beta and delta = C_t - kappa^2, as on the poster.

    Where a color ends, white, beta rests: along delta = 0 for both, along beta = 1 (for delta < 0) for REWO alone.

    Args:
        nu: learning rate.
        tau: slope of REWO at beta = 1.
    """
    figure, axes = style.panels(8.4, 3.4, columns=2)
    beta, delta = torch.meshgrid(torch.linspace(0, 2, 201), torch.linspace(-1, 1, 201), indexing="ij")
    updates = {"REWO": rewo_update(beta, delta, nu, tau), "GECO": geco_update(beta, delta, nu)}
    limit = max(float((new - beta).abs().max()) for new in updates.values())
    for each, (name, new) in zip(axes, updates.items(), strict=True):
        colors = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit, "rasterized": True}
        mesh = each.pcolormesh(delta.numpy(), beta.numpy(), (new - beta).numpy(), **colors)
        each.contour(delta.numpy(), beta.numpy(), (new - beta).numpy(), 16, colors=style.INK, linewidths=0.3)
        style.dress(each, f"{name}, change of beta", x="C - kappa²", y="beta")
        figure.colorbar(mesh, ax=each)
    return figure


def is_constrained(history: Sequence[Line]) -> bool:
    """Says whether the history is that of a run with GECO or REWO."""
    return any(line["split"] == "train" and "beta" in line and "target" in line for line in history)


def verdict(history: Sequence[Line]) -> str:
    """Returns in one sentence whether the best weights of a constrained run meet its target.

    Args:
        history: ``Run.history``, with a validation.
    """
    best = next(line for line in reversed(history) if line.get("best"))
    return _target(history).verdict(best["constraint"])


def multiplier(history: Sequence[Line]) -> Figure:
    """Returns the course of a constrained run: beta, and the reconstruction with its target; shaded: the initial phase.

    Args:
        history: ``Run.history``.

    Raises:
        ValueError: the run had no constraint.

    Example:
        >>> line = {"split": "train", "step": 9, "beta": 0.1, "rmse": 0.2, "target": 0.05, "phase": "main"}
        >>> [axes.get_title(loc="left") for axes in multiplier([line]).axes]
        ['multiplier beta', 'RMSE']
    """
    if not is_constrained(history):
        raise ValueError("history has no multiplier: the run was not trained with GECO or REWO")
    lines = [line for line in history if line["split"] == "train"]
    unit = _target(history).unit
    figure, (left, right) = style.panels(6.6, 2.6, columns=2)
    steps = [line["step"] for line in lines]
    _course(left, steps, [line["beta"] for line in lines], 1.0)
    left.set_yscale("log")
    _course(right, steps, [line[unit] for line in lines], lines[0]["target"])
    style.dress(left, "multiplier beta", x="step")
    style.dress(right, LABELS[unit], x="step")
    first = max((line["step"] for line in lines if line["phase"] == "initial"), default=None)
    for axes in (left, right):
        if first is not None:
            axes.axvspan(0, first, color=style.LINE, alpha=0.6, lw=0)
    return figure


@dataclass(frozen=True)
class Moment:
    """The top latent group, in two dimensions, at one step of training.

    Attributes:
        step: how many steps were done.
        means: of q(z|x) (N, 2).
        variances: of q(z|x), averaged over the two dimensions (N,).
        prior: draws of p(z) (M, 2).
    """

    step: int
    means: Float[Tensor, "N 2"]
    variances: Float[Tensor, " N"]
    prior: Float[Tensor, "M 2"]

    @classmethod
    def of(cls, model: VAE, dataset: Dataset, step: int, *, points: int = POINTS, seed: int = 0) -> Moment:
        """Looks at a model, which goes on training undisturbed.

        Args:
            model: with two latents at the top.
            dataset: its first test rows are encoded.
            step: how many steps were done.
            points: rows at most, and draws of the prior.
            seed: of the draws.

        Raises:
            ValueError: the top group does not have two latents.
        """
        with measuring(model):
            seed_generators(device_of(model), (seed,))
            prior, posterior = model.condition(dataset.test.tensor(points).to(device_of(model))).top
            if prior.event_shape != (2,):
                raise ValueError(f"latents of shape {tuple(prior.event_shape)} cannot be drawn in a plane; use two")
            drawn = posterior.mean, posterior.variance.mean(-1), prior.sample(torch.Size([points]))
        return cls(step, *(each.cpu().clone() for each in drawn))

    def write(self, folder: Path) -> None:
        """Writes ``<step>.safetensors`` into a folder."""
        tensors = {"means": self.means, "variances": self.variances, "prior": self.prior}
        write_tensors(folder / f"{self.step}.safetensors", tensors)

    @classmethod
    def read(cls, folder: Path) -> list[Moment]:
        """Reads what was written into a folder, in the order of the steps."""
        files = sorted(folder.glob("*.safetensors"), key=lambda path: int(path.stem))
        return [cls(int(path.stem), **read_tensors(path)) for path in files]


def evolution(methods: Mapping[str, Sequence[Moment]]) -> Figure:
    """Returns the latent space at several steps: two rows for each method, the posterior and the prior beneath it.

    A point is the mean of q(z|x), the lighter the larger its variance. (The poster's grey "encodes the variance of its
    standard deviation"; we read: the variance that its standard deviation makes.)

    Args:
        methods: title -> moments, at the same steps for each.
    """
    columns = max(len(moments) for moments in methods.values())
    figure, axes = style.panels(2.1 * columns, 4.0 * len(methods), rows=2 * len(methods), columns=columns)
    for row, (name, moments) in enumerate(methods.items()):
        top = max(float(moment.variances.max()) for moment in moments)
        for column, moment in enumerate(moments):
            upper, lower = axes[2 * row * columns + column], axes[(2 * row + 1) * columns + column]
            grey = {"c": moment.variances.numpy(), "cmap": "gray", "vmin": 0, "vmax": 1.2 * top}
            upper.scatter(*moment.means.T.numpy(), s=3, lw=0, rasterized=True, **grey)
            lower.scatter(*moment.prior.T.numpy(), s=3, lw=0, rasterized=True, color=style.DATA)
            style.dress(upper, f"{name}, step {moment.step:,}" if column == 0 else f"step {moment.step:,}")
            style.dress(lower, "prior")
    return figure


def _target(history: Sequence[Line]) -> Target:
    line = next(line for line in history if line["split"] == "train")
    return Target(line["target"], next(unit for unit in LABELS if unit in line))


def _course(axes: Axes, steps: Sequence[int], values: Sequence[float], asked: float) -> None:
    axes.plot(steps, values, color=style.DATA, lw=1.2)
    axes.axhline(asked, color=style.SAMPLE, lw=0.9, ls="--")
