"""The plane that rows are shown in: of latents, or where there are classes of what rows decode to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from prioria.ui.shown import Shown

NEAR = 0.04  # of the width of the plane: how far rows around a point are averaged


@dataclass(frozen=True)
class Plane:
    """An affine map between vectors v (n, L), latents or others, and points (n, 2).

    Attributes:
        origin: (L,), the point (0, 0).
        axes: orthonormal (2, L).
        names: of the axes.
    """

    origin: Tensor
    axes: Tensor
    names: tuple[str, str]

    @classmethod
    def of(cls, v: Tensor, group: str) -> Plane:
        """Returns the plane of vectors (n, L)."""
        latents = v.shape[1]
        if latents <= 2 or len(v) < 3:
            names = (f"{group}[0]", f"{group}[1]" if latents >= 2 else "")
            return cls(torch.zeros(latents), torch.eye(2, latents), names)
        origin = v.mean(0)
        _, _, directions = torch.linalg.svd(v - origin, full_matrices=False)
        return cls(origin, directions[:2], ("first component", "second component"))

    def to_plane(self, v: Tensor) -> Tensor:
        """Returns points (n, 2)."""
        return (v - self.origin) @ self.axes.mT

    def to_latents(self, points: Tensor) -> Tensor:
        """Returns the vectors of points of the plane (n, L)."""
        return self.origin + points @ self.axes

    def grid(self, v: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the ticks of both axes (side,), and the vectors of a grid that holds v, row by row (side^2, L)."""
        points = self.to_plane(v)
        low, high = points.amin(0), points.amax(0)
        margin = 0.15 * (high - low).clamp(min=1e-3)
        x, y = (torch.linspace(float(a), float(b), side) for a, b in zip(low - margin, high + margin, strict=True))
        return x, y, self.to_latents(torch.cartesian_prod(y, x).flip(-1))


class Chart(ABC):
    """Where rows stand, and what the points between them are."""

    names: tuple[str, str]

    @abstractmethod
    def place(self, z: Tensor, numbers: Tensor) -> Tensor:
        """Returns points (n, 2) of latents (n, L) under classes (n,)."""

    @abstractmethod
    def lift(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Returns latents (n, L) and classes (n,) of points (n, 2)."""


class OfLatents(Chart):
    """A plane through latents, of one class or of the likeliest at each point.

    Args:
        plane: of latents.
        shown: the classes.
        number: of the class that is held; None for none.
    """

    def __init__(self, plane: Plane, shown: Shown, number: int | None) -> None:
        self.plane, self.shown, self.number, self.names = plane, shown, number, plane.names

    def place(self, z: Tensor, numbers: Tensor) -> Tensor:
        return self.plane.to_plane(z)

    def lift(self, points: Tensor) -> tuple[Tensor, Tensor]:
        z = self.plane.to_latents(points)
        if self.number is None:
            return z, self.shown.likeliest(z)
        return z, torch.full((len(z),), self.number)


class OfRows(Chart):
    """Rows of all classes by what they decode to, as latents of two classes have nothing in common.

    A point stands for the class of the nearest row, and for the average latents of the rows of this class around it.

    Args:
        features: of what latents under classes decode to (n, F).
        z: latents of rows (N, L).
        numbers: their classes (N,).
    """

    def __init__(self, features: Callable[[Tensor, Tensor], Tensor], z: Tensor, numbers: Tensor) -> None:
        self.features, self.z, self.numbers = features, z, numbers
        found = features(z, numbers)
        self.plane = Plane.of(found, "decoded")
        self.points = self.plane.to_plane(found)
        first, second = self.plane.names
        self.names = (f"{first} of what is decoded", f"{second} of what is decoded")

    def place(self, z: Tensor, numbers: Tensor) -> Tensor:
        return self.plane.to_plane(self.features(z, numbers))

    def lift(self, points: Tensor) -> tuple[Tensor, Tensor]:
        away = torch.cdist(points, self.points)
        nearest, row = away.min(1)
        numbers = self.numbers[row]
        width = NEAR * (self.points.amax(0) - self.points.amin(0)).norm().clamp(min=1e-6)
        log_weights = -0.5 * ((away - nearest[:, None]) / width).square()
        log_weights[self.numbers != numbers[:, None]] = -torch.inf
        return log_weights.softmax(1) @ self.z, numbers
