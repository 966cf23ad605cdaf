"""Residual networks: dense, and convolutional down and up."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from prioria.module import Module
from prioria.nets.rows import Rows


class Residual(nn.Module):
    """x + f(x), f starting at zero, so that a deep network starts as its identity path."""

    def __init__(self, branch: nn.Sequential, last: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        nn.init.zeros_(last.weight)
        self.branch = nn.Sequential(*branch, last)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


def residual_conv(channels: int) -> Residual:
    """Pre-activation block of two 3x3 convolutions."""
    first = nn.Conv2d(channels, channels, 3, padding=1)
    return Residual(nn.Sequential(nn.ELU(), first, nn.ELU()), nn.Conv2d(channels, channels, 3, padding=1))


class ResidualMLP(Module):
    """Dense layer in, pre-activation residual blocks, dense layer out.

    Args:
        inputs: width of the input.
        outputs: width of the output.
        width: width of the blocks.
        blocks: number of blocks.
    """

    def __init__(self, inputs: int, outputs: int, *, width: int = 256, blocks: int = 2) -> None:
        super().__init__()
        stack = [
            Residual(nn.Sequential(nn.ELU(), nn.Linear(width, width), nn.ELU()), nn.Linear(width, width))
            for _ in range(blocks)
        ]
        self.net = nn.Sequential(nn.Linear(inputs, width), *stack, nn.ELU(), nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class ResidualEncoder(Module):
    """Residual convolutions that halve the image at each width, then a dense layer.

    Args:
        shape: image shape (C, H, W).
        features: width of the output (..., features).
        channels: channels at each resolution; the image is halved (rounding up) before each.
        blocks: residual blocks at each resolution.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        features: int,
        *,
        channels: Sequence[int] = (32, 64),
        blocks: int = 2,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Unflatten(1, shape)]
        for before, after in zip([shape[0], *channels[:-1]], channels, strict=True):
            layers += [nn.Conv2d(before, after, 3, 2, 1), *(residual_conv(after) for _ in range(blocks))]
        sides = _sides(shape, len(channels))[-1]
        self.net = Rows(
            nn.Sequential(
                *layers,
                nn.ELU(),
                nn.Flatten(),
                nn.Linear(channels[-1] * math.prod(sides), features),
                nn.ELU(),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class ResidualDecoder(Module):
    """Mirror of :class:`ResidualEncoder`, by nearest-neighbor enlargement to each of its image sizes.

    Args:
        inputs: width of the input (..., inputs).
        shape: image shape (C, H, W).
        channels: channels from the encoder's first resolution to its last.
        blocks: residual blocks at each resolution.
        outputs_per_pixel: quantities per pixel, 1 for logits, 2 for a mean and a log-scale, as many as categories
            for their logits.
    """

    def __init__(
        self,
        inputs: int,
        shape: tuple[int, int, int],
        *,
        channels: Sequence[int] = (32, 64),
        blocks: int = 2,
        outputs_per_pixel: int = 1,
    ) -> None:
        super().__init__()
        *larger, smallest = _sides(shape, len(channels))
        start = (channels[-1], *smallest)
        layers: list[nn.Module] = [nn.Linear(inputs, math.prod(start)), nn.Unflatten(1, start)]
        for index in reversed(range(len(channels))):
            width = channels[max(index - 1, 0)]
            layers += [
                *(residual_conv(channels[index]) for _ in range(blocks)),
                nn.Upsample(size=larger[index]),
            ]
            layers += [nn.ELU(), nn.Conv2d(channels[index], width, 3, padding=1)]
        layers += [nn.ELU(), nn.Conv2d(channels[0], outputs_per_pixel * shape[0], 3, padding=1), nn.Flatten()]
        self.net = Rows(nn.Sequential(*layers))

    def forward(self, h: Tensor) -> Tensor:
        return self.net(h)


def _sides(shape: tuple[int, int, int], halvings: int) -> list[tuple[int, int]]:
    sides = [shape[1:]]
    for _ in range(halvings):
        sides.append(((sides[-1][0] + 1) // 2, (sides[-1][1] + 1) // 2))
    return sides
