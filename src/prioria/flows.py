"""Invertible transforms: the couplings of RealNVP, and the generation space of a prior.

A flow is torch's ``TransformedDistribution``, or one of zuko, which is known by its ``transform`` and its ``base``.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, arange
from torch.distributions import (
    AffineTransform,
    ComposeTransform,
    Distribution,
    Independent,
    Normal,
    Transform,
    TransformedDistribution,
    constraints,
)

from prioria.distributions import Rescaled, at_least_float32
from prioria.module import Module
from prioria.nets import MLP
from prioria.nets.skip import zero_last


class AffineCoupling(Transform):
    """z = z0 exp(s(b z0)) + t(b z0), with s = t = 0 where the mask b keeps z0, so that log|det dz/dz0| = sum_l s_l.

    The networks are run once for a value, its inverse and the determinant between them.

    Args:
        scale_and_shift: function z (..., L) -> s and t (..., L), which reads the kept entries of z only.
    """

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, scale_and_shift: Callable[[Tensor], tuple[Tensor, Tensor]]) -> None:
        super().__init__(cache_size=1)
        self.scale_and_shift = scale_and_shift
        self._scale: Tensor | None = None  # s of the values in torch's cache

    def _call(self, x: Tensor) -> Tensor:
        self._scale, t = self.scale_and_shift(x)
        return x * self._scale.exp() + t

    def _inverse(self, y: Tensor) -> Tensor:
        self._scale, t = self.scale_and_shift(y)  # the kept entries are the same on both sides
        return (y - t) * (-self._scale).exp()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        before, after = self._cached_x_y
        s = self._scale if x is before and y is after else None
        return (self.scale_and_shift(y)[0] if s is None else s).sum(-1)


class Coupling(Module):
    """One coupling block, its s and t networks L-hidden-hidden-L, leaky ReLU (0.01) inside and tanh on both outputs.

    These are the networks of the dpVAE code (Bhalodia, Lee and Elhabian, 2020), where the mask keeps the first half of
    z in one block and the second half in the next.

    Args:
        latents: L. With one latent there is nothing to condition on, and s and t are constants.
        hidden: width of the two hidden layers.
        keep_first: keep the first half of z, else the second.
        identity: begin as the identity, the last layers of s and t at zero.
    """

    def __init__(self, latents: int, *, hidden: int = 64, keep_first: bool = True, identity: bool = False) -> None:
        super().__init__()
        first = arange(latents) < latents // 2
        self.register_buffer("moved", (~first if keep_first else first).float(), persistent=False)
        self.scale = MLP(latents, hidden, hidden, latents, activation="leaky_relu")
        self.shift = MLP(latents, hidden, hidden, latents, activation="leaky_relu")
        if identity:
            zero_last(self.scale)
            zero_last(self.shift)

    def forward(self, context: Tensor | None = None) -> Transform:
        return AffineCoupling(self.scale_and_shift)

    def scale_and_shift(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Returns s and t (..., L), zero where z is kept."""
        moved = self.get_buffer("moved")
        kept = (1 - moved) * z
        return moved * _bounded(self.scale(kept)), moved * _bounded(self.shift(kept))


def _bounded(output: Tensor) -> Tensor:
    return at_least_float32(output).tanh()


def to_generation(prior: Distribution, z: Tensor) -> Tensor:
    """Returns z0 = g(z) (..., L), where g is the map for which z0 ~ N(0, I) when z follows the prior.

    For a flow g is the flow's transform, for a diagonal Gaussian (z - m)/s, which is the identity for N(0, I).

    Raises:
        ValueError: the prior has no such map.

    Example:
        >>> import torch
        >>> from prioria.distributions import normal
        >>> prior = normal(torch.tensor([1.0, 1.0]), torch.tensor([2.0, 0.5]))
        >>> to_generation(prior, torch.tensor([3.0, 1.0]))
        tensor([1., 0.])
    """
    if isinstance(prior, Rescaled):
        return to_generation(prior.base, prior.to_base(z))
    return _generation(prior)(z)  # pyright: ignore[reportReturnType]


def from_generation(prior: Distribution, z0: Tensor) -> Tensor:
    """Returns z = g^-1(z0) (..., L), the inverse of :func:`to_generation`."""
    if isinstance(prior, Rescaled):
        return prior.from_base(from_generation(prior.base, z0))
    return _generation(prior).inv(z0)  # pyright: ignore[reportReturnType]


def base_log_prob(prior: Distribution, z: Tensor) -> Tensor:
    """Returns log N(g(z); 0, I), the density of a flow's base without the log-determinant; else log p(z) itself."""
    if isinstance(prior, Rescaled):
        return base_log_prob(prior.base, prior.to_base(z))
    if (parts := _parts(prior)) is None:
        return prior.log_prob(z)
    to_base, base = parts
    return base.log_prob(to_base(z))  # pyright: ignore[reportArgumentType]


def is_flow(prior: Distribution) -> bool:
    """Says whether a prior is transforms of a distribution."""
    return _parts(prior) is not None


def has_generation(prior: Distribution) -> bool:
    """Says whether there is a map to the generation space: for flows and diagonal Gaussians, moved or not."""
    if isinstance(prior, Rescaled):
        return has_generation(prior.base)
    return is_flow(prior) or (isinstance(prior, Independent) and isinstance(prior.base_dist, Normal))


def _parts(prior: Distribution) -> tuple[Transform, Distribution] | None:
    """Returns the transform that takes z to the base of a flow, and the base."""
    if isinstance(prior, TransformedDistribution):
        return ComposeTransform(prior.transforms).inv, prior.base_dist
    match getattr(prior, "transform", None), getattr(prior, "base", None):
        case Transform() as to_base, Distribution() as base:
            return to_base, base
    return None


def _generation(prior: Distribution) -> Transform:
    if (parts := _parts(prior)) is not None:
        return parts[0]
    if isinstance(prior, Independent) and isinstance(prior.base_dist, Normal):
        flat = -len(prior.event_shape)  # feature maps too are a vector z
        return AffineTransform(prior.base_dist.loc.flatten(flat), prior.base_dist.scale.flatten(flat), event_dim=1).inv
    raise ValueError(
        f"prior {type(prior).__name__} has no generation space; use priors.RealNVP, another flow or StandardNormal"
    )
