"""Photographs and series: real numbers whose neighbors are correlated."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import Cosines, Frequencies, at_least_float32
from prioria.module import Module

LOG_SCALE = 3.0  # the most that a frequency's log-scale is away from its spectrum's: a factor of 20


class FrequencyGaussian(Module):
    r"""p(x|z): Gaussians that are independent between frequencies, each with a mean and a scale that follow z.

    With the cosine transform C, a rotation R of channels, the mean m of the training rows and their spectrum e, both
    found by :meth:`start_at`,

        y = R C (x - m),   y_k | z ~ N(e_k a_k(z), e_k^2 exp(2 b_k(z)) + minimum_scale^2).

    At a = b = 0 it is a Gaussian with the correlations of all places at one distance; z then says what each picture
    has more or less of: a Gaussian scale mixture (Wainwright and Simoncelli, 2000) in the frequencies of the cosine
    transform (Ahmed, Natarajan and Rao, 1974). A likelihood of independent pixels has to put every correlation into z.

    Args:
        net: network (..., L) -> (..., 2D), means a first, then log-scales b, which are bounded by 3 tanh(b / 3).
        shape: (C, H, W) of pictures or (C, T) of series.
        minimum_scale: smallest deviation of a frequency; by default half a grey level of 256, so that the density at
            grey levels times their width is no more than a probability.

    Raises:
        ValueError: rows of another form, or a scale that is not positive.

    Example:
        >>> likelihood = FrequencyGaussian(nn.Linear(2, 24), shape=(3, 4))
        >>> likelihood(torch.zeros(5, 2)).log_prob(torch.zeros(5, 12)).shape
        torch.Size([5])
    """

    legal_as = "FrequencyGaussian"  # see data.check_likelihood

    usual_network = "frequency"  # outputs belong to frequencies, and not to places, where a convolution puts them
    center: Tensor
    spectrum: Tensor
    rotation: Tensor

    def __init__(self, net: nn.Module, *, shape: tuple[int, ...], minimum_scale: float = 0.5 / 256) -> None:
        super().__init__()
        if len(shape) not in (2, 3):
            raise ValueError(f"shape={shape} must be (C, H, W) of pictures or (C, T) of series")
        if not minimum_scale > 0:
            raise ValueError(f"minimum_scale={minimum_scale} must be positive")
        self.net, self.minimum_scale, self.cosines = net, minimum_scale, Cosines(tuple(shape))
        self.register_buffer("center", torch.zeros(math.prod(shape)))
        self.register_buffer("spectrum", torch.ones(math.prod(shape)))
        self.register_buffer("rotation", torch.eye(shape[0]))

    @staticmethod
    def outputs_per_value(**_: Any) -> int:
        """Returns how many outputs of the network there are for each value of x: a mean and a scale."""
        return 2

    @torch.no_grad()
    def start_at(self, rows: Tensor) -> None:
        """Takes mean, channels' principal axes and spectrum of training rows (N, D)."""
        shape = self.cosines.shape
        center = rows.mean(0)
        y = self.cosines.forward(rows - center).unflatten(-1, shape).movedim(1, -1)  # (N, places, C)
        _, axes = torch.linalg.eigh(torch.cov(y.flatten(0, -2).T).reshape(shape[0], shape[0]))
        spectrum = (y @ axes).square().mean(0).sqrt().movedim(-1, 0).flatten()
        self.center.copy_(center)
        self.rotation.copy_(axes.mT)
        self.spectrum.copy_(spectrum)

    def forward(self, z: Tensor) -> Distribution:
        mean, log_scale = at_least_float32(self.net(z)).chunk(2, -1)
        scale = self.spectrum * (LOG_SCALE * (log_scale / LOG_SCALE).tanh()).exp()
        scale = (scale.square() + self.minimum_scale**2).sqrt()
        return Frequencies(self.spectrum * mean, scale, self.cosines, self.rotation, self.center)
