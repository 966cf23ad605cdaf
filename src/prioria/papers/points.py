"""Samples of two moons, by their distance from the half circles that the data were made of."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from prioria.data.known.two_moons import NOISE, two_moons


class Coordinates:
    """Points of the plane as their own features."""

    name = "coordinates"

    def __call__(self, rows: Tensor, /) -> Tensor:
        return rows


def drawn_anew(count: int) -> tuple[Tensor, Tensor]:
    """Returns two sets of points (count, 2) that no model was trained on."""
    points, _ = two_moons(2 * count, NOISE, np.random.default_rng(1))
    first, second = torch.from_numpy(points).float().chunk(2)
    return first, second


def off_the_moons(points: Tensor) -> float:
    """Returns the root mean squared distance of points from the two noiseless half circles.

    Example:
        >>> off_the_moons(torch.tensor([[0.0, 2.0], [1.0, -0.5]]))
        0.70710...
    """
    upper, lower = _from_half_circle(points), _from_half_circle(torch.tensor([1.0, 0.5]) - points)
    return torch.minimum(upper, lower).square().mean().sqrt().item()


def _from_half_circle(points: Tensor) -> Tensor:
    """Returns distances (n,) from {(cos t, sin t), 0 <= t <= pi}."""
    ends = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    to_end = (points[:, None] - ends).norm(dim=-1).min(1).values
    return torch.where(points[:, 1] >= 0, (points.norm(dim=1) - 1).abs(), to_end)
