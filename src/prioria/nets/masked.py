"""Masked networks whose i-th outputs read inputs before the i-th only (MADE)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prioria.module import Module


class MaskedLinear(nn.Linear):
    """Dense layer whose weight is multiplied by a fixed mask (outputs, inputs)."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.float(), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight * self.get_buffer("mask"), self.bias)


class Autoregressive(Module):
    r"""f(z, h) with outputs for each z_i that depend on z_1, ..., z_{i-1} and on a context h alone.

    Masked autoencoder (Germain et al., 2015): a hidden unit of degree d in 0..L-1 sees z_1, ..., z_d, and an output
    for z_i sees units of degree below i. The context enters the first hidden layer. Departure from the paper: there
    are units of degree 0, which see the context only, so that the outputs for z_1 depend on it.

    Args:
        latents: L.
        context: width of h.
        hidden: widths of the hidden layers, each at least L.
        start: for each output, what is added to its bias at the start; as many outputs for each z_i.

    Raises:
        ValueError: a hidden layer is narrower than z, so that some z_i would be read by no unit.

    Example:
        >>> net = Autoregressive(3, context=5, hidden=(8, 8))
        >>> [part.shape for part in net(torch.zeros(4, 2, 3), net.read(torch.zeros(2, 5)))]
        [torch.Size([4, 2, 3]), torch.Size([4, 2, 3])]
    """

    def __init__(
        self,
        latents: int,
        context: int,
        *,
        hidden: Sequence[int] = (320, 320),
        start: Sequence[float] = (0.0, 0.0),
    ) -> None:
        super().__init__()
        if not hidden or min(hidden) < latents:
            raise ValueError(f"hidden={tuple(hidden)} must be layers at least as wide as latents={latents}")
        degrees = [torch.arange(1, latents + 1), *(torch.arange(width) % latents for width in hidden)]
        masks = [after[:, None] >= before for before, after in zip(degrees, degrees[1:], strict=False)]
        last = MaskedLinear(degrees[0].repeat(len(start))[:, None] > degrees[-1])
        with torch.no_grad():
            last.bias.add_(torch.tensor(start).repeat_interleave(latents))
        self.layers = nn.ModuleList([*(MaskedLinear(mask) for mask in masks), last])
        self.context = nn.Linear(context, hidden[0], bias=False)
        self.outputs = len(start)

    def read(self, h: Tensor) -> Tensor:
        """Returns what the first layer takes from a context (..., context): once, however many z are drawn."""
        return self.context(h)

    def forward(self, z: Tensor, read: Tensor) -> tuple[Tensor, ...]:
        """Returns the outputs, each (..., L), for z (..., L) and a context that was read."""
        first, *others = self.layers
        a = first(z) + read
        for layer in others:
            a = layer(F.elu(a))
        return a.chunk(self.outputs, -1)
