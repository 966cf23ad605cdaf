"""Plain convolutions followed by dense layers, and their mirror: the networks of the dpVAE code."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prioria.module import Module
from prioria.nets.conv import Layer, reduced
from prioria.nets.mlp import ACTIVATIONS, MLP, Activation
from prioria.nets.rows import Rows


class ConvStack(Module):
    """Convolutions, each with an activation, flattened, then dense layers, each with one.

    Weights are drawn so that a signal keeps its size through rectified layers (He et al., 2015, equation 10). With
    torch's own, smaller ones a network this deep hands on a thousandth of it, and regularized models with two latents
    spend thousands of steps on the plateau where every code is decoded to the mean image.

    Args:
        shape: image shape (C, H, W).
        layers: (channels, kernel, stride, padding) of each convolution.
        widths: of the dense layers; the last one is that of the output.
        activation: its name.

    Raises:
        ValueError: the layers leave nothing of the image.

    Example:
        >>> import torch
        >>> ConvStack((1, 28, 28), ((32, 4, 2, 1), (32, 3, 1, 0)), (256,))(torch.zeros(5, 784)).shape
        torch.Size([5, 256])
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        layers: Sequence[Layer],
        widths: Sequence[int],
        *,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        channels = [shape[0], *(layer[0] for layer in layers)]
        modules: list[nn.Module] = [nn.Unflatten(1, shape)]
        for inputs, layer in zip(channels[:-1], layers, strict=True):
            modules += [nn.Conv2d(inputs, *layer), ACTIVATIONS[activation]()]
        flat = channels[-1] * reduced(shape[1], layers) * reduced(shape[2], layers)
        dense = MLP(flat, *widths, activation=activation, activate_output=True)
        self.net = Rows(nn.Sequential(*modules, nn.Flatten(), dense))
        self.apply(_draw_weights)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class DeconvStack(Module):
    """The mirror of :class:`ConvStack`: dense layers, then transposed convolutions to the image, the last one linear.

    Weights are drawn as there.

    Args:
        inputs: width of the input (..., inputs).
        shape: image shape (C, H, W).
        layers: those of the encoder, from image to features.
        widths: those of the encoder's dense layers.
        activation: its name.

    Raises:
        ValueError: the layers leave nothing of the image.
    """

    def __init__(
        self,
        inputs: int,
        shape: tuple[int, int, int],
        layers: Sequence[Layer],
        widths: Sequence[int],
        *,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        sides = [[reduced(side, layers[:depth]) for side in shape[1:]] for depth in range(len(layers) + 1)]
        start = (layers[-1][0], *sides[-1])
        dense = MLP(inputs, *reversed(widths), math.prod(start), activation=activation, activate_output=True)
        modules: list[nn.Module] = [dense, nn.Unflatten(1, start)]
        for depth in reversed(range(len(layers))):
            outputs = shape[0] if depth == 0 else layers[depth - 1][0]
            modules += [_transposed(layers[depth], outputs, sides[depth], sides[depth + 1]), ACTIVATIONS[activation]()]
        self.net = Rows(nn.Sequential(*modules[:-1], nn.Flatten()))
        self.apply(_draw_weights)

    def forward(self, h: Tensor) -> Tensor:
        return self.net(h)


def _transposed(layer: Layer, outputs: int, to: Sequence[int], of: Sequence[int]) -> nn.ConvTranspose2d:
    inputs, kernel, stride, padding = layer
    lost = [side - ((small - 1) * stride - 2 * padding + kernel) for side, small in zip(to, of, strict=True)]
    return nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, output_padding=(lost[0], lost[1]))


@torch.no_grad()
def _draw_weights(layer: nn.Module) -> None:
    """Draws weights from N(0, 2 / n), where n inputs meet in one output, and sets biases to zero."""
    if not isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        return
    meeting = layer.weight[0].numel()
    if isinstance(layer, nn.ConvTranspose2d):  # of a kernel only every stride-th tap reaches the same pixel
        meeting = layer.weight[:, 0].numel() / math.prod(layer.stride)
    nn.init.normal_(layer.weight, std=math.sqrt(2 / meeting))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
