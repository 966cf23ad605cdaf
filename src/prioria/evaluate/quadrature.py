"""The log-likelihood by a sum over a grid, for one or two latents."""

from __future__ import annotations

import torch
from torch import Tensor

from prioria.distributions import logsumexp
from prioria.evaluate.estimate import Estimate
from prioria.evaluate.sampling import Examples, measuring, sampling_of
from prioria.model import VAE, Condition

ROWS = 4000  # decoded at once


def quadrature_log_likelihood(
    model: VAE, x: Examples, *, points: int = 81, reach: float = 8.0, limit: int | None = None
) -> Estimate:
    r"""Computes log p(x) = log of the integral of p(x|z) p(z) dz on a grid around the posterior of each example.

    The grid reaches ``reach`` standard deviations from the posterior's mean in each latent. There is no noise; what is
    missing is the mass that the posterior itself misses, and the error of the rule, which ``points`` shrinks fast.

    Args:
        model: one group of at most two latents with a diagonal Gaussian posterior; its mode and the global random
            numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        points: along each latent.
        reach: in standard deviations.
        limit: take the first rows only.

    Raises:
        ValueError: several groups, more than two latents, or a posterior without mean and standard deviation.
    """
    with measuring(model):
        sampling = sampling_of(model, x, 1, 0, limit=limit)
        pointwise = [_on_grid(group.condition, points, reach)[group.wanted] for group in sampling.groups]
    values = torch.cat(pointwise).cpu().clone()
    return Estimate(values, torch.zeros_like(values), 1, 0, f"quadrature, {points} points along each latent")


def _on_grid(condition: Condition, points: int, reach: float) -> Tensor:
    model, (prior, posterior) = condition.model, condition.top
    latents = prior.event_shape.numel()
    if len(model.groups) > 1 or latents > 2:
        raise ValueError(f"{len(model.groups)} groups and {latents} latents: a grid needs one group of one or two")
    try:
        mean, deviation = posterior.mean, posterior.stddev
    except NotImplementedError as error:
        raise ValueError(
            f"{type(posterior).__name__} has no mean to put a grid around; use posteriors.Gaussian"
        ) from error
    axis = torch.linspace(-reach, reach, points, device=mean.device)
    grid = torch.cartesian_prod(*[axis] * latents).reshape(-1, latents)
    log_cell = (axis[1] - axis[0]).log() * latents + deviation.log().sum(-1)
    terms = []
    for part in grid.split(max(1, ROWS // len(mean))):
        draw = condition.draw(len(part), given={model.groups[0]: mean + part[:, None] * deviation})
        terms.append((draw.log_px + draw.latents[model.groups[0]].log_p).double())  # pyright: ignore[reportOptionalOperand]
    return logsumexp(torch.cat(terms), 0) + log_cell
