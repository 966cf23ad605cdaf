"""Grey values."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from prioria import distributions
from prioria.distributions import at_least_float32
from prioria.module import Module


class DiscretizedLogistic(Module):
    """p(x|z): grey values as bins of a logistic distribution with learned mean and scale for each pixel.

    The mean is sigmoid(.) clamped to [1/512, 1 - 1/512] and log s to [-4.5, 0], as in the VampPrior paper's code.

    Args:
        net: network (..., L) -> (..., 2D), mean logits first, then log-scales.
        bins: number of grey levels; x is read as the bin that contains it.
    """

    legal_as = "DiscretizedLogistic"  # see data.check_likelihood

    def __init__(self, net: nn.Module, *, bins: int = 256) -> None:
        super().__init__()
        self.net, self.bins = net, bins

    @staticmethod
    def outputs_per_value(**_: Any) -> int:
        """Returns how many outputs of the network there are for each value of x: a mean and a scale."""
        return 2

    def forward(self, z: Tensor) -> Distribution:
        mean, log_scale = at_least_float32(self.net(z)).chunk(2, -1)
        half = 0.5 / self.bins
        mean = mean.sigmoid().clamp(half, 1 - half)
        pixels = distributions.DiscretizedLogistic(mean, log_scale.clamp(-4.5, 0.0), self.bins)
        return Independent(pixels, 1, validate_args=False)
