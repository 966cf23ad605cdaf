"""How the importance-weighted bound rises with the number of samples, and whether it has come to rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.evaluate.estimate import Estimate, join
from prioria.evaluate.likelihood.importance import log_weights, weighted
from prioria.evaluate.record import Record, known, plus_minus
from prioria.evaluate.sampling import Batch, Examples, measuring, require_density, sampling_of
from prioria.model import VAE

COUNTS = (1, 5, 10, 50, 100, 500, 1000, 5000)  # each divides the next, so that the curve cannot fall
TOLERANCE = 0.1  # nats


@dataclass(frozen=True)
class BoundCurve:
    """The importance-weighted bound L_K for several K, all from the same draws, as it is printed, written and read.

    Attributes:
        estimates: L_K, K = ``num_samples`` of each, fewest first.
        rise: L_K at the largest K minus L_K at the one before, nats.
        tolerance: rise in nats below which the curve counts as flat.
        rise_error: standard error of ``rise`` over the examples, the same on both sides; nan for a single one.
    """

    estimates: tuple[Estimate, ...]
    rise: float
    tolerance: float
    rise_error: float = math.nan

    @classmethod
    def of(cls, estimates: Sequence[Estimate], tolerance: float = TOLERANCE) -> BoundCurve:
        """Returns the curve through estimates of the same examples from the same draws."""
        rises = estimates[-1].pointwise - estimates[-2].pointwise
        error = math.nan if len(rises) < 2 else rises.std().item() / math.sqrt(len(rises))
        return cls(tuple(estimates), rises.mean().item(), tolerance, error)

    @property
    def counts(self) -> tuple[int, ...]:
        """K of each estimate."""
        return tuple(estimate.num_samples for estimate in self.estimates)

    @property
    def converged(self) -> bool:
        """Whether ``rise`` and two of its standard errors stay below the tolerance, and the last weights are light.

        Light: 95 % of the examples have a Pareto tail with k < 0.7, as of every estimate. Where what is missing falls
        as 1/K, a quarter of the rise from K = 1,000 to 5,000 is missing still.
        """
        return self.rise + 2 * self.rise_error < self.tolerance and self.estimates[-1].converged

    @property
    def verdict(self) -> str:
        """Whether the bound has come to rest, in one line."""
        before, last = self.counts[-2:]
        said = "converged" if self.converged else "not converged"
        rise = plus_minus(self.rise, error=self.rise_error, digits=3)
        return f"{said}: it rises by {rise} nats from {before:,} to {last:,} samples"

    def to_json(self) -> dict[str, Any]:
        """Returns every estimate, the last rise with its error, and the verdict, as JSON values."""
        return {
            "estimates": [estimate.to_json() for estimate in self.estimates],
            "rise": self.rise,
            "rise_error": known(self.rise_error),
            "tolerance": self.tolerance,
            "converged": self.converged,
        }

    @classmethod
    def from_json(cls, found: Any, place: str = "curve") -> BoundCurve:
        """Returns the curve that :meth:`to_json` wrote, without the values of single examples.

        Raises:
            ValueError: as for :meth:`Estimate.from_json`, or fewer than two estimates.
        """
        record = Record(found, place)
        estimates = record.entries("estimates")
        if len(estimates) < 2:
            raise ValueError(f"{record.at('estimates')}: {len(estimates)} of at least 2 estimates")
        error = record.optional("rise_error", record.number)
        curve = cls(
            tuple(Estimate.from_json(each, f"{record.at('estimates')}.{i}") for i, each in enumerate(estimates)),
            rise=record.number("rise"),
            tolerance=record.number("tolerance"),
            rise_error=math.nan if error is None else error,
        )
        record.close("converged")
        return curve

    def __str__(self) -> str:
        return "\n".join([*(f"{each.num_samples:>7,}  {each.number}" for each in self.estimates), self.verdict])


def bound_curve(
    model: VAE,
    x: Examples,
    *,
    counts: Sequence[int] = COUNTS,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    limit: int | None = None,
) -> BoundCurve:
    r"""Estimates L_K = E log (1/K) sum_k p(x, z_k) / q(z_k | x) for several K, in nats, from one set of weights.

    The S = max K weights of an example are cut into S/K blocks that do not overlap (a rest is left out), and L_K is
    the mean of the blocks' log-means: without bias for every K, and never falling where each K divides the next. L_1
    is the ELBO; L_K rises to log p(x) (Burda, Grosse and Salakhutdinov, 2016, theorem 1). The last estimate is that of
    :func:`prioria.evaluate.importance_log_likelihood` with S samples and the same seed.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        counts: the K, at least two, ascending.
        seed: of the noise.
        tolerance: see :attr:`BoundCurve.converged`.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: counts that do not ascend from at least 1, or what importance sampling refuses.

    Example:
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(6, 8, gated_output=True),
        ...     posterior=posteriors.Gaussian(8, 2),
        ...     prior=priors.StandardNormal(2),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, 6)),
        ... )
        >>> curve = bound_curve(model, torch.ones(3, 6), counts=(1, 10, 100))
        >>> bool(curve.estimates[0].value < curve.estimates[1].value < curve.estimates[2].value)
        True
    """
    if len(counts) < 2 or min(counts) < 1 or list(counts) != sorted(set(counts)):
        raise ValueError(f"counts={tuple(counts)} must be at least two numbers from 1, ascending; such as (1, 10, 100)")
    require_density(model)
    with measuring(model):
        batches = sampling_of(model, x, counts[-1], seed, limit=limit).batches
        curves = [_curve(batch, counts) for batch in batches]
    return BoundCurve.of([join(parts) for parts in zip(*curves, strict=True)], tolerance)


def _curve(batch: Batch, counts: Sequence[int]) -> list[Estimate]:
    drawn, bounds = zip(*log_weights(batch), strict=True)
    log_w = torch.cat(drawn).double()
    return [_estimate(batch, log_w, count, any(bounds)) for count in counts]


def _estimate(batch: Batch, log_w: Float[Tensor, "S n"], count: int, is_bound: bool) -> Estimate:
    blocks = log_w[: len(log_w) // count * count].unflatten(0, (-1, count))
    if len(blocks) == 1:
        return weighted(batch, [(blocks[0], is_bound)], count)
    bounds = (blocks.logsumexp(1) - math.log(count)).cpu()
    estimator = f"importance-weighted bound, average over {len(blocks)} blocks"
    return Estimate.of(bounds.mean(0), bounds.var(0) / len(blocks), count, batch.sampling.seed, estimator)
