"""Pictures of classes whose pixels depend on each other."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import Raster
from prioria.module import Module
from prioria.nets import PixelCNN


class Autoregressive(Module):
    r"""p(x|z) = prod_d p(x_d | x_1, ..., x_{d-1}, z), by masked convolutions that read maps of z (a PixelCNN decoder).

    The density is exact and costs one pass, a draw one pass for each pixel; see :class:`prioria.distributions.Raster`.
    A pixel may depend on those before it whatever z says, so that the latents may end up unused: watch the rate. (van
    den Oord et al., 2016, "Conditional Image Generation with PixelCNN Decoders"; as a decoder Gulrajani et al., 2017,
    "PixelVAE", and Tomczak and Welling, 2018. Departures: see :class:`prioria.nets.PixelCNN`.)

    Args:
        net: network z (..., L) -> maps (..., context * D), those of the first map for all pixels first.
        shape: (1, H, W) of pictures of one channel.
        categories: C, classes of a pixel; x is 0, ..., C-1.
        context: maps that the convolutions read.
        channels: of the hidden layers.
        layers: residual blocks.
        kernel: odd width of the convolutions.

    Raises:
        ValueError: other rows than pictures of one channel, fewer than two categories, a size that is not positive, or
            an even kernel.

    Example:
        >>> import torch
        >>> likelihood = Autoregressive(nn.Linear(2, 4 * 12), shape=(1, 3, 4))
        >>> likelihood(torch.zeros(5, 6, 2)).log_prob(torch.ones(6, 12)).shape
        torch.Size([5, 6])
    """

    legal_as = "Bernoulli"  # on the same data; see data.check_likelihood

    def __init__(
        self,
        net: nn.Module,
        *,
        shape: tuple[int, ...],
        categories: int = 2,
        context: int = 4,
        channels: int = 32,
        layers: int = 4,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        if len(shape) != 3 or shape[0] != 1:
            raise ValueError(f"shape={tuple(shape)} must be (1, H, W): pictures of one channel; use another likelihood")
        if categories < 2:
            raise ValueError(f"categories={categories} leaves nothing to choose from; use at least 2")
        outputs = 1 if categories == 2 else categories
        self.net, self.shape, self.categories, self.context = net, tuple(shape), categories, context
        self.pixels = PixelCNN(context=context, channels=channels, layers=layers, kernel=kernel, outputs=outputs)

    @staticmethod
    def outputs_per_value(*, context: int = 4, **_: Any) -> int:
        """Returns how many outputs of the network there are for each value of x: the maps that the pixels read."""
        return context

    def forward(self, z: Tensor) -> Distribution:
        maps = self.net(z).unflatten(-1, (self.context, *self.shape[1:]))
        return Raster(self.pixels, maps, self.categories)
