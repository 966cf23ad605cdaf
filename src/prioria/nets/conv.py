"""Convolutional encoders (rows of pixels in, features out) and decoders (features in, rows of pixels out)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from prioria.module import Module
from prioria.nets.gated import GatedLinear
from prioria.nets.rows import Rows

Layer = tuple[int, int, int, int]  # channels, kernel, stride, padding
TOP: tuple[Layer, ...] = ((32, 7, 1, 3), (32, 3, 2, 1), (64, 5, 1, 2), (64, 3, 2, 1), (6, 3, 1, 1))
BOTTOM: tuple[Layer, ...] = ((32, 3, 1, 1), (32, 3, 2, 1), (64, 3, 1, 1), (64, 3, 2, 1), (6, 3, 1, 1))


class GatedConv(Module):
    """Gated convolution h = (A * x + a) sigmoid(B * x + b), over images (N, C, H, W)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 2 * outputs, kernel, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        return F.glu(self.conv(x), 1)


def reduced(size: int, layers: Sequence[Layer]) -> int:
    """Returns the side of an image after convolutions; raises ValueError where nothing is left of it."""
    for _, kernel, stride, padding in layers:
        size = (size + 2 * padding - kernel) // stride + 1
    if size < 1:
        raise ValueError(f"layers={tuple(layers)} leave nothing of the image; use fewer strides or a larger shape")
    return size


class GatedConvEncoder(Module):
    """Gated convolutions of the VampPrior paper's convHVAE (Tomczak and Welling, 2018, supplement), flattened.

    Args:
        shape: image shape (C, H, W); the input is (..., C*H*W).
        layers: (channels, kernel, stride, padding) of each layer; ``conv.TOP`` is the paper's q(z2 given x), 294
            features for 28x28, and ``conv.BOTTOM`` the part of q(z1 given x, z2) that reads x.

    Example:
        >>> import torch
        >>> encoder = GatedConvEncoder((1, 28, 28))
        >>> encoder(torch.zeros(2, 784)).shape[-1] == encoder.features == 294
        True
    """

    def __init__(self, shape: tuple[int, int, int], *, layers: Sequence[Layer] = TOP) -> None:
        super().__init__()
        channels = [shape[0], *(layer[0] for layer in layers)]
        convs = [GatedConv(i, *layer) for i, layer in zip(channels[:-1], layers, strict=True)]
        self.net = Rows(nn.Sequential(nn.Unflatten(1, shape), *convs, nn.Flatten()))
        self.features = channels[-1] * reduced(shape[1], layers) * reduced(shape[2], layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class GatedConvDecoder(Module):
    """Gated dense layer to an image, gated 3x3 convolutions, and a 1x1 convolution (convHVAE decoder, same source).

    Args:
        inputs: width of the input (..., inputs).
        shape: image shape (C, H, W); the output is (..., outputs_per_pixel * C*H*W), all of one quantity together.
        channels: channels of the gated convolutions.
        depth: number of gated convolutions.
        outputs_per_pixel: quantities per pixel, 1 for logits, 2 for a mean and a log-scale, as many as categories
            for their logits.
    """

    def __init__(
        self,
        inputs: int,
        shape: tuple[int, int, int],
        *,
        channels: int = 64,
        depth: int = 4,
        outputs_per_pixel: int = 1,
    ) -> None:
        super().__init__()
        convs = [GatedConv(shape[0] if i == 0 else channels, channels, 3, 1, 1) for i in range(depth)]
        last = nn.Conv2d(channels, outputs_per_pixel * shape[0], 1)
        self.net = Rows(
            nn.Sequential(GatedLinear(inputs, math.prod(shape)), nn.Unflatten(1, shape), *convs, last, nn.Flatten())
        )

    def forward(self, h: Tensor) -> Tensor:
        return self.net(h)


class ConvEncoder(Module):
    """Strided convolutions (kernel 4, stride 2, padding 1) with ReLU, then a dense layer.

    Args:
        shape: (C, H, W) of images or (C, T) of series.
        features: width of the output (..., features).
        channels: channels of the layers, each of which halves the image or the series.
    """

    def __init__(self, shape: tuple[int, ...], features: int, *, channels: Sequence[int] = (32, 64)) -> None:
        super().__init__()
        convolution = nn.Conv1d if len(shape) == 2 else nn.Conv2d
        layers: list[nn.Module] = [nn.Unflatten(1, shape)]
        for inputs, outputs in zip([shape[0], *channels[:-1]], channels, strict=True):
            layers += [convolution(inputs, outputs, 4, 2, 1), nn.ReLU()]
        sides = [reduced(side, [(c, 4, 2, 1) for c in channels]) for side in shape[1:]]
        self.net = Rows(
            nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * math.prod(sides), features), nn.ReLU())
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class ConvDecoder(Module):
    """Mirror of :class:`ConvEncoder`: a dense layer and transposed convolutions (kernel 4, stride 2, padding 1).

    A side that is not divisible by 2 for each of the channels is decoded longer, and cut.

    Args:
        inputs: width of the input (..., inputs).
        shape: (C, H, W) of images or (C, T) of series.
        channels: channels from the encoder's first layer to its last.
        outputs_per_pixel: quantities per pixel, 1 for logits, 2 for a mean and a log-scale, as many as categories
            for their logits.
    """

    def __init__(
        self,
        inputs: int,
        shape: tuple[int, ...],
        *,
        channels: Sequence[int] = (32, 64),
        outputs_per_pixel: int = 1,
    ) -> None:
        super().__init__()
        convolution = nn.ConvTranspose1d if len(shape) == 2 else nn.ConvTranspose2d
        start = (channels[-1], *(math.ceil(side / 2 ** len(channels)) for side in shape[1:]))
        layers: list[nn.Module] = [nn.Linear(inputs, math.prod(start)), nn.ReLU(), nn.Unflatten(1, start)]
        for before, after in zip(channels[:0:-1], channels[-2::-1], strict=True):
            layers += [convolution(before, after, 4, 2, 1), nn.ReLU()]
        layers += [convolution(channels[0], outputs_per_pixel * shape[0], 4, 2, 1), Cut(tuple(shape[1:])), nn.Flatten()]
        self.net = Rows(nn.Sequential(*layers))

    def forward(self, h: Tensor) -> Tensor:
        return self.net(h)


class Cut(nn.Module):
    """Keeps the first places of each side, for images or series (N, C, ...) that are too large by some."""

    def __init__(self, sides: tuple[int, ...]) -> None:
        super().__init__()
        self.sides = sides

    def forward(self, x: Tensor) -> Tensor:
        return x[(..., *(slice(side) for side in self.sides))]
