r"""How far the prior is from the aggregate posterior: KL(q(z) || p(z)) + KL(p(z) || q(z)).

:func:`symmetric_kl` is the honest one: with the exact density of q(z), that of all encodings, both directions are plain
averages, unbiased in any dimension. :func:`nearest_neighbor_kl` is the published one: it needs draws alone, and says
where they cannot tell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prioria.distributions import can_be_listed, is_bound
from prioria.evaluate.aggregate import aggregate_draws, aggregate_posterior, known_group, prior_draws, top_posterior
from prioria.evaluate.record import plus_minus
from prioria.evaluate.sampling import Examples, device_of, measuring, sampling_of, seed_generators
from prioria.flows import to_generation
from prioria.model import VAE

PAIRS = 500  # examples whose posteriors are drawn from twice, to learn how wide one is
GROUPS, SMALLEST = 20, 10  # parts of the draws that an error is learnt from, and the draws that each has at least
RELIABLE = 3  # dimensions beyond which nearest neighbors of 5,000 draws of Gaussians are low by a tenth to a half


@dataclass(frozen=True)
class Divergence:
    """A symmetric Kullback-Leibler divergence in nats.

    Attributes:
        q_to_p: KL(q || p), large where the prior misses encodings (leaks).
        p_to_q: KL(p || q), large where the prior samples what no encoding is near (pockets).
        standard_error: of the sum, over draws.
        num_samples: draws of each.
        seed: of the draws.
        estimator: how it was estimated, in words.
        warning: why the number is not to be trusted, where it is not.
    """

    q_to_p: float
    p_to_q: float
    standard_error: float
    num_samples: int
    seed: int
    estimator: str
    warning: str | None = None

    @property
    def value(self) -> float:
        """The sum of both directions."""
        return self.q_to_p + self.p_to_q

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values; what is not finite is None."""
        found = {"value": self.value, **vars(self), "unit": "nats"}
        unknown = [name for name, each in found.items() if isinstance(each, float) and not math.isfinite(each)]
        return found | dict.fromkeys(unknown)

    def __str__(self) -> str:
        caution = "" if self.warning is None else f"; {self.warning}"
        number = plus_minus(self.value, error=self.standard_error, digits=3)
        return f"{number} ({self.num_samples:,} samples, {self.estimator}{caution})"


def symmetric_kl(
    model: VAE, x: Examples, *, num_samples: int = 5000, seed: int = 0, limit: int | None = None
) -> Divergence:
    r"""Estimates KL(q||p) + KL(p||q) of the top group by E_q log(q/p) + E_p log(p/q), with the exact density of q.

    q(z) is the mixture of the posteriors of all rows given, usually the training rows; where they are few and narrow it
    has gaps, and the best of smooth priors scores above zero. Unbiased for this q(z) in any dimension, and the same in
    the representation and the generation space. Where the prior's density is a lower bound, KL(q||p) is an
    upper and KL(p||q) a lower bound. Classes are summed over, and nothing is drawn.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        num_samples: draws of q and of p.
        seed: of the draws.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: fewer than two samples, or a posterior without a density elsewhere (a flow); use
            :func:`nearest_neighbor_kl`.

    Example:
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(6, 8, gated_output=True),
        ...     posterior=posteriors.Gaussian(8, 2),
        ...     prior=priors.StandardNormal(2),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, 6)),
        ... )
        >>> symmetric_kl(model, torch.eye(6), num_samples=100).warning
    """
    if num_samples < 2:
        raise ValueError(f"num_samples={num_samples} draws have no error; use at least 2")
    if can_be_listed(top_posterior(model, x)):
        return _listed(model, x, seed, limit)
    q = aggregate_posterior(model, x, limit=limit, seed=seed)
    with measuring(model):
        seed_generators(device_of(model), (seed, num_samples))
        p = model.top.prior(None)
        z_q, z_p = q.sample((num_samples,)), p.sample(torch.Size([num_samples]))
        forward = (q.log_prob(z_q) - p.log_prob(z_q)).double()
        backward = (p.log_prob(z_p) - q.log_prob(z_p)).double()
    error = ((forward.var() + backward.var()) / num_samples).sqrt().item()
    estimator = "Monte Carlo, exact aggregate density" + ", the prior's density a lower bound" * is_bound(p)
    return Divergence(forward.mean().item(), backward.mean().item(), error, num_samples, seed, estimator)


def _listed(model: VAE, x: Examples, seed: int, limit: int | None) -> Divergence:
    """Sums over the classes of the top group."""
    with measuring(model):
        found = []
        for batch in sampling_of(model, x, 1, seed, limit=limit).batches:
            q = batch.condition.top[1]
            found.append(q.log_prob(q.enumerate_support()).double()[:, batch.wanted])
        log_q = torch.cat(found, 1)
        log_q = log_q.logsumexp(1) - math.log(log_q.shape[1])
        log_p = model.top.prior(None).log_prob(q.enumerate_support()[:, 0]).double()
        forward, backward = kl_of(log_q, log_p), kl_of(log_p, log_q)
    return Divergence(forward, backward, 0.0, len(log_q), seed, "exact, a sum over classes")


