"""Counts as the numbers of a column."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.distributions import Distribution, NegativeBinomial

LARGEST_LOG = 15.0  # of the mean and the dispersion of counts


class AffineCounts(Distribution):
    """x = (v - center) / scale of counts v: log p(x) is the log-probability of v, the nearest count, at least zero."""

    arg_constraints: dict = {}

    def __init__(self, counts: Distribution, center: Tensor, scale: Tensor) -> None:
        self.counts, self.center, self.scale = counts, center, scale
        super().__init__(counts.batch_shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return (self.counts.mean - self.center) / self.scale

    @property
    def variance(self) -> Tensor:
        return self.counts.variance / self.scale.square()

    @property
    def mode(self) -> Tensor:
        return (self.counts.mode - self.center) / self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        counts = (self.center + self.scale * value).round().clamp(min=0)
        # a column's log-scale, which every column's density has taken off, is put back: a probability has no unit
        return self.counts.log_prob(counts) + self.scale.log()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return (self.counts.sample(sample_shape) - self.center) / self.scale


def negative_binomial(log_mean: Tensor, log_dispersion: Tensor) -> NegativeBinomial:
    """Returns the negative binomial of mean m and variance m + m^2 / r for log m and log r.

    Example:
        >>> import torch
        >>> d = negative_binomial(torch.tensor(3.0).log(), torch.tensor(2.0).log())
        >>> d.mean, d.variance
        (tensor(3.), tensor(7.5000))
    """
    log_mean = log_mean.clamp(-LARGEST_LOG, LARGEST_LOG)
    log_dispersion = log_dispersion.clamp(-LARGEST_LOG, LARGEST_LOG)
    return NegativeBinomial(log_dispersion.exp(), logits=log_mean - log_dispersion, validate_args=False)
