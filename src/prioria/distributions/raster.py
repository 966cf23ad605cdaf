"""Pictures whose pixels are drawn one after another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution, constraints
from torch.nn import functional as F

from prioria.distributions.simple import at_least_float32

TILE = 2**24  # numbers in one map of a tile of rows that are scored without gradients: 64 MB
DRAWS = 4  # whose probabilities stand for the mean


class Raster(Distribution):
    r"""p(x) = prod_d p(x_d | x_1, ..., x_{d-1}, c), pixels row by row, each a class of C given those before it.

    Every conditional is read off one pass over x, so that the density is exact and costs one pass; a draw costs one
    pass for each pixel, over the window that its output reads. Classes are 0, ..., C-1; two of them are bits, with one
    logit. There is no closed mean: ``mean`` is that of the conditional means along four draws of a fixed seed.

    Args:
        network: pictures (N, 1, H, W) and context (N, c, H, W) -> logits (N, C or 1, H, W) of which those for a pixel
            depend on the pixels before it only, ``reach`` of them upwards and to each side.
        context: (..., c, H, W).
        classes: C.
    """

    arg_constraints: dict = {}
    closed_mean = False

    def __init__(self, network: nn.Module, context: Tensor, classes: int = 2) -> None:
        self.network, self.context, self.classes = network, context, classes
        super().__init__(context.shape[:-3], Size([context.shape[-2] * context.shape[-1]]), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        values = constraints.boolean if self.classes == 2 else constraints.integer_interval(0, self.classes - 1)
        return constraints.independent(values, 1)

    @property
    def mean(self) -> Tensor:
        rows = self.context.reshape(-1, *self.context.shape[-3:])
        generator = torch.Generator().manual_seed(0)
        noise = torch.rand(DRAWS, 1, *self.event_shape, generator=generator).to(rows.device)
        with torch.no_grad():
            found = torch.stack([self._walk(rows, each.expand(len(rows), -1))[1] for each in noise])
        return found.mean(0).reshape(*self.batch_shape, *self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        x = value.expand(*shape, -1).reshape(-1, *self.event_shape)
        context = self.context.expand(*shape, *self.context.shape[-3:]).reshape(len(x), *self.context.shape[-3:])
        size = len(x) if torch.is_grad_enabled() else max(1, TILE // self.context.shape[-3:].numel())
        tiles = zip(x.split(max(1, size)), context.split(max(1, size)), strict=True)
        return torch.cat([self._log_prob(*tile) for tile in tiles]).reshape(shape)

    def sample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        with torch.no_grad():
            context = self.context.expand(*sample_shape, *self.context.shape)
            rows = context.reshape(-1, *self.context.shape[-3:])
            noise = torch.rand(len(rows), *self.event_shape, device=rows.device)
            return self._walk(rows, noise)[0].reshape(*sample_shape, *self.batch_shape, *self.event_shape)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Distribution:
        return Raster(self.network, self.context.expand(*batch_shape, *self.context.shape[-3:]), self.classes)

    def _logits(self, pictures: Tensor, context: Tensor) -> Tensor:
        scaled = pictures / (self.classes - 1)
        return at_least_float32(self.network(scaled.to(context.dtype), context))

    def _log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        pictures = x.unflatten(-1, (1, *context.shape[-2:]))
        logits = self._logits(pictures, context).flatten(2)
        if self.classes == 2:
            return (x * logits[:, 0] - F.softplus(logits[:, 0])).sum(-1)
        known = x.nan_to_num().clamp(0, self.classes - 1).long()
        found = logits.log_softmax(1).gather(1, known.unsqueeze(1)).squeeze(1)
        return torch.where(x == known, found, torch.where(x.isnan(), torch.nan, -torch.inf)).sum(-1)

    def _walk(self, context: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Returns rows (N, D) drawn from uniform noise, and the mean of each pixel given those before it."""
        height, width = context.shape[-2:]
        x, means = context.new_zeros(len(context), 1, height, width), noise.new_zeros(noise.shape)
        reach: int = self.network.reach  # pyright: ignore[reportAssignmentType]
        for d in range(height * width):
            row, column = divmod(d, width)
            top, left = max(0, row - reach), max(0, column - reach)
            window = (..., slice(top, row + 1), slice(left, column + reach + 1))
            logits = self._logits(x[window], context[window])[..., -1, column - left]
            drawn, means[:, d] = self._drawn(logits, noise[:, d])
            x[:, 0, row, column] = drawn.to(x.dtype)
        return x.flatten(1).to(noise.dtype), means

    def _drawn(self, logits: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        if self.classes == 2:
            p = logits[:, 0].sigmoid()
            return (noise < p).to(p.dtype), p
        shares = logits.softmax(-1)
        values = torch.arange(self.classes, device=shares.device, dtype=shares.dtype)
        index = (noise.unsqueeze(-1) >= shares.cumsum(-1)).sum(-1).clamp(max=self.classes - 1)
        return values[index], shares @ values