def kl_of(log_q: Tensor, log_p: Tensor) -> float:
    """Returns KL(q || p) of two lists of log-probabilities."""
    return torch.where(log_q == -math.inf, 0.0, log_q.exp() * (log_q - log_p)).sum().item()


def nearest_neighbor_kl(
    model: VAE,
    x: Examples,
    *,
    num_samples: int = 5000,
    seed: int = 0,
    generation_space: bool = False,
    group: str | None = None,
    limit: int | None = None,
) -> Divergence:
    r"""Estimates KL(q||p) + KL(p||q) from draws alone, by distances to nearest neighbors, as the dpVAE paper does.

    In the generation space both sets are mapped by z0 = g(z). The divergence is the same there, this estimate of it is
    not. ``warning`` is set where draws cannot resolve q(z), because the nearest draw is farther away than a posterior
    is wide, and where the dimension makes the estimate low.

    Args:
        model: the model, with any posterior; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        num_samples: draws of q and of p, 5,000 in the paper.
        seed: of the draws.
        generation_space: measure distances there, else in the representation space.
        group: name of the group, the top one by default.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: draws that coincide, as bits do; a prior without a generation space; no such group; too few draws.
    """
    if num_samples < 4:
        raise ValueError(f"num_samples={num_samples} draws have no error; use at least 4, the paper 5,000")
    name = known_group(model, group)
    if generation_space and name != model.groups[0]:
        raise ValueError(f"generation_space=True is for the top group {model.groups[0]!r}, not for group={name!r}")
    z_q = aggregate_draws(model, x, num_samples=num_samples, seed=seed, group=name, limit=limit).flatten(1)
    z_p = prior_draws(model, num_samples=num_samples, seed=seed, group=name).flatten(1)
    pair = _pairs(model, x, seed, name).flatten(2)
    if generation_space:
        with measuring(model):
            prior = model.top.prior(None)
            z_q, z_p, pair = (to_generation(prior, z) for z in (z_q, z_p, pair))
    a, b = (z.double().cpu().numpy() for z in (z_q, z_p))
    forward, backward = perez_cruz(a, b), perez_cruz(b, a)
    error = _subsampled_error(a, b)
    warning = _warning(a, pair.double().cpu().numpy())
    estimator = f"1-nearest-neighbor, {'generation' if generation_space else 'representation'} space"
    return Divergence(forward.mean(), backward.mean(), error, num_samples, seed, estimator, warning)


def perez_cruz(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns terms (n,) whose mean estimates KL(a || b) from draws (n, d) and (m, d) (Perez-Cruz, 2008, k = 1).

    d log(s_i / r_i) + log(m / (n - 1)), with r_i the distance to the nearest other point of a and s_i to that of b.

    Raises:
        ValueError: more than one in a hundred points coincide with another.

    Example:
        >>> points = np.array([[0.0], [1.0], [3.0]])
        >>> perez_cruz(points, points + 0.5).round(3)
        array([-0.288, -0.288, -0.981])
    """
    from scipy.spatial import KDTree

    within = KDTree(a).query(a, 2)[0][:, 1]
    across = KDTree(b).query(a, 1)[0]
    apart = (within > 0) & (across > 0)  # single precision makes a few draws in a thousand coincide
    if apart.mean() < 0.99:
        raise ValueError("draws coincide, so that the distance to the nearest neighbor is zero; use symmetric_kl")
    return a.shape[1] * np.log(across[apart] / within[apart]) + math.log(len(b) / (len(a) - 1))


def _subsampled_error(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Returns the standard error of both directions together, from estimates on disjoint parts of the draws.

    Terms of one estimate share neighbors, and the two directions share draws: as if independent, they would make it
    half as large as it is.
    """
    groups = max(2, min(GROUPS, len(a) // SMALLEST))
    parts = zip(np.array_split(a, groups), np.array_split(b, groups), strict=True)
    sums = [perez_cruz(one, other).mean() + perez_cruz(other, one).mean() for one, other in parts]
    return float(np.std(sums, ddof=1)) / math.sqrt(groups)


def _pairs(model: VAE, x: Examples, seed: int, group: str) -> Tensor:
    """Returns two draws (2, n, *event) from the posteriors of a few rows."""
    with measuring(model):
        sampling = sampling_of(model, x, 2, seed, limit=PAIRS)
        return torch.cat([next(each.draws).z[group][:, each.wanted] for each in sampling.batches], 1)


def _warning(draws: NDArray[np.float64], pairs: NDArray[np.float64]) -> str | None:
    from scipy.spatial import KDTree

    nearest = float(np.median(KDTree(draws).query(draws, 2)[0][:, 1]))
    same = float(np.median(np.linalg.norm(pairs[0] - pairs[1], axis=-1)))
    if nearest > same:
        return (
            f"too few draws to resolve the aggregate posterior: neighbors are {nearest:.2g} apart, two draws of one "
            f"posterior {same:.2g}; use symmetric_kl"
        )
    if draws.shape[1] > RELIABLE:
        return f"biased low in {draws.shape[1]} dimensions, by a tenth or more; use symmetric_kl"
    return None
