"""Numbers or names that take a few values only."""

from __future__ import annotations

import math

import torch
from torch import Size, Tensor
from torch.distributions import Distribution


class Levels(Distribution):
    r"""Independent columns, each on one of its levels: p(x_d = v_dc) = softmax_c(logits)_dc.

    Where a column lies on a grid of width g, ``log_cell`` makes it a density: probability mass is spread over the cell,
    p(x) = (1 - e) p_c / g + e Cauchy(x), so that a value between the levels, or far from all of them, has a finite
    density too, the smaller the farther it is.

    Args:
        values: the levels (D, C), in the units of x; columns with fewer levels end in inf.
        logits: (..., D, C), -inf where there is no level.
        log_cell: log g for each column (D,), in the units of x; None: x takes no other value than the levels, and
            log p is the log of a probability. nan: so for that column.

    Example:
        >>> Levels(torch.tensor([[0.0, 1.0]]), torch.zeros(1, 2)).log_prob(torch.tensor([1.0])).exp()
        tensor([0.5000])
    """

    arg_constraints: dict = {}
    STRAY = 1e-4  # e: what is left for values that are no level

    def __init__(self, values: Tensor, logits: Tensor, log_cell: Tensor | None = None) -> None:
        self.values, self.log_probabilities = values, logits.log_softmax(-1)
        self.log_cell = values.new_full(values.shape[:1], math.nan) if log_cell is None else log_cell
        super().__init__(logits.shape[:-1], validate_args=False)

    @property
    def probs(self) -> Tensor:
        """The probability of each level (..., D, C)."""
        return self.log_probabilities.exp()

    @property
    def mean(self) -> Tensor:
        return (self.probs * self._finite).sum(-1)

    @property
    def variance(self) -> Tensor:
        return (self.probs * self._finite.square()).sum(-1) - self.mean.square()

    @property
    def mode(self) -> Tensor:
        return self._at(self.log_probabilities.argmax(-1))

    def log_prob(self, value: Tensor) -> Tensor:
        distance, level = (value.unsqueeze(-1) - self.values).abs().min(-1)
        shape = torch.broadcast_shapes(level.shape, self.batch_shape)
        log_p = self.log_probabilities.expand(*shape, -1).gather(-1, level.expand(shape).unsqueeze(-1)).squeeze(-1)
        named = self.log_cell.isnan()
        log_cell = self.log_cell.masked_fill(named, 0.0)  # not nan, whose gradient would reach the logits
        on_grid = math.log1p(-self.STRAY) + log_p - log_cell
        stray = math.log(self.STRAY / math.pi) - torch.log1p(value.square())
        density = torch.where(distance <= 0.5001 * log_cell.exp(), torch.logaddexp(on_grid, stray), stray)
        return torch.where(named, log_p, density)

    def sample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        with torch.no_grad():
            shape = Size(sample_shape) + self.batch_shape
            flat = self.probs.reshape(-1, self.values.shape[-1])
            drawn = torch.multinomial(flat, Size(sample_shape).numel(), replacement=True).mT
            return self._at(drawn.reshape(shape))

    @property
    def _finite(self) -> Tensor:
        return torch.where(self.values.isinf(), 0.0, self.values)

    def _at(self, level: Tensor) -> Tensor:
        return self.values.expand(*level.shape, -1).gather(-1, level.unsqueeze(-1)).squeeze(-1)
