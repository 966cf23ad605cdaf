"""A distribution that was moved and stretched."""

from __future__ import annotations

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, constraints

from prioria.distributions.noise import drawn_from


class Rescaled(Distribution):
    r"""z = m + s u with u ~ base: log p(z) = log p_u((z - m) / s) - sum_j log s_j.

    Unlike torch's ``TransformedDistribution`` it takes a base whose log-density is a bound, or that cannot be
    differentiated through, and says so of itself.

    Args:
        base: of u, without batch axes.
        mean: m, of the base's event shape.
        scale: s, likewise, positive.

    Example:
        >>> from prioria.distributions import normal
        >>> d = Rescaled(normal(torch.zeros(1), torch.ones(1)), torch.tensor([3.0]), torch.tensor([2.0]))
        >>> d.log_prob(torch.tensor([3.0]))  # that of N(3, 4)
        tensor(-1.6121)
    """

    arg_constraints: dict = {}

    def __init__(self, base: Distribution, mean: Tensor, scale: Tensor) -> None:
        self.base, self.location, self.scale = base, mean, scale
        self.bound = getattr(base, "bound", False)
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        return constraints.independent(constraints.real, len(self.event_shape))

    @property
    def mean(self) -> Tensor:
        return self.location + self.scale * self.base.mean

    def to_base(self, z: Tensor) -> Tensor:
        """Returns u = (z - m) / s."""
        return (z - self.location) / self.scale

    def from_base(self, u: Tensor) -> Tensor:
        """Returns z = m + s u."""
        return self.location + self.scale * u

    def from_noise(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """Draws from noise; see :func:`prioria.distributions.drawn_from`."""
        return self.from_base(drawn_from(self.base, normal, uniform))

    def log_prob(self, value: Tensor) -> Tensor:
        return self.base.log_prob(self.to_base(value)) - self.scale.log().sum()

    def sample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        with torch.no_grad():
            return self.from_base(self.base.sample(Size(sample_shape)))
