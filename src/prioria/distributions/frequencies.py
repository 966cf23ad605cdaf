"""Gaussians that are independent between frequencies: neighboring pixels or time steps are correlated."""

from __future__ import annotations

import math

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, Normal, constraints


class Cosines:
    r"""The orthonormal cosine transform (DCT-II) of rows of channels, along time or along height and width.

    y_k = sqrt((2 - [k=0]) / n) \sum_t x_t cos(pi k (t + 1/2) / n) along each axis (Ahmed, Natarajan and Rao, 1974).
    It is a rotation: lengths and densities stay as they are.

    Args:
        shape: (C, T) or (C, H, W) of a row.

    Example:
        >>> cosines, x = Cosines((1, 4)), torch.tensor([[1.0, 2.0, 3.0, 4.0]])
        >>> torch.allclose(cosines.inverse(cosines.forward(x)), x)
        True
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Returns frequencies (..., D) of rows (..., D)."""
        return self._turned(x, inverse=False)

    def inverse(self, y: Tensor) -> Tensor:
        """Returns rows (..., D) of frequencies (..., D)."""
        return self._turned(y, inverse=True)

    def _turned(self, x: Tensor, *, inverse: bool) -> Tensor:
        x = x.unflatten(-1, self.shape)
        for axis in range(1 - len(self.shape), 0):
            matrix = cosine_matrix(x.shape[axis]).to(x)
            x = (x.movedim(axis, -1) @ (matrix if inverse else matrix.mT)).movedim(-1, axis)
        return x.flatten(-len(self.shape))


def cosine_matrix(size: int) -> Tensor:
    """Returns the orthonormal matrix (frequencies, places) of the transform along one axis, in float64."""
    at = torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi / size * at[:, None] * (at + 0.5)) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix


class Frequencies(Distribution):
    r"""x = m + C^T R^T y, y ~ N(loc, diag scale^2): C the cosine transform, R a rotation of channels.

    log p(x) = \sum_k log N(y_k; loc_k, scale_k^2), y = R C (x - m), since C and R are rotations.

    Args:
        loc: mean of each frequency (..., D).
        scale: standard deviation of each frequency (..., D).
        cosines: the transform.
        rotation: R (channels, channels), orthonormal.
        center: m (D,).

    Example:
        >>> d = Frequencies(torch.zeros(4), torch.ones(4), Cosines((1, 4)), torch.eye(1), torch.zeros(4))
        >>> d.log_prob(torch.zeros(4))
        tensor(-3.6758)
    """

    arg_constraints: dict = {}
    support = constraints.real_vector  # pyright: ignore[reportAssignmentType]
    has_rsample = True

    def __init__(self, loc: Tensor, scale: Tensor, cosines: Cosines, rotation: Tensor, center: Tensor) -> None:
        self.base = Normal(loc, scale, validate_args=False)
        self.cosines, self.rotation, self.center = cosines, rotation, center
        super().__init__(self.base.batch_shape[:-1], self.base.batch_shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.center + self._back(self.base.loc)

    @property
    def variance(self) -> Tensor:
        """Of every pixel or step: the squares of the transform's entries, times the variances of the frequencies."""
        shape, variance = self.cosines.shape, self.base.variance
        variance = variance.unflatten(-1, shape)
        for axis in range(1 - len(shape), 0):
            squares = cosine_matrix(variance.shape[axis]).square().to(variance)
            variance = (variance.movedim(axis, -1) @ squares).movedim(-1, axis)
        axis = -len(shape)
        return (variance.movedim(axis, -1) @ self.rotation.square()).movedim(-1, axis).flatten(axis)

    def rsample(self, sample_shape: Size = Size()) -> Tensor:
        return self.center + self._back(self.base.rsample(Size(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        return self.base.log_prob(self._rotated(self.cosines.forward(value - self.center), self.rotation.mT)).sum(-1)

    def entropy(self) -> Tensor:
        """In nats; a rotation keeps it."""
        return self.base.entropy().sum(-1)

    def _back(self, y: Tensor) -> Tensor:
        return self.cosines.inverse(self._rotated(y, self.rotation))

    def _rotated(self, y: Tensor, matrix: Tensor) -> Tensor:
        axis = -len(self.cosines.shape)
        return (y.unflatten(-1, self.cosines.shape).movedim(axis, -1) @ matrix).movedim(-1, axis).flatten(axis)
