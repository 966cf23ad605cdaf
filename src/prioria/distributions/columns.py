"""Rows of a table: columns of several families, some of their entries missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Size, Tensor
from torch.distributions import Distribution


@dataclass(frozen=True)
class Family:
    """Columns of one family.

    Attributes:
        index: positions of its n columns in the row (n,).
        values: their distributions, batch shape (..., n), each column for itself.
        fill: a value that the family allows, put in place of a missing one.
    """

    index: Tensor
    values: Distribution
    fill: float = 0.0


class Columns(Distribution):
    r"""log p(x) = sum over the observed d of log p_d(x_d) - log |dv_d/dx_d|, x_d a column's number and v_d its value.

    An entry that is NaN is missing and adds nothing: what is left is the density of the others, in the units of the
    data, in nats.

    Args:
        families: whose positions together are 0 to D - 1.
        log_scale: log s_d of each column (D,), where x = (t(v) - center) / s.
        center: of each column whose number is a logarithm, nan for the others (D,): they add center + s x = log v.
    """

    arg_constraints: dict = {}
    original_units = True

    def __init__(self, families: Sequence[Family], log_scale: Tensor, center: Tensor) -> None:
        self.families, self.log_scale, self.center = list(families), log_scale, center
        self.order = torch.cat([family.index for family in self.families]).argsort()
        batch = torch.broadcast_shapes(*(family.values.batch_shape[:-1] for family in self.families))
        super().__init__(batch, log_scale.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self._join([family.values.mean for family in self.families])

    @property
    def variance(self) -> Tensor:
        return self._join([family.values.variance for family in self.families])

    @property
    def mode(self) -> Tensor:
        """The likeliest value of each column."""
        return self._join([family.values.mode for family in self.families])

    def log_prob(self, value: Tensor) -> Tensor:
        total = -self.log_volume(value)
        for family in self.families:
            total = total + _observed(family, value).sum(-1)
        return total

    def log_prob_by_column(self, value: Tensor) -> Tensor:
        """Returns log p_d(v_d) of each column (..., D) in the units of the data, 0 where the entry is missing."""
        return self._join([_observed(family, value) for family in self.families]) - self._log_volumes(value)

    def log_volume(self, value: Tensor) -> Tensor:
        """Returns sum_d log |dv_d/dx_d| (...) over the observed entries, in nats."""
        return self._log_volumes(value).sum(-1)

    def _log_volumes(self, value: Tensor) -> Tensor:
        logarithm = torch.where(self.center.isnan(), 0.0, self.center + self.log_scale.exp() * value)
        return (self.log_scale + logarithm).masked_fill(value.isnan(), 0.0)

    def sample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        with torch.no_grad():
            return self._join([family.values.sample(Size(sample_shape)) for family in self.families])

    def _join(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(parts), -1)[..., self.order]


def _observed(family: Family, value: Tensor) -> Tensor:
    """Returns log p of each column of a family (..., n), 0 where it is missing."""
    x = value[..., family.index]
    missing = x.isnan()
    return family.values.log_prob(x.masked_fill(missing, family.fill)).masked_fill(missing, 0.0)
