"""Gaussians whose parameters the encoder gives itself."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from prioria.distributions import FullNormal, at_least_float32, normal
from prioria.module import Module


class Given(Module):
    r"""q(z|x) = N(m, S) with m and S read off the features, for encoders that know the posterior in closed form.

    Args:
        latents: L.
        full: features are m and a lower triangle T with S = T T', (..., L + L*L), the logs of T's diagonal in place of
            it; else m and log s^2, (..., 2L), with S diagonal.

    Raises:
        ValueError: ``latents`` is not positive.

    Example:
        >>> Given(2)(torch.zeros(5, 4)).mean.shape
        torch.Size([5, 2])
    """

    def __init__(self, latents: int, *, full: bool = False) -> None:
        super().__init__()
        if latents < 1:
            raise ValueError(f"latents={latents} must be positive")
        self.latents, self.full = latents, full

    def forward(self, context: Tensor) -> Distribution:
        mean, spread = at_least_float32(context).tensor_split((self.latents,), -1)
        if not self.full:
            return normal(mean, (0.5 * spread).exp())
        triangle = spread.unflatten(-1, (self.latents, self.latents))
        triangle = triangle.tril(-1) + torch.diag_embed(triangle.diagonal(dim1=-2, dim2=-1).exp())
        return FullNormal(mean, scale_tril=triangle, validate_args=False)
