"""Exponential families: p(z) = h(z) exp(<t(z), eta> - A(eta)).

What a mixture, a fused stage and the theory of exponential-family VAEs need to know of a family is all here: its
natural parameters eta, sufficient statistics t, log-normalizer A, and how prior and evidence are fused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, Normal

from prioria.distributions.simple import bernoulli, normal


def base(d: Distribution) -> Distribution:
    """Returns the univariate family of a diagonal distribution.

    Raises:
        ValueError: the distribution is not ``Independent(Normal | Bernoulli)``.
    """
    if is_diagonal(d):
        return d.base_dist  # pyright: ignore[reportAttributeAccessIssue]
    raise ValueError(
        f"components={d} is not a diagonal Gaussian or Bernoulli; use posteriors.Gaussian or posteriors.Bernoulli"
    )


def is_diagonal(d: Distribution) -> bool:
    """Says whether values are independent Gaussians or bits: the families whose mixtures have a density everywhere."""
    return isinstance(d, Independent) and isinstance(d.base_dist, Normal | Bernoulli)


def is_binary(d: Distribution | None) -> bool:
    """Says whether every value is a bit of its own."""
    return isinstance(d, Independent) and isinstance(d.base_dist, Bernoulli)


def natural_parameters(d: Distribution, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Returns eta (..., P) and log h - A(eta) summed over the event (...) of a diagonal Gaussian or Bernoulli.

    An event of several axes, such as feature maps, counts as one of D values.

    Gaussian: t(z) = [z^2, z], eta = [-1/(2 s^2), m/s^2]. Bernoulli: t(z) = z, eta = logits.
    """
    match base(d):
        case Normal(loc=loc, scale=scale):
            mean, precision = _vector(d, loc).to(dtype), _vector(d, scale).to(dtype).pow(-2)
            constant = 0.5 * (precision.log() - mean.square() * precision - math.log(2 * math.pi)).sum(-1)
            return torch.cat([-0.5 * precision, mean * precision], -1), constant
        case Bernoulli(logits=logits):
            eta = _vector(d, logits).to(dtype)
            return eta, -torch.nn.functional.softplus(eta).sum(-1)
        case other:
            raise AssertionError(other)


def sufficient_statistics(d: Distribution, z: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns t(z) (..., P) for the family of ``d``."""
    z = _vector(d, z).to(dtype)
    return torch.cat([z.square(), z], -1) if isinstance(base(d), Normal) else z


def take(d: Distribution, index: Tensor) -> Distribution:
    """Returns the distributions at ``index`` of the first batch axis."""
    match base(d):
        case Normal(loc=loc, scale=scale):
            return normal(loc[index], scale[index], len(d.event_shape))
        case Bernoulli(logits=logits):
            return bernoulli(logits[index], len(d.event_shape))
        case other:
            raise AssertionError(other)


def concatenate(parts: Sequence[Distribution]) -> Independent:
    """Returns the distributions of several, one after another along the first batch axis.

    Example:
        >>> bits = bernoulli(torch.zeros(3, 2))
        >>> concatenate([bits, bits]).batch_shape
        torch.Size([6])
    """
    bases, axes = [base(part) for part in parts], len(parts[0].event_shape)
    if isinstance(bases[0], Normal):
        return normal(torch.cat([each.mean for each in bases]), torch.cat([each.stddev for each in bases]), axes)
    return bernoulli(torch.cat([each.logits for each in bases]), axes)  # pyright: ignore[reportAttributeAccessIssue]


def marginals(d: Distribution) -> list[Independent]:
    """Returns the distributions of the single latents, each with event shape (1,)."""
    match base(d):
        case Normal(loc=loc, scale=scale):
            parts = (_vector(d, each).split(1, -1) for each in (loc, scale))
            return [normal(m, s) for m, s in zip(*parts, strict=True)]
        case Bernoulli(logits=logits):
            return [bernoulli(each) for each in _vector(d, logits).split(1, -1)]
        case other:
            raise AssertionError(other)


def log_normalizer(d: Distribution, dtype: torch.dtype = torch.float64) -> Tensor:
    """Returns A(eta) (...), summed over the event, of a diagonal Gaussian or Bernoulli.

    Gaussian with h(z) = (2 pi)^(-1/2): A = m^2 / (2 s^2) + log s. Bernoulli: A = softplus(logit). The gradient of A in
    eta is E t(z).

    Example:
        >>> log_normalizer(bernoulli(torch.zeros(1))).exp()
        tensor(2., dtype=torch.float64)
    """
    _, constant = natural_parameters(d, dtype)
    dimensions = d.event_shape.numel() if isinstance(base(d), Normal) else 0
    return -constant - 0.5 * dimensions * math.log(2 * math.pi)  # constant = log h - A


def _vector(d: Distribution, values: Tensor) -> Tensor:
    return values.flatten(-len(d.event_shape))


def fuse(prior: Distribution, evidence: Distribution) -> Independent:
    r"""Returns the distribution whose natural parameters are the sum of the two: prior times evidence, renormalized.

    Gaussian: precision weighting, 1/s^2 = 1/s_p^2 + 1/s_e^2 and m = s^2 (m_p / s_p^2 + m_e / s_e^2). Bernoulli and
    categorical: the logits add. Batch shapes broadcast. Bits keep the evidence's way of differentiating a draw.

    Raises:
        ValueError: the two are not diagonal and of one family.

    Example:
        >>> q = fuse(normal(torch.zeros(1), torch.ones(1)), normal(torch.full((1,), 2.0), torch.full((1,), 0.5)))
        >>> q.mean, q.variance
        (tensor([1.6000]), tensor([0.2000]))
    """
    if not (isinstance(prior, Independent) and isinstance(evidence, Independent)):
        raise _cannot_fuse(prior, evidence)
    match prior.base_dist, evidence.base_dist:
        case Normal() as p, Normal() as e:
            fused = _precision_weighted(p, e)
        case Bernoulli() as p, Bernoulli() as e:
            fused = type(e)(logits=p.logits + e.logits, validate_args=False)
        case Categorical() as p, Categorical() as e:
            fused = Categorical(logits=p.logits + e.logits, validate_args=False)
        case _:
            raise _cannot_fuse(prior, evidence)
    return Independent(fused, prior.reinterpreted_batch_ndims, validate_args=False)


def _precision_weighted(prior: Normal, evidence: Normal) -> Normal:
    # Written with the root of the evidence's share of the precision: no 1/s^2 or s^2 that could overflow, no difference
    # that could cancel.
    root = prior.scale / torch.hypot(prior.scale, evidence.scale)
    mean = prior.loc + root.square() * (evidence.loc - prior.loc)
    return Normal(mean, evidence.scale * root, validate_args=False)


def _cannot_fuse(prior: Distribution, evidence: Distribution) -> ValueError:
    return ValueError(
        f"prior {prior} and evidence {evidence} cannot be fused: both must be diagonal Gaussian, Bernoulli or "
        "Categorical of one family; for a top group with another prior use root='evidence'"
    )
