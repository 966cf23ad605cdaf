"""Real numbers."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import at_least_float32, normal
from prioria.likelihoods.floor import at_least
from prioria.module import Module
from prioria.nets.centering import center_output

MINIMUM_SCALE = 1e-3


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

    legal_as = "Gaussian"  # see data.check_likelihood

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

    @staticmethod
    def outputs_per_value(variance: str = "fixed", **_: Any) -> int:
        """Returns how many outputs of the network there are for each value of x, under these options."""
        return 2 if variance == "pixel" else 1

    def forward(self, z: Tensor) -> Distribution:
        output = at_least_float32(self.net(z))
        if self.variance == "fixed":
            return normal(output, self.log_scale.exp())
        if self.variance == "global":
            return normal(output, at_least(self.log_scale.exp(), self.minimum_scale))
        mean, log_variance = output.chunk(2, -1)
        return normal(mean, at_least((0.5 * log_variance).exp(), self.minimum_scale))

    @torch.no_grad()
    def start_at_output(self, z: Tensor, rows: Tensor) -> bool:
        """Moves the output, and a variance that is learned, to mean and variance of the columns of rows (N, D)."""
        mean = rows.flatten(1).mean(0)
        variance = rows.flatten(1).var(0, correction=0).clamp(min=self.minimum_scale**2)
        if self.variance == "pixel":
            return center_output(self.net, z, torch.cat([mean, variance.log()]))
        if self.variance == "global":
            self.log_scale.copy_(0.5 * variance.mean().log())
        return center_output(self.net, z, mean)
