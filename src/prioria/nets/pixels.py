"""Masked convolutions: what they give for a pixel reads the pixels before it only (PixelCNN)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prioria.module import Module


class MaskedConv2d(nn.Conv2d):
    """Convolution that reads the rows above and, in a row, the pixels to the left.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: odd width of the square.
        own: whether it reads the pixel itself too ("B"), as all layers but the first may ("A").
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, own: bool) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        mask = torch.zeros(kernel, kernel)
        mask[: kernel // 2] = 1
        mask[kernel // 2, : kernel // 2 + own] = 1
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight * self.get_buffer("mask"), self.bias)


class PixelCNN(Module):
    r"""Outputs for each pixel that depend on the pixels before it, row by row, and on maps of context alone.

    Masked convolutions (van den Oord, Kalchbrenner and Kavukcuoglu, 2016, "Pixel Recurrent Neural Networks", section
    3), the first without the pixel itself, the others in residual blocks; the context enters every layer through a
    convolution of one pixel. Departures: one stack of plain masked convolutions, whose outputs do not see some pixels
    above and to the right; no batch normalization, under which rows would depend on each other.

    Args:
        context: channels of the context.
        channels: of the hidden layers.
        layers: residual blocks.
        kernel: odd width of the convolutions; the first is wider by two.
        outputs: numbers for each pixel.

    Raises:
        ValueError: a size that is not positive, or an even kernel.

    Example:
        >>> PixelCNN(context=3, channels=8)(torch.zeros(2, 1, 5, 4), torch.zeros(2, 3, 5, 4)).shape
        torch.Size([2, 1, 5, 4])
    """

    def __init__(self, *, context: int, channels: int = 32, layers: int = 4, kernel: int = 3, outputs: int = 1) -> None:
        super().__init__()
        if min(context, channels, layers, outputs) < 1 or kernel < 1 or kernel % 2 == 0:
            raise ValueError(
                f"context={context}, channels={channels}, layers={layers} and outputs={outputs} must be positive, "
                f"kernel={kernel} positive and odd"
            )
        self.first = MaskedConv2d(1, channels, kernel + 2, own=False)
        self.blocks = nn.ModuleList(MaskedConv2d(channels, channels, kernel, own=True) for _ in range(layers))
        self.reads = nn.ModuleList(nn.Conv2d(context, channels, 1) for _ in range(layers + 1))
        self.last = nn.Conv2d(channels, outputs, 1)
        self.reach = kernel // 2 + 1 + layers * (kernel // 2)  # pixels upwards and to each side that an output reads

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Returns outputs (N, outputs, H, W) for pictures (N, 1, H, W) and context (N, context, H, W)."""
        read, *others = self.reads
        h = self.first(x) + read(context)
        for block, read in zip(self.blocks, others, strict=True):
            h = h + block(F.elu(h)) + read(context)
        return self.last(F.elu(h))
