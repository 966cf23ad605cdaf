"""Latent leaks: encodings that the prior hardly ever draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prioria import sizes
from prioria.evaluate.aggregate import aggregate_posterior
from prioria.evaluate.sampling import Examples, device_of, measuring, seed_generators
from prioria.flows import base_log_prob
from prioria.model import VAE

PUBLISHED = (-90.0, -70.0, -50.0, -30.0, -10.0, -1.0)


@dataclass(frozen=True)
class LeakageCurve:
    """The leakage score against the threshold tau, each a list over thresholds.

    Attributes:
        thresholds: tau, nats.
        share: P(z is leaked) under q(z).
        score: E_q of log q(z) - log p(z) where leaked, 0 elsewhere.
        conditional: the same over leaked draws alone, score / share; None where none leaked.
    """

    thresholds: list[float]
    share: list[float]
    score: list[float]
    conditional: list[float | None]


@dataclass(frozen=True)
class Leakage:
    """Leakage by two measures of how well the prior supports z.

    Attributes:
        density: by log p(z), the log-determinant of a flow included.
        base: by log N(g(z); 0, I) without it, as the dpVAE paper's eq. 6 is read; the same where the prior is no flow.
        num_samples: draws of q(z).
        components: posteriors that q(z) is a mixture of.
        seed: of the draws.
    """

    density: LeakageCurve
    base: LeakageCurve
    num_samples: int
    components: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Returns both curves as JSON values."""
        return {**vars(self), "density": vars(self.density), "base": vars(self.base), "unit": "nats"}


def leakage(
    model: VAE,
    x: Examples,
    *,
    num_samples: int = 3000,
    seed: int = 0,
    thresholds: Sequence[float] = PUBLISHED,
    limit: int | None = None,
) -> Leakage:
    r"""Measures how much of the aggregate posterior of the top group the prior hardly supports.

    z ~ q(z) is leaked at threshold tau where log p(z) < tau. The score is E_q[(log q(z) - log p(z)) 1(leaked)]; at
    tau = infinity, with the log-determinant, it is KL(q||p). Lower is better. (Bhalodia, Lee and Elhabian, 2020,
    section 5.1; the formula of eq. 6 is lost in the text at hand. Their code divides by the number of leaked draws,
    here ``conditional``, and builds q(z) from 5,000 encodings, here ``limit=5000``.) Where the prior's density is a
    lower bound, more is taken for leaked than is, and the score is too high.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D) whose posteriors make q(z), or a split of a data set.
        num_samples: draws of q(z), 3,000 in the paper's code.
        seed: of the draws.
        thresholds: tau; those of the paper's code by default.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: no sample, or a posterior without a density elsewhere (a flow).
    """
    sizes.check_count("num_samples", num_samples)
    q = aggregate_posterior(model, x, limit=limit, seed=seed)
    with measuring(model):
        seed_generators(device_of(model), (seed, num_samples))
        p = model.top.prior(None)
        z = q.sample((num_samples,))
        log_q = q.log_prob(z)
        density, base = (_curve(log_q, support, thresholds) for support in (p.log_prob(z), base_log_prob(p, z)))
    return Leakage(density, base, num_samples, q.components.batch_shape[0], seed)


def _curve(log_q: Tensor, support: Tensor, thresholds: Sequence[float]) -> LeakageCurve:
    leaked = support.double() < torch.tensor(thresholds, dtype=torch.float64, device=support.device)[:, None]
    share = leaked.double().mean(1).tolist()
    score = torch.where(leaked, (log_q - support).double(), 0.0).mean(1).tolist()
    conditional = [each / part if part else None for each, part in zip(score, share, strict=True)]
    return LeakageCurve([float(tau) for tau in thresholds], share, score, conditional)
