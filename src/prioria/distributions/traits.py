"""What objectives and evaluations ask of a distribution, instead of asking for its class."""

from __future__ import annotations

from typing import Protocol, TypeGuard

import torch
from torch import Size, Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, Normal, constraints, kl_divergence
from torch.nn.functional import softplus

from prioria.distributions.discretized import Bins
from prioria.distributions.full_normal import as_full

FAMILIES = (Normal, Bernoulli, Categorical)


def sample_and_log_prob(d: Distribution, sample_shape: Size | tuple[int, ...] = Size()) -> tuple[Tensor, Tensor]:
    """Draws once and returns the draw with its log-density in nats; reparameterized where the distribution can.

    A flow gives both in one pass (its inverse may cost fifty times its forward).
    """
    if hasattr(d, "rsample_and_log_prob"):
        return d.rsample_and_log_prob(Size(sample_shape))  # pyright: ignore[reportAttributeAccessIssue]
    z = d.rsample(Size(sample_shape)) if d.has_rsample else d.sample(Size(sample_shape))
    return z, d.log_prob(z)


def is_discrete(d: Distribution) -> bool | None:
    """Says whether draws are bits or classes; None where the distribution does not tell.

    Example:
        >>> is_discrete(Bernoulli(torch.zeros(2))), is_discrete(Normal(0.0, 1.0))
        (True, False)
    """
    try:
        return d.support.is_discrete  # pyright: ignore[reportOptionalMemberAccess]
    except NotImplementedError:  # a flow of zuko tells by the transform that takes z to the base
        transform = getattr(d, "transform", None)
        return None if transform is None else transform.domain.is_discrete


def can_be_listed(d: Distribution) -> bool:
    """Says whether draws are one of a few values, such as classes, which ``enumerate_support`` gives.

    Example:
        >>> from torch.distributions import OneHotCategorical
        >>> can_be_listed(OneHotCategorical(torch.ones(3))), can_be_listed(Normal(0.0, 1.0))
        (True, False)
    """
    return bool(is_discrete(d)) and d.has_enumerate_support


def check_support(name: str, p: Distribution, q: Distribution) -> None:
    """Raises ValueError where one of prior and posterior draws bits or classes and the other real numbers.

    A density and a probability have no ratio: the "KL" of the two may be negative, and the "bound" above log p(x).
    """
    found = is_discrete(p), is_discrete(q)
    if None not in found and found[0] != found[1]:
        kinds = ["discrete values" if each else "real numbers" for each in found]
        raise ValueError(
            f"group {name!r}: the prior {type(p).__name__} is over {kinds[0]}, the posterior {type(q).__name__} over "
            f"{kinds[1]}; bits take priors.Bernoulli, VampPrior or AggregatePosterior, real latents any but Bernoulli"
        )


def factors(d: Distribution) -> Distribution:
    """Returns the independent per-dimension marginals of a factorized distribution.

    Raises:
        ValueError: the distribution does not factorize over its dimensions.
    """
    if isinstance(d, Independent) and isinstance(d.base_dist, FAMILIES):
        return d.base_dist
    raise ValueError(f"{type(d).__name__} has no per-dimension marginals; use posteriors.Gaussian or tc=DensityRatio()")


def by_column(d: Distribution, value: Tensor) -> Tensor | None:
    """Returns log p of each column (..., D), in nats; None where the density does not factorize over columns.

    A distribution of several families says it by a method ``log_prob_by_column``.

    Example:
        >>> by_column(Independent(Normal(torch.zeros(2), 1.0), 1), torch.zeros(2)).exp()
        tensor([0.3989, 0.3989])
    """
    if own := getattr(d, "log_prob_by_column", None):
        return own(value)
    one_axis = isinstance(d, Independent) and d.reinterpreted_batch_ndims == 1 and d.event_shape == value.shape[-1:]
    return d.base_dist.log_prob(value) if isinstance(d, Independent) and one_axis else None


def has_kl(q: Distribution, p: Distribution) -> bool:
    """Says whether KL(q || p) has a closed form here: both factorized and of one family, or both Gaussian."""
    return has_kl_per_dimension(q, p) or (as_full(q) is not None and as_full(p) is not None)


