"""The log-likelihood by a sum over a grid that finds the posterior, for one or two latents."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import logsumexp
from prioria.evaluate.estimate import ACCURATE, Estimate
from prioria.evaluate.likelihood.joint import Joint
from prioria.evaluate.sampling import Examples, measuring, sampling_of
from prioria.model import VAE

ROWS = 1000  # decoded at once
EXAMPLES_TOGETHER = 10  # samples for which the sampler groups a hundred examples
STARTS = 5000  # draws from the prior, from whose moments under p(x|z) the search starts
NARROWEST = 0.25  # width of the first grid in those of the prior, lest all draws are far from a narrow posterior
SEARCH_POINTS = 33  # of the grids of the search
ROUNDS = 12  # of the search at most; each shrinks a grid that is too wide fourfold
SETTLED = 0.1  # change of mean (in standard deviations) and of standard deviations (relative) that ends the search
SHELL = 0.75  # mass beyond so much of the reach stands for the mass that the grid does not reach


@dataclass(frozen=True)
class Frame:
    """Where the grids of B examples lie: z = mean + factor u for u on a common grid.

    Attributes:
        mean: of the posterior (B, L).
        factor: of its covariance, lower triangular (B, L, L).
    """

    mean: Float[Tensor, "B L"]
    factor: Float[Tensor, "B L L"]

    def __getitem__(self, examples: Tensor) -> Frame:
        return Frame(self.mean[examples], self.factor[examples])

    def __setitem__(self, examples: Tensor, frame: Frame) -> None:
        self.mean[examples], self.factor[examples] = frame.mean, frame.factor

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
    model: VAE, x: Examples, *, points: int = 81, reach: float = 8.0, seed: int = 0, limit: int | None = None
) -> Estimate:
    r"""Computes log p(x) = log of the integral of p(x|z) p(z) dz on a grid around the posterior of each example.

    The grid starts with the moments of five thousand draws from the prior, weighed by p(x|z), and takes the mean and
    the covariance of the posterior mass that it finds until they settle (Naylor and Smith, 1982, section 3, there with
    Gauss-Hermite points, here with equidistant ones, whose error falls as fast and which also measure themselves).
    The encoder has no part in it. Where draws from the prior find mass beyond that grid, one around all of the weighed
    draws takes its place if it has points enough: two narrow modes far apart need many. zeta of a hierarchical prior
    counts as a latent, and its density is exact then.

    ``error`` of each example is ``|log I - log I'|``, where I' leaves out every second point along each latent (I'
    converges far more slowly than I), what the mass beyond three quarters of the reach adds, and what draws from the
    prior find beyond the grid, in another mode.

    Args:
        model: one or two real latents in all its groups; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        points: along each latent, an odd number.
        reach: of the grid, in posterior standard deviations to either side.
        seed: of the draws from the prior that the search starts from, and of dynamic binarization.
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
        for batch in sampling_of(model, x, EXAMPLES_TOGETHER, seed, limit=limit).batches:
            rows = batch.condition.x[batch.wanted]
            found.append(torch.stack(_on_grids(joint, rows, points, reach)))
    value, error = torch.cat(found, 1).cpu().clone()
    estimator = f"quadrature, {points} points along each latent"
    return Estimate.of(value, torch.zeros_like(value), points ** len(joint.bits), seed, estimator, error=error)


def _check(joint: Joint) -> None:
    latents = len(joint.bits)
    if joint.bits.any():
        raise ValueError("a grid needs real latents, and this model has bits; use theory.exact, or method='ais'")
    if latents > 2:
        raise ValueError(f"{latents} latents in all groups, zeta included: a grid takes one or two; use method='ais'")


