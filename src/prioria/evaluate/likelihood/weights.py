"""Importance weights, added up as they come."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.evaluate.estimate import WeightQuality, tail_length
from prioria.evaluate.likelihood.pareto import pareto_k

EXACT = 64  # so many of the largest weights are kept at least: the jackknife is exact up to this number of samples


class Weights:
    """Sums over the weights of N examples, in float64 on the CPU, in memory that does not grow with every sample.

    Kept are log sum w, log sum w^2 and the largest weights, at most 3 sqrt(S) of them.

    Args:
        num_samples: S, how many will come.
        examples: N.

    Example:
        >>> weights = Weights(2, 1)
        >>> weights.add(torch.tensor([[0.0], [0.0]]))
        >>> weights.log_mean, weights.quality.ess
        (tensor([0.], dtype=torch.float64), tensor([2.], dtype=torch.float64))
    """

    def __init__(self, num_samples: int, examples: int) -> None:
        self.num_samples = num_samples
        kept = max(tail_length(num_samples) + 1, min(num_samples, EXACT))
        self.largest = torch.full((kept, examples), -math.inf, dtype=torch.float64)
        self.log_sum = torch.full((examples,), -math.inf, dtype=torch.float64)
        self.log_sum_of_squares = self.log_sum

    def add(self, log_w: Float[Tensor, "K N"]) -> None:
        """Adds the weights of K samples."""
        log_w = log_w.cpu().double()
        self.largest = torch.cat([self.largest, log_w]).topk(len(self.largest), dim=0).values
        self.log_sum = torch.logaddexp(self.log_sum, log_w.logsumexp(0))
        self.log_sum_of_squares = torch.logaddexp(self.log_sum_of_squares, (2 * log_w).logsumexp(0))

    @property
    def log_mean(self) -> Float[Tensor, " N"]:
        """The log-mean weight log (1/S) sum_k w_k."""
        return self.log_sum - math.log(self.num_samples)

    @property
    def variance(self) -> Float[Tensor, " N"]:
        """Variance of the log-mean by the jackknife (Efron and Stein, 1981); nan for one sample.

        (S - 1)/S sum_k (l_k - mean l)^2 with l_k = log mean_{j != k} w_j. It has no upper bound: the delta method's
        var(w) / (S mean(w)^2) is 1 at most, however few of the weights are all that counts.
        """
        count = self.num_samples
        if count < 2:
            return torch.full_like(self.log_sum, math.nan)
        logs, squares = self._left_out
        return (count - 1) / count * (squares - logs.square() / count).clamp(min=0)

    @property
    def quality(self) -> WeightQuality:
        """Bias, effective sample size and tail."""
        tail = self.largest[: tail_length(self.num_samples) + 1]
        return WeightQuality(bias=self._bias, ess=self._ess, pareto_k=pareto_k(tail))

    @property
    def _ess(self) -> Tensor:
        return (2 * self.log_sum - self.log_sum_of_squares).exp()

    @property
    def _bias(self) -> Tensor:
        # Jackknife, (S - 1) (mean_k l_k - log mean w)
        count = self.num_samples
        if count < 2:
            return torch.full_like(self.log_sum, math.nan)
        return (count - 1) * (math.log(count / (count - 1)) + self._left_out[0] / count)

    @property
    def _left_out(self) -> tuple[Tensor, Tensor]:
        # Sums over k of log(1 - r_k) and of its square, r_k = w_k / sum w: exact for the weights that were kept, to
        # second order for the others, each of them below 1/64. Where one weight is all there is to double precision,
        # the logarithm is at least what the clamp leaves.
        kept = (self.largest - self.log_sum).exp()
        logs = torch.log1p(-kept.clamp(max=1 - 2**-53))
        others, squares = (1 - kept.sum(0)).clamp(min=0), (1 / self._ess - kept.square().sum(0)).clamp(min=0)
        return logs.sum(0) - others - squares / 2, logs.square().sum(0) + squares
