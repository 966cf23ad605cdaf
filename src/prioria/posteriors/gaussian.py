"""Gaussians given a context, with a diagonal and with a full covariance: posteriors, or priors below another group."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import FullNormal, at_least_float32, normal
from prioria.module import Module
from prioria.nets.gated import linear

LOW, HIGH = -30.0, 12.0  # log-variances of trained posteriors lie far inside: s from 3e-7 to 400


class Gaussian(Module):
    r"""Diagonal Gaussian N(m(c), diag s^2(c)), its mean and log-variance linear in a context c or in a network of it.

    Far from all data a linear log-variance overflows. Without bounds of one's own, log s^2 is left alone from -30 to 12
    and beyond bends towards -50 and 20, ever more slowly, so that every row has a finite density.

    Args:
        context: width of the context that the heads read (the output width of ``net``, if there is one).
        latents: dimensions of z.
        net: network applied to the context first, for instance from the group above.
        log_variance_bounds: clamp of log s^2, (-6, 2) in the VampPrior paper's code (Tomczak and Welling, 2018).

    Raises:
        ValueError: the bounds are not increasing.

    Example:
        >>> import torch
        >>> Gaussian(8, 2)(torch.zeros(5, 8)).batch_shape
        torch.Size([5])
    """

    def __init__(
        self,
        context: int,
        latents: int,
        *,
        net: nn.Module | None = None,
        log_variance_bounds: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        _check_bounds(log_variance_bounds)
        self.net = net if net is not None else nn.Identity()
        self.heads = linear(context, 2 * latents)  # mean and log-variance in one product
        self.bounds = log_variance_bounds

    @property
    def can_narrow(self) -> bool:
        """Whether, as a prior, it can become arbitrarily narrow."""
        return self.bounds is None

    def forward(self, context: Tensor | None = None) -> Distribution:
        mean, log_variance = at_least_float32(self.heads(self.net(context))).chunk(2, -1)
        log_variance = _bounded(log_variance, self.bounds)
        return normal(mean, (0.5 * log_variance).exp())


class FullGaussian(Module):
    r"""Gaussian with a full covariance, z = m(c) + (I + R(c)) diag(s(c)) e, e ~ N(0, I), R strictly lower triangular.

    The mean, log s^2 and the L (L - 1) / 2 entries of R are linear in a context c or in a network of it. Entropy and
    the KL to another Gaussian are closed. As p(z|zeta) and q(zeta|z) of :class:`prioria.priors.Hierarchical` it follows
    latents that depend on each other, such as a ring of them, closer than independent ones do.

    Args:
        context: width of the context that the heads read (the output width of ``net``, if there is one).
        latents: dimensions of z.
        net: network applied to the context first.
        log_variance_bounds: clamp of log s^2.

    Raises:
        ValueError: the bounds are not increasing.

    Example:
        >>> FullGaussian(8, 3)(torch.zeros(5, 8)).scale_tril.shape
        torch.Size([5, 3, 3])
    """

    def __init__(
        self,
        context: int,
        latents: int,
        *,
        net: nn.Module | None = None,
        log_variance_bounds: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        _check_bounds(log_variance_bounds)
        self.net = net if net is not None else nn.Identity()
        self.heads = linear(context, 2 * latents + latents * (latents - 1) // 2)
        rows, columns = torch.tril_indices(latents, latents, -1)
        self.register_buffer("below", rows * latents + columns, persistent=False)
        self.latents, self.bounds = latents, log_variance_bounds

    def forward(self, context: Tensor | None = None) -> Distribution:
        size = self.latents
        heads = at_least_float32(self.heads(self.net(context)))
        mean, log_variance, below = heads.split([size, size, heads.shape[-1] - 2 * size], -1)
        log_variance = _bounded(log_variance, self.bounds)
        unit = torch.eye(size, device=heads.device).flatten().expand(*heads.shape[:-1], size * size)
        unit = unit.index_copy(-1, self.get_buffer("below"), below).unflatten(-1, (size, size))
        factor = unit * (0.5 * log_variance).exp().unsqueeze(-2)
        return FullNormal(mean, scale_tril=factor, validate_args=False)


def _bounded(log_variance: Tensor, bounds: tuple[float, float] | None) -> Tensor:
    if bounds is not None:
        return log_variance.clamp(*bounds)
    above, below = (log_variance - HIGH).clamp(min=0), (LOW - log_variance).clamp(min=0)
    bent = torch.where(log_variance > HIGH, HIGH + _bend(above, 8.0), LOW - _bend(below, 20.0))
    return torch.where((log_variance >= LOW) & (log_variance <= HIGH), log_variance, bent)


def _bend(excess: Tensor, width: float) -> Tensor:
    """Returns e / (1 + e/w): slope 1 at zero, w at infinity, and a gradient everywhere."""
    return width * (1 - width / (width + excess))


def _check_bounds(bounds: tuple[float, float] | None) -> None:
    if bounds is not None and bounds[0] >= bounds[1]:
        raise ValueError(f"log_variance_bounds={bounds} must increase; use for instance (-6.0, 2.0)")
