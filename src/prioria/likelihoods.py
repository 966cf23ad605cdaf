"""Likelihoods p(x | z): conditionals on the latents. Each reads the output of a network of z (..., L) -> (..., n*D)."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from prioria import distributions
from prioria.distributions import at_least_float32, bernoulli, categorical, normal
from prioria.module import Module

MINIMUM_SCALE = 1e-3


class Bernoulli(Module):
    """p(x|z) = prod_d Bernoulli(x_d; sigmoid(net(z)_d)), on logits.

    Args:
        net: network (..., L) -> logits (..., D).

    Example:
        >>> Bernoulli(nn.Linear(2, 3))(torch.zeros(4, 5, 2)).log_prob(torch.ones(5, 3)).shape
        torch.Size([4, 5])
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, z: Tensor) -> Distribution:
        return bernoulli(at_least_float32(self.net(z)))


class Gaussian(Module):
    """p(x|z) = N(x; m(z), diag s^2) with a fixed, a global learned or a per-pixel learned variance.

    Args:
        net: network (..., L) -> means (..., D); with ``variance="pixel"`` -> (..., 2D), means first, then log-
            variances.
        variance: "fixed" at the square of ``scale``; "global": one learned variance; "pixel": one for each pixel and z.
        scale: standard deviation s, the starting value if it is global.
        minimum_scale: lower bound of a learned s, so that the density of a perfect reconstruction stays finite.

    Raises:
        ValueError: an unknown kind of variance, an option that it does not use, or a scale that is not positive or
            starts below its bound.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        variance: Literal["fixed", "global", "pixel"] = "fixed",
        scale: float = 1.0,
        minimum_scale: float = MINIMUM_SCALE,
    ) -> None:
        super().__init__()
        if variance not in ("fixed", "global", "pixel"):
            raise ValueError(f"variance={variance!r} is unknown; use 'fixed', 'global' or 'pixel'")
        if variance == "pixel" and scale != 1:
            raise ValueError(f"scale={scale} is not used: the net gives each s of variance='pixel'; leave it out")
        if variance == "fixed" and minimum_scale != MINIMUM_SCALE:
            raise ValueError(f"minimum_scale={minimum_scale} is not used: variance='fixed' learns no s; leave it out")
        if scale <= 0 or minimum_scale <= 0:
            raise ValueError(f"scale={scale} and minimum_scale={minimum_scale} must be positive")
        if variance == "global" and scale < minimum_scale:
            raise ValueError(f"scale={scale} starts below minimum_scale={minimum_scale}; lower that, or start above it")
        self.net, self.variance, self.minimum_scale = net, variance, minimum_scale
        log_scale = torch.tensor(math.log(scale))
        if variance == "global":
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale, persistent=False)

    def forward(self, z: Tensor) -> Distribution:
        output = at_least_float32(self.net(z))
        if self.variance == "fixed":
            return normal(output, self.log_scale.exp())
        if self.variance == "global":
            return normal(output, _at_least(self.log_scale.exp(), self.minimum_scale))
        mean, log_variance = output.chunk(2, -1)
        return normal(mean, _at_least((0.5 * log_variance).exp(), self.minimum_scale))


class _AtLeast(torch.autograd.Function):
    """max(x, bound), with the gradient of x where x is above the bound or a step would bring it there."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp(min=bound)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,), (gradient,) = ctx.saved_tensors, gradients
        return torch.where((x >= ctx.bound) | (gradient < 0), gradient, 0.0), None


def _at_least(x: Tensor, bound: float) -> Tensor:
    """Returns max(x, bound) for a learned x: a clamp would hold one that has sunk below the bound there for ever."""
    found = _AtLeast.apply(x, bound)
    assert isinstance(found, Tensor)
    return found


class DiscretizedLogistic(Module):
    """p(x|z): grey values as bins of a logistic distribution with learned mean and scale for each pixel.

    The mean is sigmoid(.) clamped to [1/512, 1 - 1/512] and log s to [-4.5, 0], as in the VampPrior paper's code.

    Args:
        net: network (..., L) -> (..., 2D), mean logits first, then log-scales.
        bins: number of grey levels; x is read as the bin that contains it.
    """

    def __init__(self, net: nn.Module, *, bins: int = 256) -> None:
        super().__init__()
        self.net, self.bins = net, bins

    def forward(self, z: Tensor) -> Distribution:
        mean, log_scale = at_least_float32(self.net(z)).chunk(2, -1)
        half = 0.5 / self.bins
        mean = mean.sigmoid().clamp(half, 1 - half)
        pixels = distributions.DiscretizedLogistic(mean, log_scale.clamp(-4.5, 0.0), self.bins)
        return Independent(pixels, 1, validate_args=False)


class Categorical(Module):
    """p(x|z) = prod_d Categorical(x_d; softmax_c(net(z)_(c D + d))), x_d in 0..C-1.

    Args:
        net: network (..., L) -> logits (..., C*D): those of category 0 for all dimensions, then those of category 1,
            as convolutional decoders with ``outputs_per_pixel=C`` give them.
        categories: C, at least 2.

    Raises:
        ValueError: fewer than two categories.
    """

    def __init__(self, net: nn.Module, categories: int) -> None:
        super().__init__()
        if categories < 2:
            raise ValueError(f"categories={categories} leaves nothing to choose from; use at least 2")
        self.net, self.categories = net, categories

    def check(self, largest: float, name: str) -> None:
        """Refuses data that the categories do not hold.

        Args:
            largest: the largest value of the data.
            name: what the message calls the data.

        Raises:
            ValueError: there is no category for the largest value.
        """
        if largest >= self.categories:
            raise ValueError(
                f"categories={self.categories} has no place for {largest:.0f}, the largest value of {name}; "
                f"train with categories={largest + 1:.0f}"
            )

    def forward(self, z: Tensor) -> Distribution:
        return categorical(at_least_float32(self.net(z)).unflatten(-1, (self.categories, -1)).mT)


class Multinomial(Module):
    """p(x|z) prop. to prod_w softmax(net(z))_w^(x_w), x_w how often word w occurs in a document.

    The multinomial coefficient, which no model changes, is left out: log p(x|z) = sum_w x_w log softmax(net(z))_w is
    that of the words in their order.

    Args:
        net: network (..., L) -> logits (..., W).

    Example:
        >>> Multinomial(nn.Linear(2, 4))(torch.zeros(3, 5, 2)).log_prob(torch.ones(5, 4)).shape
        torch.Size([3, 5])
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, z: Tensor) -> Distribution:
        return distributions.Words(at_least_float32(self.net(z)))
