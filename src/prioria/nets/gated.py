"""Gated dense networks of the VampPrior paper (Tomczak and Welling, 2018, section 4)."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from prioria.module import Module


def linear(inputs: int, outputs: int) -> nn.Linear:
    """Dense layer with He-normal weights, standard deviation sqrt(2 / inputs)."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=math.sqrt(2 / inputs))
    return layer


class GatedLinear(Module):
    """Gated dense layer h = (A x + a) * sigmoid(B x + b), both halves in one product.

    Args:
        inputs: width of x (..., inputs).
        outputs: width of h (..., outputs).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = linear(inputs, 2 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.glu(self.linear(x), -1)


class GatedMLP(Module):
    """Gated hidden layers and a linear last one.

    Args:
        sizes: widths from input to output, at least two.
        gated_output: gate the last layer too, as encoders do whose heads are elsewhere.

    Raises:
        ValueError: fewer than two sizes, or one that is not positive.

    Example:
        >>> import torch
        >>> GatedMLP(4, 8, 3)(torch.zeros(2, 5, 4)).shape
        torch.Size([2, 5, 3])
    """

    def __init__(self, *sizes: int, gated_output: bool = False) -> None:
        super().__init__()
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(
                f"sizes={sizes} must be two or more positive widths, input first; for instance GatedMLP(784, 300, 40)"
            )
        *hidden, (before, last) = zip(sizes[:-1], sizes[1:], strict=True)
        final = GatedLinear(before, last) if gated_output else linear(before, last)
        self.layers = nn.Sequential(*(GatedLinear(i, o) for i, o in hidden), final)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