def has_kl_per_dimension(q: Distribution, p: Distribution) -> bool:
    """Says whether KL(q || p) is a closed sum over dimensions: both factorized, of one family."""
    if not (isinstance(q, Independent) and isinstance(p, Independent)):
        return False
    a, b = q.base_dist, p.base_dist
    return any(isinstance(a, family) and isinstance(b, family) for family in FAMILIES)


def kl(q: Distribution, p: Distribution) -> Tensor:
    """Returns KL(q || p) in nats, batch shapes broadcast.

    Raises:
        ValueError: there is no closed form; ask :func:`has_kl` first.
    """
    if has_kl_per_dimension(q, p):
        return kl_per_dimension(q, p).flatten(-len(q.event_shape)).sum(-1)
    a, b = as_full(q), as_full(p)
    if a is None or b is None:
        raise ValueError(f"KL({type(q).__name__} || {type(p).__name__}) has no closed form; use the Monte-Carlo rate")
    return kl_divergence(a, b)


def kl_per_dimension(q: Distribution, p: Distribution) -> Tensor:
    """Returns the terms of :func:`kl`, one for each dimension of the event (..., *event)."""
    a, b = factors(q), factors(p)
    if not (isinstance(a, Bernoulli) and isinstance(b, Bernoulli)):
        return kl_divergence(a, b)
    # torch's form is infinite where a probability underflows; on logits it never is.
    return a.probs * (a.logits - b.logits) - softplus(a.logits) + softplus(b.logits)


def is_reparameterized(d: Distribution) -> bool:
    """Says whether the gradient of a draw reaches the parameters; where it does not, a score function is needed."""
    return hasattr(d, "rsample_and_log_prob") or d.has_rsample


def is_bound(d: Distribution) -> bool:
    """Says whether ``log_prob`` is itself a lower bound on the log-density."""
    return bool(getattr(d, "bound", False))


def has_original_units(d: Distribution) -> bool:
    """Says whether ``log_prob`` is in the units of a table's columns, not in those that the model reads."""
    return bool(getattr(d, "original_units", False))


def is_ordered(d: Distribution) -> bool:
    """Says whether ``log_prob`` of counts is that of the words in their order, without multinomial coefficient."""
    return bool(getattr(d, "ordered", False))


class WithLength(Protocol):
    """What has draws of a length that is given."""

    def of_length(self, length: Tensor) -> Distribution:
        """Returns the distribution of draws of another length."""
        ...

    def expected(self, length: Tensor | float) -> Tensor:
        """Returns the mean of every value at a length."""
        ...


def has_length(d: Distribution) -> TypeGuard[WithLength]:
    """Says whether draws have a length that is given, as documents have: ``of_length`` then gives those of another."""
    return hasattr(d, "of_length")


def expected(d: Distribution, length: Tensor | float) -> Tensor:
    """Returns the mean of every value, of documents of a length (..., 1) or one for all where draws have one."""
    return d.expected(length) if has_length(d) else mean(d)


def as_levels(d: Distribution, x: Tensor) -> tuple[Tensor, int] | None:
    """Returns the level 0 to L-1 of each discrete value x (..., D), and L; None where d has no such levels.

    Example:
        >>> as_levels(Independent(Bernoulli(torch.zeros(3)), 1), torch.tensor([0.0, 1.0, 1.0]))
        (tensor([0, 1, 1]), 2)
        >>> as_levels(Normal(0.0, 1.0), torch.zeros(1)) is None, as_levels(Bernoulli(0.5), torch.tensor([0.5])) is None
        (True, True)
    """
    try:
        support = d.support
    except NotImplementedError:
        return None
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    if isinstance(support, Bins):
        return support.bin(x).long(), support.count
    if isinstance(support, constraints.integer_interval):
        low, high = int(support.lower_bound), int(support.upper_bound)
    elif support is constraints.boolean:
        low, high = 0, 1
    else:
        return None
    if ((x != x.round()) | (x < low) | (x > high)).any():
        return None
    return x.long() - low, high - low + 1


def mean(d: Distribution) -> Tensor:
    """Returns the mean of every value; where values are categories, the mean of their numbers."""
    if isinstance(d, Independent) and isinstance(d.base_dist, Categorical):
        weights = d.base_dist.probs
        return weights @ torch.arange(weights.shape[-1], dtype=weights.dtype, device=weights.device)
    return d.mean
