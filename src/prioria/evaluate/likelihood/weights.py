"""Importance weights, added up as they come."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.evaluate.estimate import WeightQuality, tail_length
from prioria.evaluate.likelihood.pareto import pareto_k

EXACT = 64  # so many of the largest weights are kept at least: the jackknife is exact up to this number of samples
ORDERS = 4  # powers of the weights that are summed


class Weights:
    """Sums over the weights of N examples, in float64 on the CPU, in memory that does not grow with every sample.

    Kept are log sum w^p for p up to four, and the largest weights, at most 3 sqrt(S) of them.

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
        self.log_sums = torch.full((ORDERS, examples), -math.inf, dtype=torch.float64)

    def add(self, log_w: Float[Tensor, "K N"]) -> None:
        """Adds the weights of K samples."""
        log_w = log_w.cpu()
        largest = log_w.topk(min(len(self.largest), len(log_w)), dim=0).values
        self.largest = torch.cat([self.largest, largest]).topk(len(self.largest), dim=0).values
        top = log_w.amax(0).double()
        top = torch.where(top.isinf(), 0.0, top)
        relative = (log_w - top).exp()
        norms = [torch.linalg.vector_norm(relative, order, dim=0) for order in range(1, ORDERS + 1)]
        sums = [order * (norm.log() + top) for order, norm in enumerate(norms, 1)]
        self.log_sums = torch.logaddexp(self.log_sums, torch.stack(sums))

    @property
    def log_sum(self) -> Float[Tensor, " N"]:
        """The log of the sum of all weights, log sum_k w_k."""
        return self.log_sums[0]

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
        return (2 * self.log_sum - self.log_sums[1]).exp()

    @property
    def _bias(self) -> Tensor:
        # Jackknife, (S - 1) (mean_k l_k - log mean w), where l_k - log mean w = log(1 - d_k)
        count = self.num_samples
        if count < 2:
            return torch.full_like(self.log_sum, math.nan)
        return (count - 1) / count * self._left_out[0]

    @property
    def _left_out(self) -> tuple[Tensor, Tensor]:
        r"""Sums over k of log(1 - d_k) and of its square, where leaving w_k out takes log mean w to + log(1 - d_k).

        With r_k = w_k / sum w and c = 1/S, d_k = (r_k - c) / (1 - c), and sum_k d_k = 0. Exact for the weights that
        were kept, to fourth order of d for the others. Each of those has |d| < 1/64, at which what is left out is less
        than 1e-5 of either sum, for weights that are all but equal too.
        """
        c = 1 / self.num_samples
        kept = (self.largest - self.log_sum).exp()
        d = (kept - c) / (1 - c)
        powers = [d, square := d * d, square * d, square * square]
        sums = [total - power.sum(0) for power, total in zip(powers, self._central(c), strict=True)]
        second, fourth = sums[1].clamp(min=0), sums[3].clamp(min=0)
        # Where one weight is all there is to double precision, its logarithm is at least what the clamp leaves.
        logs = torch.log1p(-d.clamp(max=1 - 2**-53))
        others = -(sums[0] + second / 2 + sums[2] / 3 + fourth / 4)
        squares = second + sums[2] + 11 / 12 * fourth
        return logs.sum(0) + others, logs.square().sum(0) + squares

    def _central(self, c: float) -> list[Tensor]:
        """Returns sum_k d_k^p for p up to four, from those of the r_k."""
        _, r2, r3, r4 = (self.log_sums - torch.arange(1, ORDERS + 1).unsqueeze(-1) * self.log_sum).exp()
        central = [
            torch.zeros_like(r2),
            r2 - c,
            r3 - 3 * c * r2 + 2 * c**2,
            r4 - 4 * c * r3 + 6 * c**2 * r2 - 3 * c**3,
        ]
        return [total / (1 - c) ** order for order, total in enumerate(central, 1)]
