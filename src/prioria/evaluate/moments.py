"""Means and variances over samples, added up as they come."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Moments:
    """Mean and variance over the first axis of values (K, ...) that come in blocks, in float64 on the CPU.

    Blocks are combined through the differences of their means, which does not cancel (Chan, Golub and LeVeque, 1983).

    Example:
        >>> moments = Moments()
        >>> moments.add(torch.tensor([1.0, 2.0])), moments.add(torch.tensor([6.0]))
        (None, None)
        >>> moments.mean, moments.variance_of_mean
        (tensor(3., dtype=torch.float64), tensor(2.3333, dtype=torch.float64))
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = torch.zeros((), dtype=torch.float64)

    def add(self, values: Tensor) -> None:
        """Adds values (K, ...)."""
        values = values.cpu().double()
        mean, total = values.mean(0), self.count + len(values)
        difference = mean - self.mean
        share = len(values) / total
        self.squares = self.squares + (values - mean).square().sum(0) + self.count * share * difference.square()
        self.mean = self.mean + share * difference
        self.count = total

    @property
    def variance_of_mean(self) -> Tensor:
        """Unbiased estimate of the variance of the mean; nan where one value cannot tell."""
        return self.squares / self.count / (self.count - 1) if self.count > 1 else torch.full_like(self.mean, math.nan)
