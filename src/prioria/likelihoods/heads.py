"""Heads: for each family of columns, from the outputs of a network to distributions, one for each column."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal, Poisson, StudentT
from torch.nn.functional import softplus

from prioria.distributions.columns import Family
from prioria.distributions.counted import LARGEST_LOG, AffineCounts, negative_binomial
from prioria.distributions.levels import Levels
from prioria.distributions.spec import NUMBERS, Spec
from prioria.likelihoods.floor import at_least


class Head(nn.Module):
    """The columns of one family.

    Args:
        columns: position in the row and what is known of each column.
        levels: values of the columns, in the units of x, where a family reads them.
    """

    fill = 0.0  # a value that the family allows
    kinds: tuple[str, ...] = ("real", "positive", "count")  # of the columns that may have it

    def __init__(self, columns: Mapping[int, Spec], levels: Sequence[Tensor] = ()) -> None:
        super().__init__()
        self.columns, self.n = list(columns.values()), len(columns)
        self.register_buffer("index", torch.tensor(list(columns)), persistent=False)

    @property
    def outputs(self) -> int:
        """How many outputs of the network it reads."""
        raise NotImplementedError

    def values(self, h: Tensor) -> Distribution:
        """Returns the distributions (..., n) for outputs (..., outputs)."""
        raise NotImplementedError

    def forward(self, h: Tensor) -> Family:
        return Family(self.get_buffer("index"), self.values(h), self.fill)


class GaussianHead(Head):
    """N(m, s^2) on the number x: mean, log-variance; on a logarithm it is the log-normal. s is at least its floor."""

    def __init__(self, columns: Mapping[int, Spec], levels: Sequence[Tensor] = ()) -> None:
        super().__init__(columns)
        self.register_buffer("floor", torch.tensor([each.floor for each in self.columns]), persistent=False)

    @property
    def outputs(self) -> int:
        return 2 * self.n

    def values(self, h: Tensor) -> Distribution:
        mean, log_variance = h.chunk(2, -1)
        return Normal(mean, self.scale(log_variance), validate_args=False)

    def scale(self, log_variance: Tensor) -> Tensor:
        """Returns s, above the floor."""
        floor = self.get_buffer("floor")
        return at_least((0.5 * log_variance).exp() / floor, 1.0) * floor


class StudentTHead(GaussianHead):
    """Student's t on the number x: location, log of the squared scale, and degrees of freedom 1 + softplus(.)."""

    @property
    def outputs(self) -> int:
        return 3 * self.n

    def values(self, h: Tensor) -> Distribution:
        location, log_variance, degrees = h.chunk(3, -1)
        return StudentT(1 + softplus(degrees), location, self.scale(log_variance), validate_args=False)


class _CountHead(Head):
    """Counts v = center + s x."""

    kinds = ("count",)

    def __init__(self, columns: Mapping[int, Spec], levels: Sequence[Tensor] = ()) -> None:
        super().__init__(columns)
        if logarithm := next((each.name for each in self.columns if each.treatment == "log"), None):
            raise ValueError(f"column {logarithm!r}: counts are read as they are; its treatment must not be 'log'")
        self.register_buffer("center", torch.tensor([each.center for each in self.columns]), persistent=False)
        self.register_buffer("scale", torch.tensor([each.scale for each in self.columns]), persistent=False)

    def counts(self, d: Distribution) -> Distribution:
        """Returns the distribution of x for that of v."""
        return AffineCounts(d, self.get_buffer("center"), self.get_buffer("scale"))


class PoissonHead(_CountHead):
    """Poisson: log-rate."""

    @property
    def outputs(self) -> int:
        return self.n

    def values(self, h: Tensor) -> Distribution:
        return self.counts(Poisson(h.clamp(max=LARGEST_LOG).exp(), validate_args=False))


class NegativeBinomialHead(_CountHead):
    """Negative binomial of mean m and variance m + m^2 / r: log m, log r."""

    @property
    def outputs(self) -> int:
        return 2 * self.n

    def values(self, h: Tensor) -> Distribution:
        return self.counts(negative_binomial(*h.chunk(2, -1)))


