"""The plane that encodings are shown in: two latents themselves, or their first two principal components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Plane:
    """An affine map between latents z (n, L) and points (n, 2).

    Attributes:
        origin: (L,), the point (0, 0).
        axes: orthonormal (2, L).
        names: of the axes.
    """

    origin: Tensor
    axes: Tensor
    names: tuple[str, str]

    @classmethod
    def of(cls, z: Tensor, group: str) -> Plane:
        """Returns the plane of encodings z (n, L)."""
        latents = z.shape[1]
        if latents <= 2:
            names = (f"{group}[0]", f"{group}[1]" if latents == 2 else "")
            return cls(torch.zeros(latents), torch.eye(2, latents), names)
        origin = z.mean(0)
        _, _, directions = torch.linalg.svd(z - origin, full_matrices=False)
        return cls(origin, directions[:2], ("first component", "second component"))

    def to_plane(self, z: Tensor) -> Tensor:
        """Returns points (n, 2)."""
        return (z - self.origin) @ self.axes.mT

    def to_latents(self, points: Tensor) -> Tensor:
        """Returns the latents of points of the plane (n, L)."""
        return self.origin + points @ self.axes

    def grid(self, z: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the ticks of both axes (side,), and the latents of a grid that holds z, row by row (side^2, L)."""
        points = self.to_plane(z)
        low, high = points.amin(0), points.amax(0)
        margin = 0.15 * (high - low).clamp(min=1e-3)
        x, y = (torch.linspace(float(a), float(b), side) for a, b in zip(low - margin, high + margin, strict=True))
        return x, y, self.to_latents(torch.cartesian_prod(y, x).flip(-1))

    def facts(self) -> dict[str, Any]:
        """What the page needs to go from a point under the pointer to latents."""
        return {"origin": self.origin.tolist(), "axes": self.axes.tolist(), "names": list(self.names)}