def _on_grids(joint: Joint, x: Tensor, points: int, reach: float) -> tuple[Tensor, Tensor]:
    """Returns log p(x) (B,) and its error, on a grid around one mode, or around all where that loses some."""
    draws = _draws(joint, x)
    start = draws.frame()
    frame = _search(joint, x, start)
    value, error = _integrate(joint, x, frame, points, reach)
    missing = draws.missing(frame, reach, value)
    error += missing
    again = (missing > ACCURATE).nonzero().squeeze(-1)
    if len(again):
        wide, wide_error = _integrate(joint, x[again], start[again], points, reach)
        wide_error += draws[again].missing(start[again], reach, wide)
        better = wide_error < ACCURATE  # where points are too few for it, its error is no bound
        value[again[better]], error[again[better]] = wide[better], wide_error[better]
    return value, error


@dataclass(frozen=True)
class Draws:
    """Draws from the prior, the same for all examples.

    Attributes:
        z: the draws (S, L).
        log_px: log p(x|z) of each example (S, B).
    """

    z: Float[Tensor, "S L"]
    log_px: Float[Tensor, "S B"]

    def __getitem__(self, examples: Tensor) -> Draws:
        return Draws(self.z, self.log_px[:, examples])

    def frame(self) -> Frame:
        """Returns their moments, each draw weighed by p(x|z)."""
        spread = torch.linalg.cholesky(self.z.mT.cov().reshape(2 * self.z.shape[1:]))
        middle, examples = self.z.mean(0), self.log_px.shape[1]
        whitened = torch.linalg.solve_triangular(spread, (self.z - middle).mT, upper=False).mT
        prior = Frame(middle.expand(examples, -1), spread.expand(examples, -1, -1))
        return prior.moved(whitened, self.log_px.softmax(0), NARROWEST**2)

    def missing(self, frame: Frame, reach: float, value: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Returns log(1 + m/p(x)), where m, the mean over draws of p(x|z) beyond the grid, estimates the mass there."""
        away = (self.z.unsqueeze(1) - frame.mean).permute(1, 2, 0)
        u = torch.linalg.solve_triangular(frame.factor, away, upper=False)
        beyond = torch.where(u.abs().amax(1).mT > reach, self.log_px, -math.inf)
        return nn.functional.softplus(torch.logsumexp(beyond, 0) - math.log(len(self.z)) - value)


def _draws(joint: Joint, x: Tensor) -> Draws:
    z = joint.draw(STARTS, 1)
    log_px = torch.cat([px.log_prob(x).double() for _, px in _decoded(joint, z, len(x))])
    if log_px.isnan().any():
        raise ValueError("x has a row whose log p(x|z) is not a number; check the row and the model's weights")
    return Draws(z[:, 0].double(), log_px)


def _search(joint: Joint, x: Tensor, start: Frame) -> Frame:
    """Returns the mean and covariance of each posterior, from grids that follow their own mass."""
    frame = Frame(start.mean.clone(), start.factor.clone())
    u, spacing = _grid(SEARCH_POINTS, reach=8.0, latents=frame.mean.shape[-1], like=frame.mean)
    moving = torch.arange(len(x), device=x.device)
    for _ in range(ROUNDS):
        before = frame[moving]
        mass = _log_joint(joint, x[moving], before.place(u)).softmax(0)
        frame[moving] = after = before.moved(u, mass, (spacing / 2) ** 2)
        moving = moving[~_settled(before, after)]
        if not len(moving):
            break
    return frame


def _settled(before: Frame, after: Frame) -> Bool[Tensor, " B"]:
    old, new = (frame.factor.square().sum(-1).sqrt() for frame in (before, after))
    moved = ((after.mean - before.mean) / new).abs()
    return torch.maximum(moved, (old / new - 1).abs()).amax(-1) < SETTLED


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
    return torch.cat([(log_p + px.log_prob(x)).double() for log_p, px in _decoded(joint, z.to(x), len(x))])


def _decoded(joint: Joint, z: Tensor, examples: int) -> Iterator[tuple[Tensor, Distribution]]:
    """Yields log p(z) and p(x|z) of blocks of points, as many as keep x of all examples in memory."""
    yield from (joint.densities(part) for part in z.split(max(1, ROWS // examples)))