class LevelsHead(Head):
    """Columns with a few values. Those of names are codes 0 to C - 1, those of numbers lie on a grid."""

    kinds = ("binary", "category", "ordinal")

    def __init__(self, columns: Mapping[int, Spec], levels: Sequence[Tensor] = ()) -> None:
        super().__init__(columns)
        grids = list(levels) or [torch.arange(float(len(each.levels))) for each in self.columns]
        self.sizes = [len(grid) for grid in grids]
        most = max(self.sizes)
        padded = [torch.cat([grid, grid.new_full((most - len(grid),), torch.inf)]) for grid in grids]
        self.register_buffer("grid", torch.stack(padded), persistent=False)
        self.register_buffer("log_cell", torch.tensor([_cell(each) for each in self.columns]).log(), persistent=False)
        starts, widths = torch.tensor([0, *self._widths]).cumsum(0)[:-1], torch.tensor(self._widths)
        place = torch.arange(int(widths.max()))
        self.register_buffer("take", starts[:, None] + torch.minimum(place, widths[:, None] - 1), persistent=False)
        self.register_buffer("absent", place >= widths[:, None], persistent=False)

    @property
    def _widths(self) -> list[int]:
        raise NotImplementedError

    @property
    def outputs(self) -> int:
        return sum(self._widths)

    def _spread(self, h: Tensor) -> Tensor:
        return h[..., self.get_buffer("take")]  # (..., n, most)

    def logits(self, h: Tensor) -> Tensor:
        """Returns logits (..., n, C), -inf where there is no level."""
        raise NotImplementedError

    def inverse(self, log_p: Tensor) -> Tensor:
        """Returns the outputs (..., width) for which one column's levels have these log-probabilities (..., C)."""
        raise NotImplementedError

    def values(self, h: Tensor) -> Distribution:
        return Levels(self.get_buffer("grid"), self.logits(h), self.get_buffer("log_cell"))


class CategoricalHead(LevelsHead):
    """Categories: a logit for each."""

    @property
    def _widths(self) -> list[int]:
        return self.sizes

    def logits(self, h: Tensor) -> Tensor:
        return self._spread(h).masked_fill(self.get_buffer("absent"), -torch.inf)

    def inverse(self, log_p: Tensor) -> Tensor:
        return log_p


class BernoulliHead(LevelsHead):
    """Two values: the logit of the second."""

    kinds = ("binary",)

    @property
    def _widths(self) -> list[int]:
        return [1] * self.n

    def logits(self, h: Tensor) -> Tensor:
        return torch.stack([torch.zeros_like(h), h], -1)

    def inverse(self, log_p: Tensor) -> Tensor:
        return log_p[..., 1:] - log_p[..., :1]


class OrdinalHead(LevelsHead):
    """Ordered categories by cumulative logits: P(x <= j) = sigmoid(t_j), t_0 and the logs of the gaps t_j - t_(j-1).

    Moving t_0 moves all of them, so that what raises one category raises its neighbors (McCullagh, 1980).
    """

    @property
    def _widths(self) -> list[int]:
        return [size - 1 for size in self.sizes]

    def logits(self, h: Tensor) -> Tensor:
        spread = self._spread(h)
        gaps = spread[..., 1:].clamp(-LARGEST_LOG, LARGEST_LOG).exp()
        thresholds = torch.cat([spread[..., :1], spread[..., :1] + gaps.cumsum(-1)], -1)
        thresholds = thresholds.masked_fill(self.get_buffer("absent"), torch.inf)
        ends = thresholds.new_full((*thresholds.shape[:-1], 1), torch.inf)
        return _log_between(torch.cat([-ends, thresholds], -1), torch.cat([thresholds, ends], -1))

    def inverse(self, log_p: Tensor) -> Tensor:
        below = log_p.logcumsumexp(-1)[..., :-1]
        above = log_p.flip(-1).logcumsumexp(-1).flip(-1)[..., 1:]
        thresholds = below - above
        return torch.cat([thresholds[..., :1], thresholds.diff(dim=-1).log()], -1)


def _cell(column: Spec) -> float:
    # the width of the grid in the units of x; names are on none
    if column.kind not in NUMBERS:
        return math.nan
    width = column.resolution or (1.0 if column.kind == "count" else 0.0)
    if not width or column.treatment == "log":
        raise ValueError(f"column {column.name!r}: levels are for numbers on a grid that are not logarithms")
    return width / column.scale


def _log_between(low: Tensor, high: Tensor) -> Tensor:
    """Returns log(sigmoid(high) - sigmoid(low)), -inf where the two are infinite alike."""
    # sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b))
    empty = low.isinf() & (low == high)
    gap = torch.where(empty | low.isinf() | high.isinf(), 1.0, high - low).clamp(min=1e-7)
    width = torch.where(low.isinf() | high.isinf(), 0.0, torch.log(-torch.expm1(-gap)))
    log_p = -softplus(-_finite(high)) - softplus(_finite(low)) + width
    return log_p.masked_fill(empty, -torch.inf)


def _finite(t: Tensor) -> Tensor:
    return t.clamp(-1e4, 1e4)


FAMILIES: dict[str, type[Head]] = {
    "gaussian": GaussianHead,
    "student-t": StudentTHead,
    "poisson": PoissonHead,
    "negative-binomial": NegativeBinomialHead,
    "bernoulli": BernoulliHead,
    "categorical": CategoricalHead,
    "ordinal": OrdinalHead,
}
OF_KIND = {
    "real": "gaussian",
    "positive": "gaussian",
    "count": "negative-binomial",
    "binary": "bernoulli",
    "category": "categorical",
    "ordinal": "ordinal",
}
