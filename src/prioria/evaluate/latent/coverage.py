"""Whether prior and aggregate posterior are one distribution, and how much of each lies where the other is not."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.evaluate.aggregate import aggregate_draws, aggregate_posterior, has_aggregate_density, prior_draws
from prioria.evaluate.sampling import Examples, device_of, measuring, seed_generators
from prioria.model import VAE

TEST_DRAWS = 500  # of each distribution in the two-sample test: its matrix has as many rows squared
PERMUTATIONS = 999
ROUNDING = 1e-12  # of the statistic, a sum of float64 terms of which none is above one


@dataclass(frozen=True)
class TwoSampleTest:
    """A permutation test of whether two sets of draws come from one distribution.

    Attributes:
        statistic: squared maximum mean discrepancy.
        p_value: how often a random division of all draws differs as much; below 0.01 they are taken to differ.
        draws: of each distribution.
    """

    statistic: float
    p_value: float
    draws: int


@dataclass(frozen=True)
class Overlap:
    """Shares of mass where the other distribution hardly is; both would be ``level`` if the two were one.

    Where many draws have one density, as bits have under a uniform prior, both are lower then.

    Attributes:
        pockets: P under the prior that log q(z) is below its ``level``-quantile over held-out encodings; None without
            that density.
        leaks: P over held-out encodings that log p(z) is below its ``level``-quantile under the prior.
        level: of the quantiles.
        num_samples: draws of each.
        test: of draws of the two.
        seed: of the draws.
    """

    pockets: float | None
    leaks: float
    level: float
    num_samples: int
    test: TwoSampleTest
    seed: int


def overlap(
    model: VAE,
    x: Examples,
    *,
    held_out: Examples,
    num_samples: int = 5000,
    seed: int = 0,
    level: float = 0.01,
    limit: int | None = None,
) -> Overlap:
    """Measures pockets and leaks of the top group by the share of draws they hold.

    What counts as far from the encodings of x is told by the encodings of other rows: between narrow posteriors of few
    rows there are gaps that are no fault of the prior.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D) whose posteriors make q(z), or a split of a data set.
        held_out: other rows of the same data.
        num_samples: draws of held-out posteriors and of the prior.
        seed: of the draws.
        level: of the quantiles that say where a distribution ends.
        limit: take so many rows of x only, at even distances.

    Raises:
        ValueError: no sample, or a level that is no share.
    """
    if not 0 < level < 1:
        raise ValueError(f"level={level} must be within 0 and 1")
    z_q = aggregate_draws(model, held_out, num_samples=num_samples, seed=seed)
    z_p = prior_draws(model, num_samples=num_samples, seed=seed)
    with measuring(model):
        seed_generators(device_of(model), (seed, num_samples))
        prior = model.top.prior(None)
        leaks = _beyond(prior.log_prob(z_q), prior.log_prob(z_p), level)
        test = two_sample_test(z_q[:TEST_DRAWS].flatten(1), z_p[:TEST_DRAWS].flatten(1))
    if not has_aggregate_density(model, x):
        return Overlap(None, leaks, level, num_samples, test, seed)
    q = aggregate_posterior(model, x, limit=limit, seed=seed)
    return Overlap(_beyond(q.log_prob(z_p), q.log_prob(z_q), level), leaks, level, num_samples, test, seed)


def two_sample_test(
    a: Float[Tensor, "A L"], b: Float[Tensor, "B L"], *, permutations: int = PERMUTATIONS
) -> TwoSampleTest:
    """Tests whether two sets of draws come from one distribution, by MMD and permutations (Gretton et al., 2012).

    The kernel is exp(-|u - v|^2 / (2 w^2)), w the median distance. Random numbers are torch's global ones.

    Args:
        a: draws of one.
        b: draws of the other.
        permutations: random divisions of all draws that the statistic is compared with; those that differ as much up to
            rounding count.

    Raises:
        ValueError: a draw is not finite.
    """
    pooled = torch.cat([a, b]).double()
    if not pooled.isfinite().all():
        raise ValueError("a and b must be finite, and a draw is not; check the model's weights and the rows")
    distance = torch.cdist(pooled, pooled)
    if not distance.any():  # the median of no distance is no number, and these draws are all one
        return TwoSampleTest(0.0, 1.0, len(a))
    gram = (-distance.square() / (2 * distance[distance > 0].median().square())).exp()
    signs = torch.cat([torch.full((len(a),), 1 / len(a)), torch.full((len(b),), -1 / len(b))]).double()
    orders = torch.stack([torch.arange(len(pooled)), *(torch.randperm(len(pooled)) for _ in range(permutations))])
    divisions = signs[orders].to(pooled.device)
    statistics = ((divisions @ gram) * divisions).sum(1)
    exceeded = (statistics[1:] >= statistics[0] - ROUNDING).sum().item()
    return TwoSampleTest(statistics[0].item(), (1 + exceeded) / (1 + permutations), len(a))


def _beyond(log_density: Tensor, own: Tensor, level: float) -> float:
    return (log_density < own.double().quantile(level)).double().mean().item()
