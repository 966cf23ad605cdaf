"""Networks of frequencies: they read and return the cosine transform of pictures and series."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from prioria.distributions import Cosines
from prioria.module import Module
from prioria.nets.gated import GatedMLP

FLOOR = 1e-2  # of the energy of a frequency beside its spectrum, under the logarithm


class FrequencyEncoder(Module):
    r"""Gated layers that read asinh(y_k) and log(y_k^2 + 0.01) / 4 of each frequency y = C (x - m) / e.

    C is the cosine transform, m and e are the mean of training rows and the root mean squares of their frequencies,
    which :meth:`start_at` finds. How much of each frequency a photograph has says more than its sign, and a network of
    pixels is slow to learn it. Features are within -1 and 1: some crops have a hundred times the energy of others, and
    a posterior may not answer by a hundred times the variance.

    Args:
        shape: (C, H, W) of pictures or (C, T) of series; the input is (..., D).
        hidden: widths of the layers; the last is that of the features.

    Example:
        >>> FrequencyEncoder((1, 8), (16, 4))(torch.zeros(3, 8)).shape
        torch.Size([3, 4])
    """

    center: Tensor
    spectrum: Tensor

    def __init__(self, shape: tuple[int, ...], hidden: tuple[int, ...] = (300, 300)) -> None:
        super().__init__()
        size = math.prod(shape)
        self.cosines = Cosines(tuple(shape))
        self.net = GatedMLP(2 * size, *hidden, gated_output=True)
        self.register_buffer("center", torch.zeros(size))
        self.register_buffer("spectrum", torch.ones(size))

    @torch.no_grad()
    def start_at(self, rows: Tensor) -> None:
        """Takes mean and spectrum of training rows (N, D)."""
        self.center.copy_(rows.mean(0))
        spectrum = self.cosines.forward(rows - self.center).square().mean(0).sqrt()
        self.spectrum.copy_(spectrum.clamp(min=1e-6 * spectrum.max().item() + 1e-12))

    def forward(self, x: Tensor) -> Tensor:
        y = self.cosines.forward(x - self.center) / self.spectrum
        return self.net(torch.cat([y.asinh(), (y.square() + FLOOR).log() / 4], -1)).tanh()


class FrequencyDecoder(Module):
    """Gated layers whose last starts at a tenth of its usual weights: means and log-scales of frequencies near zero.

    Args:
        sizes: widths from the latents to the outputs, at least two.
    """

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.net = GatedMLP(*sizes)
        last = [layer for layer in self.net.modules() if isinstance(layer, nn.Linear)][-1]
        with torch.no_grad():
            last.weight.mul_(0.1)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)
