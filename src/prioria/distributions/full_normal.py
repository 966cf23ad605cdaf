"""Gaussians with a full covariance, by its Cholesky factor."""

from __future__ import annotations

import math

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal


class FullNormal(MultivariateNormal):
    r"""N(m, T T^T), T lower triangular: z = m + T e with e ~ N(0, I).

    It is torch's distribution, whose entropy and KL are closed, with a density that solves for e once, and with the
    log-density of a draw from the e that made it.

    Args:
        loc: m (..., L).
        scale_tril: T (..., L, L), its diagonal positive.

    Example:
        >>> d = FullNormal(torch.zeros(2), scale_tril=torch.tensor([[1.0, 0.0], [1.0, 2.0]]), validate_args=False)
        >>> d.log_prob(torch.zeros(2)), d.variance
        (tensor(-2.5310), tensor([1., 5.]))
    """

    @property
    def _factor(self) -> Tensor:
        return self._unbroadcasted_scale_tril

    def _log_density(self, noise: Tensor) -> Tensor:
        log_scale = self._factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return -0.5 * (noise.square().sum(-1) + noise.shape[-1] * math.log(2 * math.pi)) - log_scale

    def log_prob(self, value: Tensor) -> Tensor:
        away = (value - self.loc).unsqueeze(-1)
        return self._log_density(torch.linalg.solve_triangular(self._factor, away, upper=False).squeeze(-1))

    def rsample_and_log_prob(self, sample_shape: Size = Size()) -> tuple[Tensor, Tensor]:
        """Draws once and returns the draw with its log-density in nats."""
        noise = torch.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + (self._factor @ noise.unsqueeze(-1)).squeeze(-1), self._log_density(noise)


def as_full(d: Distribution) -> MultivariateNormal | None:
    """Returns a Gaussian over one axis as one with a full covariance; None for everything else."""
    if isinstance(d, MultivariateNormal):
        return d
    if isinstance(d, Independent) and isinstance(d.base_dist, Normal) and len(d.event_shape) == 1:
        scale = torch.diag_embed(d.base_dist.scale)
        return FullNormal(d.base_dist.loc, scale_tril=scale, validate_args=False)
    return None
