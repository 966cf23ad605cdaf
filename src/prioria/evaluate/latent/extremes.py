"""Where prior and aggregate posterior disagree most: pockets, which the prior fills and no encoding is near, and leaks.

Low-posterior samples are prior draws of the lowest aggregate density, high-posterior samples encodings of the lowest
prior density (Rosca, Lakshminarayanan and Mohamed, 2018; Bhalodia, Lee and Elhabian, 2020, section 4.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from prioria.evaluate.aggregate import aggregate_draws, aggregate_posterior, prior_draws
from prioria.evaluate.sampling import Examples, device_of, measuring, sampling_of, seed_generators
from prioria.flows import base_log_prob
from prioria.model import VAE


@dataclass(frozen=True, eq=False)
class Extremes:
    """Latents of the top group, the least dense first.

    Attributes:
        z: (n, *event).
        log_density: what they were ranked by (n,), nats.
        fraction: which part of the draws was kept.
        drawn: how many there were.
        ranking: by what they were ranked, in words.
    """

    z: Float[Tensor, " n *event"]
    log_density: Float[Tensor, " n"]
    fraction: float
    drawn: int
    ranking: str


def low_posterior(
    model: VAE, x: Examples, *, num_samples: int = 100, seed: int = 0, fraction: float = 0.2, limit: int | None = None
) -> Extremes:
    """Draws from the prior what the aggregate posterior of all rows supports least.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D) whose posteriors make q(z), or a split of a data set.
        num_samples: how many to return.
        seed: of the draws.
        fraction: kept of all draws, 20 % in the paper's code.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: no sample, a fraction that is none, or a posterior without a density elsewhere (a flow).
    """
    drawn = _drawn(num_samples, fraction)
    q = aggregate_posterior(model, x, limit=limit, seed=seed)
    z = prior_draws(model, num_samples=drawn, seed=seed)
    ranking = f"density of the posteriors of all {q.components.batch_shape[0]} rows"
    return _least(z, q.log_prob(z), num_samples, ranking)


def low_posterior_as_released(
    model: VAE,
    x: Examples,
    *,
    num_samples: int = 100,
    seed: int = 0,
    batch_size: int = 100,
    drawn: int = 500,
    limit: int | None = None,
) -> Extremes:
    """Draws low-posterior samples as the dpVAE code does: ranked under one mini-batch of posteriors at a time.

    Of ``drawn`` prior draws the ``batch_size`` least dense under a mini-batch of as many posteriors are kept, for one
    mini-batch after another; of these, ``num_samples`` are returned, evenly spread over their densities. What a
    mini-batch misses by chance counts as a pocket. (The code's density divides by the log-variance in place of the
    variance and reads two dimensions only; here it is the density.)

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        num_samples: how many to return.
        seed: of mini-batches and draws.
        batch_size: posteriors in a mini-batch, and draws kept of each.
        drawn: prior draws for each mini-batch.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: no sample, more kept than drawn, or a posterior without a density elsewhere (a flow).
    """
    if not 1 <= batch_size <= drawn or num_samples < 1:
        raise ValueError(f"num_samples={num_samples}, batch_size={batch_size} and drawn={drawn}: keep 1 to all of them")
    with measuring(model):
        rows = sampling_of(model, x, 1, seed, limit=limit).x
    parts = []
    for number in range(math.ceil(num_samples / batch_size)):
        with measuring(model):
            seed_generators(device_of(model), (seed, number))
            batch = rows[torch.randperm(len(rows))[:batch_size]]
        z = prior_draws(model, num_samples=drawn, seed=seed + number)
        q = aggregate_posterior(model, batch)
        parts.append(_least(z, q.log_prob(z), batch_size, ""))
    z, density = (torch.cat([getattr(part, name) for part in parts]) for name in ("z", "log_density"))
    order = density.argsort()[torch.linspace(0, len(z) - 1, num_samples).round().long()]  # of all that were kept
    ranking = f"density of the posteriors of a mini-batch of {len(batch)} rows"
    return Extremes(z[order], density[order], batch_size / drawn, drawn * len(parts), ranking)


Ranking = Literal["density", "base"]
RANKINGS: dict[str, tuple[Callable[[Distribution, Tensor], Tensor], str]] = {
    "density": (lambda p, z: p.log_prob(z), "density of the prior"),
    "base": (base_log_prob, "density of the prior's base at g(z), without the log-determinant"),
}


def high_posterior(
    model: VAE,
    x: Examples,
    *,
    num_samples: int = 100,
    seed: int = 0,
    fraction: float = 0.1,
    limit: int | None = None,
    by: Ranking = "density",
) -> Extremes:
    """Draws from the aggregate posterior what the prior supports least.

    "density" ranks by log p(z), "base" by log N(g(z); 0, I) as the dpVAE paper does (Bhalodia, Lee and Elhabian, 2020,
    section 4.1): without the log-determinant of the flow g. Both are one where the prior is no flow.

    Args:
        model: the model, with any posterior; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        num_samples: how many to return.
        seed: of the draws.
        fraction: kept of all draws, 10 % in the paper's code.
        limit: take so many rows only, at even distances.
        by: "density" or "base".

    Raises:
        ValueError: no sample, a fraction that is none, or no such density.
    """
    if by not in RANKINGS:
        raise ValueError(f"by={by!r} is unknown; use {' or '.join(map(repr, RANKINGS))}")
    log_density, ranking = RANKINGS[by]
    z = aggregate_draws(model, x, num_samples=_drawn(num_samples, fraction), seed=seed, limit=limit)
    with measuring(model):
        seed_generators(device_of(model), (seed, len(z)))  # of a prior whose density is estimated
        log_p = log_density(model.top.prior(None), z)
    return _least(z, log_p, num_samples, ranking)


def _drawn(num_samples: int, fraction: float) -> int:
    if num_samples < 1 or not 0 < fraction <= 1:
        raise ValueError(f"num_samples={num_samples} must be at least 1 and fraction={fraction} within 0 and 1")
    return math.ceil(num_samples / fraction)


def _least(z: Tensor, log_density: Tensor, count: int, ranking: str) -> Extremes:
    order = log_density.argsort()[:count]
    kept = z[order].cpu().clone(), log_density[order].cpu().clone()  # outside of inference mode: ordinary tensors
    return Extremes(*kept, fraction=len(order) / len(z), drawn=len(z), ranking=ranking)
