"""The shape of the tail of importance weights."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.evaluate.estimate import SHORTEST_TAIL

EQUAL = 1e-4  # of the largest weight: what two equal weights may differ by in single precision


def pareto_k(log_weights: Float[Tensor, "M N"]) -> Float[Tensor, " N"]:
    """Returns the shape k of a generalized Pareto distribution fitted to the largest weights of each example.

    The smallest of the weights is the threshold that the others exceed. k is shrunk to 1/2 by the weight of ten
    observations (Vehtari et al., 2024, appendix). Weights that are all equal have k = -inf; fewer than five above the
    threshold tell nothing, nan. Weights of bits repeat: those that only reach the threshold do not exceed it.

    Args:
        log_weights: the M largest log-weights of N examples, largest first.
    """
    length = len(log_weights) - 1
    if length < SHORTEST_TAIL:
        return torch.full_like(log_weights[0], math.nan)
    weights = (log_weights - log_weights[0]).exp()
    excess = (weights[:-1] - weights[-1]).flip(0).mT.contiguous()
    return torch.stack([_shrunk_shape(each[each > 0], each[-1]) for each in excess])


def _shrunk_shape(excess: Tensor, largest: Tensor) -> Tensor:
    if largest <= EQUAL:
        return torch.full_like(largest, -math.inf)
    length = len(excess)
    if length < SHORTEST_TAIL:
        return torch.full_like(largest, math.nan)
    return (length * generalized_pareto_shape(excess) + 10 * 0.5) / (length + 10)


def generalized_pareto_shape(excess: Float[Tensor, " M"]) -> Float[Tensor, ""]:
    r"""Returns the shape k of a generalized Pareto distribution, F(x) = 1 - (1 + k x / s)^(-1/k), from a sample.

    With b = -k/s the profile log-likelihood is M (log(-b/k) - k - 1), k(b) = mean log(1 - b x). The estimate is k at
    the mean of b under this likelihood, over a grid of quantiles of a weak prior (Zhang and Stephens, 2009, section 3;
    their shape is -k, their grid has 20 + sqrt M points, this one 30 + sqrt M).

    Args:
        excess: the sample, ascending.
    """
    length = len(excess)
    points = 30 + int(math.sqrt(length))
    quartile, largest = excess[int(length / 4 + 0.5) - 1], excess[-1]
    grid = torch.arange(1, points + 1, dtype=excess.dtype, device=excess.device) - 0.5
    b = 1 / largest + (1 - (points / grid).sqrt()) / (3 * quartile)
    k = torch.log1p(-b[:, None] * excess).mean(-1)
    likelihood = length * ((-b / k).log() - k - 1)
    return torch.log1p(-(likelihood.softmax(0) @ b) * excess).mean()
