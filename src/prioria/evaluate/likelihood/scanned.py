"""What a scan of equally spaced points says of the mass in parts of it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


class Scan:
    """Integrals of B densities over boxes, as sums over the cells around the points of a grid.

    Args:
        origin: the first point (L,).
        step: from one to the next along each axis (L,).
        log_density: of each point (S^L, B), the last axis fastest.

    Example:
        >>> points = torch.linspace(-1, 1, 5).double()
        >>> scan = Scan(points[:1], points[1:2] - points[:1], torch.zeros(5, 1).double())
        >>> scan.mass(torch.tensor([0]), torch.tensor([[-0.3]]).double(), torch.tensor([[0.7]]).double())
        tensor([1.], dtype=torch.float64)
    """

    def __init__(
        self, origin: Float[Tensor, " L"], step: Float[Tensor, " L"], log_density: Float[Tensor, "P B"]
    ) -> None:
        latents = len(origin)
        self.side = round(len(log_density) ** (1 / latents))
        self.low, self.step = origin - step / 2, step
        top = log_density.amax(0)
        self.log_unit = torch.where(top.isfinite(), top, 0.0)
        heights = (log_density - self.log_unit).exp().mT.unflatten(1, [self.side] * latents)
        for axis in range(1, latents + 1):
            heights = heights.cumsum(axis)
        self.sums = functional.pad(heights, [1, 0] * latents).flatten(1) * step.prod()  # none below the first

    @property
    def high(self) -> Float[Tensor, " L"]:
        """The end of the last cell along each axis."""
        return self.low + self.side * self.step

    def mass(self, owner: Tensor, low: Float[Tensor, "C L"], high: Float[Tensor, "C L"]) -> Float[Tensor, " C"]:
        """Returns the integral of f of each owner over the part of a box that is scanned, in units of exp log_unit."""
        edges = torch.stack([low, high])
        latents = low.shape[-1]
        total = low.new_zeros(len(low))
        for corner in torch.cartesian_prod(*[torch.arange(2)] * latents).reshape(-1, latents):
            place = torch.where(corner.to(low.device) == 1, edges[1], edges[0])
            sign = (-1) ** int(latents - corner.sum())
            total = total + sign * self._below(owner, place)
        return total.clamp(min=0)

    def _below(self, owner: Tensor, place: Float[Tensor, "C L"]) -> Float[Tensor, " C"]:
        """Returns the integral over all that is lower along every axis, cells counted by the part that is below."""
        latents = place.shape[-1]
        cells = ((place - self.low) / self.step).clamp(0, self.side)
        first = cells.floor().clamp(max=self.side - 1)
        part, total = cells - first, place.new_zeros(len(place))
        for corner in torch.cartesian_prod(*[torch.arange(2)] * latents).reshape(-1, latents).to(place.device):
            weight = torch.where(corner == 1, part, 1 - part).prod(-1)
            numbers = (first.long() + corner).unbind(-1)
            index = numbers[0] if latents == 1 else numbers[0] * (self.side + 1) + numbers[1]
            total = total + weight * self.sums[owner, index]
        return total
