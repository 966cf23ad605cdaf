"""The standard normal prior."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from prioria.distributions import normal
from prioria.priors.base import Prior


class StandardNormal(Prior):
    """p(z) = N(0, I).

    Args:
        latents: dimensions of z.

    Raises:
        ValueError: ``latents`` is not positive.

    Example:
        >>> StandardNormal(2)().log_prob(torch.zeros(2))
        tensor(-1.8379)
    """

    can_narrow = False

    def __init__(self, latents: int) -> None:
        super().__init__()
        if latents < 1:
            raise ValueError(f"latents={latents} must be positive")
        self.register_buffer("mean", torch.zeros(latents), persistent=False)

    def forward(self, context: Tensor | None = None) -> Distribution:
        mean = self.get_buffer("mean")
        return normal(mean, torch.ones_like(mean))
