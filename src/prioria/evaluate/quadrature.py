"""The log-likelihood by a sum over a grid that finds the posterior, for one or two latents."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.distributions import logsumexp
from prioria.evaluate.estimate import CONVERGED_SHARE, Estimate
from prioria.evaluate.joint import Joint
from prioria.evaluate.sampling import Examples, measuring, sampling_of
from prioria.model import VAE

ROWS = 4000  # decoded at once
EXAMPLES_TOGETHER = 10  # samples for which the sampler groups a hundred examples
STARTS = 1000  # draws from the prior, the best of which the search starts at
SEARCH_POINTS = 33  # of the grids of the search
ROUNDS = 12  # of the search at most; each shrinks a grid that is too wide fourfold
SETTLED = 0.1  # change of mean (in standard deviations) and of standard deviations (relative) that ends the search
SHELL = 0.75  # mass beyond so much of the reach stands for the mass that the grid does not reach
ACCURATE = 0.01  # nats


@dataclass(frozen=True, eq=False)
class GridEstimate(Estimate):
    """An estimate without noise, whose error is that of the rule.

    Attributes:
        error: of each example, nats: |log I - log I'| where I' leaves out every second point along each latent, and
            what the mass beyond three quarters of the reach adds. (I' converges far more slowly than I.)
    """

    error: Float[Tensor, " N"] = field(kw_only=True)

    @property
    def converged(self) -> bool:
        """Whether the error of 95 % of the examples is below 0.01 nats."""
        return (self.error < ACCURATE).double().mean().item() >= CONVERGED_SHARE

    def to_json(self) -> dict[str, Any]:
        """Returns what every estimate does, and the mean error of the rule."""
        return super().to_json() | {"quadrature_error": self.error.mean().item()}


@dataclass(frozen=True)
class Frame:
    """Where the grids of B examples lie: z = mean + factor u for u on a common grid.

    Attributes:
        mean: of the posterior (B, L).
        factor: of its covariance, lower triangular (B, L, L).
    """

    mean: Float[Tensor, "B L"]
    factor: Float[Tensor, "B L L"]

    def place(self, u: Float[Tensor, "P L"]) -> Float[Tensor, "P B L"]:
        """Returns the points of every example's grid."""
        return self.mean + (self.factor @ u.mT).permute(2, 0, 1)

    def moved(self, u: Float[Tensor, "P L"], mass: Float[Tensor, "P B"], least: float) -> Frame:
        """Returns the frame at the moments of a mass on the grid, with at least this variance in units of u."""
        mean = mass.mT @ u
        square = torch.einsum("pb,pi,pj->bij", mass, u, u) - mean.unsqueeze(-1) * mean.unsqueeze(-2)
        factor = torch.linalg.cholesky(square + least * torch.eye(u.shape[-1]).to(u))
        return Frame(self.mean + (self.factor @ mean.unsqueeze(-1)).squeeze(-1), self.factor @ factor)


def quadrature_log_likelihood(
    model: VAE, x: Examples, *, points: int = 81, reach: float = 8.0, limit: int | None = None
) -> GridEstimate:
    r"""Computes log p(x) = log of the integral of p(x|z) p(z) dz on a grid around the posterior of each example.

    The grid starts at the best of a thousand draws from the prior, as wide as the prior, and takes the mean and the
    covariance of the posterior mass that it finds until they settle (Naylor and Smith, 1982, section 3, there with
    Gauss-Hermite points, here with equidistant ones, whose error falls as fast and which also measure themselves).
    The encoder has no part in it. zeta of a hierarchical prior counts as a latent, and its density is exact then.

    Args:
        model: one or two real latents in all its groups; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        points: along each latent, an odd number.
        reach: of the grid, in posterior standard deviations to either side.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: more than two latents, bits, an even number of points, or no reach.

    Example:
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(6, 8, gated_output=True),
        ...     posterior=posteriors.Gaussian(8, 1),
        ...     prior=priors.StandardNormal(1),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(1, 8, 6)),
        ... )
        >>> quadrature_log_likelihood(model, torch.ones(3, 6)).converged
        True
    """
    if points < 5 or points % 2 == 0 or reach <= 0:
        raise ValueError(f"points={points} must be odd and at least 5, and reach={reach} positive")
    with measuring(model):
        joint = Joint(model)
        _check(joint)
        found = []
        for group in sampling_of(model, x, EXAMPLES_TOGETHER, 0, limit=limit).groups:
            rows = group.condition.x
            found.append(torch.stack(_integrate(joint, rows, _search(joint, rows), points, reach))[:, group.wanted])
    value, error = torch.cat(found, 1).cpu().clone()
    estimator = f"quadrature, {points} points along each latent"
    return GridEstimate(value, torch.zeros_like(value), points ** len(joint.bits), 0, estimator, error=error)


def _check(joint: Joint) -> None:
    latents = len(joint.bits)
    if joint.bits.any():
        raise ValueError("a grid needs real latents, and this model has bits; use theory.exact, or method='ais'")
    if latents > 2:
        raise ValueError(f"{latents} latents in all groups, zeta included: a grid takes one or two; use method='ais'")


def _search(joint: Joint, x: Tensor) -> Frame:
    """Returns the mean and covariance of each posterior, from grids that follow their own mass."""
    starts = joint.draw(STARTS, 1)
    latents = starts.shape[-1]
    best = _log_joint(joint, x, starts.expand(-1, len(x), -1)).argmax(0)
    scale = starts[:, 0].double().std(0)
    frame = Frame(starts[best, 0].double(), torch.diag_embed(scale.expand(len(x), -1)))
    u, spacing = _grid(SEARCH_POINTS, reach=8.0, latents=latents, like=scale)
    for _ in range(ROUNDS):
        before, mass = frame, _log_joint(joint, x, frame.place(u)).softmax(0)
        frame = frame.moved(u, mass, (spacing / 2) ** 2)
        if _settled(before, frame):
            break
    return frame


def _settled(before: Frame, after: Frame) -> bool:
    old, new = (frame.factor.square().sum(-1).sqrt() for frame in (before, after))
    moved = ((after.mean - before.mean) / new).abs().max()
    return bool(moved < SETTLED and (old / new - 1).abs().max() < SETTLED)


def _integrate(joint: Joint, x: Tensor, frame: Frame, points: int, reach: float) -> tuple[Tensor, Tensor]:
    """Returns log p(x) (B,) and its error."""
    latents = frame.mean.shape[-1]
    u, spacing = _grid(points, reach, latents, like=frame.mean)
    values = _log_joint(joint, x, frame.place(u))
    log_cell = latents * math.log(spacing) + frame.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    coarse = values.unflatten(0, [points] * latents)[(slice(None, None, 2),) * latents].flatten(0, latents - 1)
    log_sum = logsumexp(values, 0)
    halved = logsumexp(coarse, 0) + latents * math.log(2)
    beyond = (values - log_sum).exp()[u.abs().amax(-1) > SHELL * reach].sum(0)
    return log_sum + log_cell, (log_sum - halved).abs() - torch.log1p(-beyond)


def _grid(points: int, reach: float, latents: int, like: Tensor) -> tuple[Float[Tensor, "P L"], float]:
    axis = torch.linspace(-reach, reach, points).to(like)
    return torch.cartesian_prod(*[axis] * latents).reshape(-1, latents), 2 * reach / (points - 1)


def _log_joint(joint: Joint, x: Tensor, z: Float[Tensor, "P B L"]) -> Float[Tensor, "P B"]:
    parts = []
    for part in z.to(x).split(max(1, ROWS // len(x))):
        log_p, px = joint.densities(part)
        parts.append((log_p + px.log_prob(x)).double())
    return torch.cat(parts)
