"""Draws as a function of noise that comes from outside, which a program without torch can repeat."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.distributions import Distribution, Normal, TransformedDistribution

from prioria.distributions.families import is_diagonal


def drawn_from(p: Distribution, normal: Tensor, uniform: Tensor) -> Tensor:
    """Turns noise into a draw from a distribution.

    Args:
        p: a diagonal Gaussian, a flow from one, a mixture of them, or any distribution with its own ``from_noise``.
        normal: standard normal (..., *event).
        uniform: on [0, 1), (...).

    Raises:
        ValueError: it is none of them.

    Example:
        >>> import torch
        >>> from prioria.distributions import normal as gaussian
        >>> drawn_from(gaussian(torch.tensor([1.0]), torch.tensor([2.0])), torch.tensor([[0.5]]), torch.tensor([0.0]))
        tensor([[2.]])
    """
    own: Any = getattr(p, "from_noise", None)
    if own is not None:
        return own(normal, uniform)
    match p.base_dist if is_diagonal(p) else p:  # pyright: ignore[reportAttributeAccessIssue]
        case Normal(loc=loc, scale=scale):
            return loc + scale * normal
        case TransformedDistribution(base_dist=below, transforms=transforms):
            z: Any = drawn_from(below, normal, uniform)
            for transform in transforms:
                z = transform(z)
            return z
        case other:
            raise ValueError(f"noise cannot be turned into a {type(other).__name__}")
