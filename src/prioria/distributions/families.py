"""Exponential families: p(z) = h(z) exp(<t(z), eta> - A(eta)).

The Gaussian and the Bernoulli are all that a mixture (and, later, a fused stage) needs to know about a family.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, Normal

from prioria.distributions.simple import bernoulli, normal


def base(d: Distribution) -> Distribution:
    """Returns the univariate family of a diagonal distribution.

    Raises:
        ValueError: the distribution is not ``Independent(Normal | Bernoulli)`` with one event axis.
    """
    if isinstance(d, Independent) and isinstance(d.base_dist, Normal | Bernoulli) and d.reinterpreted_batch_ndims == 1:
        return d.base_dist
    raise ValueError(
        f"components={d} is not a diagonal Gaussian or Bernoulli; use posteriors.Gaussian or posteriors.Bernoulli"
    )


def natural_parameters(d: Distribution, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Returns eta (..., P) and log h - A(eta) summed over the event (...) of a diagonal Gaussian or Bernoulli.

    Gaussian: t(z) = [z^2, z], eta = [-1/(2 s^2), m/s^2]. Bernoulli: t(z) = z, eta = logits.
    """
    match base(d):
        case Normal(loc=loc, scale=scale):
            mean, precision = loc.to(dtype), scale.to(dtype).pow(-2)
            constant = 0.5 * (precision.log() - mean.square() * precision - math.log(2 * math.pi)).sum(-1)
            return torch.cat([-0.5 * precision, mean * precision], -1), constant
        case Bernoulli(logits=logits):
            return logits.to(dtype), -torch.nn.functional.softplus(logits.to(dtype)).sum(-1)
        case other:
            raise AssertionError(other)


def sufficient_statistics(d: Distribution, z: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns t(z) (..., P) for the family of ``d``."""
    z = z.to(dtype)
    return torch.cat([z.square(), z], -1) if isinstance(base(d), Normal) else z


def take(d: Distribution, index: Tensor) -> Distribution:
    """Returns the distributions at ``index`` of the first batch axis."""
    match base(d):
        case Normal(loc=loc, scale=scale):
            return normal(loc[index], scale[index])
        case Bernoulli(logits=logits):
            return bernoulli(logits[index])
        case other:
            raise AssertionError(other)
