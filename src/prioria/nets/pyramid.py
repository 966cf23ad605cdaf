"""Residual feature maps over several scales: features for every group of a deep hierarchy, and back to pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from prioria.module import Module
from prioria.nets.rows import Rows

Normalization = Literal["none", "weight", "spectral"]
NORMALIZATIONS = ("none", "weight", "spectral")


def conv(inputs: int, outputs: int, *, stride: int = 1, normalization: Normalization = "none") -> nn.Module:
    """3x3 convolution, its weight as it is, with a learned norm for each output ("weight"), or of spectral norm one.

    Raises:
        ValueError: an unknown normalization.
    """
    layer = nn.Conv2d(inputs, outputs, 3, stride, 1)
    match normalization:
        case "none":
            return layer
        case "weight":
            return parametrizations.weight_norm(layer)
        case "spectral":
            return parametrizations.spectral_norm(layer)
        case _:
            raise ValueError(f"normalization={normalization!r} is unknown; use one of {', '.join(NORMALIZATIONS)}")


class ResidualCell(nn.Module):
    """x + s f(x): f two 3x3 convolutions, each after an activation; s learned for each channel, 0.1 at first."""

    def __init__(self, channels: int, normalization: Normalization = "none") -> None:
        super().__init__()
        convolutions = [conv(channels, channels, normalization=normalization) for _ in range(2)]
        self.branch = nn.Sequential(nn.SiLU(), convolutions[0], nn.SiLU(), convolutions[1])
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.branch(x)


def cells(count: int, channels: int, normalization: Normalization = "none") -> list[nn.Module]:
    """Returns so many residual cells."""
    return [ResidualCell(channels, normalization) for _ in range(count)]


def size_at(shape: tuple[int, int, int], scale: int) -> tuple[int, int]:
    """Returns height and width of an image (C, H, W) that was halved so often, rounding up.

    Example:
        >>> [size_at((1, 28, 28), scale) for scale in (0, 1, 2, 3)]
        [(28, 28), (14, 14), (7, 7), (4, 4)]
    """
    return -(-shape[1] // 2**scale), -(-shape[2] // 2**scale)


class Resize(nn.Module):
    """Nearest-neighbor enlargement to a size."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, size=self.size)


class Pyramid(Module):
    """Features for every group of a :func:`prioria.stages.ConvLadder`, from the pixels up to the smallest maps.

    Args:
        shape: image shape (C, H, W).
        scales: group -> how often its maps are halved, top group (the smallest maps) first.
        channels: channels of the feature maps.
        cells_per_group: residual cells in front of each group.
        normalization: of the convolutions in the cells: "none", "weight" or "spectral".

    Returns:
        A dict group -> (B, channels, height, width).

    Raises:
        ValueError: no group, scales that grow from the top down, or an unknown normalization.

    Example:
        >>> features = Pyramid((1, 28, 28), {"z2": 2, "z1": 1}, channels=8)(torch.zeros(5, 784))
        >>> {name: tuple(maps.shape) for name, maps in features.items()}
        {'z1': (5, 8, 14, 14), 'z2': (5, 8, 7, 7)}
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        scales: Mapping[str, int],
        *,
        channels: int = 32,
        cells_per_group: int = 1,
        normalization: Normalization = "none",
    ) -> None:
        super().__init__()
        check_scales(scales)
        self.stem = nn.Sequential(nn.Unflatten(1, shape), nn.Conv2d(shape[0], channels, 3, padding=1))
        steps, scale = {}, 0
        for name, wanted in reversed(list(scales.items())):
            down = [conv(channels, channels, stride=2, normalization=normalization) for _ in range(wanted - scale)]
            steps[name] = nn.Sequential(*down, *cells(cells_per_group, channels, normalization))
            scale = wanted
        self.steps = nn.ModuleDict(steps)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features, h = {}, self.stem(x)
        for name, step in self.steps.items():
            h = features[name] = step(h)
        return features


class PyramidHead(Module):
    """From the feature maps that leave a :func:`prioria.stages.ConvLadder` to flat rows of quantities for each pixel.

    Args:
        shape: image shape (C, H, W).
        channels: channels of the feature maps (..., channels, height, width).
        cells_per_group: residual cells at the full size.
        outputs_per_pixel: quantities per pixel, 1 for logits, 2 for a mean and a log-scale, as many as categories
            for their logits.
        normalization: of the convolutions in the cells.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        channels: int = 32,
        cells_per_group: int = 1,
        outputs_per_pixel: int = 1,
        normalization: Normalization = "none",
    ) -> None:
        super().__init__()
        last = [nn.SiLU(), nn.Conv2d(channels, outputs_per_pixel * shape[0], 3, padding=1), nn.Flatten()]
        full = [Resize(shape[1:]), *cells(cells_per_group, channels, normalization)]
        self.net = Rows(nn.Sequential(*full, *last), event_dims=3)

    def forward(self, maps: Tensor) -> Tensor:
        return self.net(maps)


def check_scales(scales: Mapping[str, int]) -> None:
    """Raises ValueError where there is no group, or a group's maps are smaller than those above it."""
    values = list(scales.values())
    if not values or values != sorted(values, reverse=True) or min(values) < 0:
        raise ValueError(
            f"scales={dict(scales)} must name at least one group and how often its maps are halved, not growing from "
            "the top group down, such as {'z2': 2, 'z1': 1}"
        )
