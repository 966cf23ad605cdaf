"""A mixture of some of many components, without that of the row which is scored."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, constraints

from prioria.distributions.mixture import Mixture


@runtime_checkable
class Source(Protocol):
    """What the components are made of.

    Attributes:
        neighbors: components that are scored for each z, those nearest to it; None for all.
    """

    neighbors: int | None

    def get_buffer(self, target: str) -> Tensor:
        """Returns ``codes`` (N, *event), locations as they were, and ``numbers`` (N,), the row of each component."""
        ...

    def encoded(self, index: Tensor) -> Tensor:
        """Returns the locations (n, *event) as they are."""
        ...

    def components(self, location: Tensor) -> Distribution:
        """Returns the components at locations."""
        ...

    def remember(self, index: Tensor, location: Tensor) -> None:
        """Takes locations as they are now for those that ``codes`` has."""
        ...


class LeaveOneOut(Distribution):
    r"""log (1/|S|) sum_{n in S} p_n(z), S the components of ``index`` without that of the row that z belongs to.

    Rows are told by their numbers, along the last axis before the event; where z has another number of rows none is
    left out. With ``neighbors`` the sum is over those nearest to z alone, a lower bound. For ``index`` drawn uniformly
    without replacement exp(log_prob) without neighbors is unbiased for the mean over all components but the row's own.

    Args:
        source: of the components.
        index: which of them (M,).
        own: number of each row (B,); None leaves none out.
    """

    arg_constraints: dict = {}
    bound = True

    def __init__(self, source: Source, index: Tensor, own: Tensor | None = None) -> None:
        self.source, self.index, self.own = source, index, own
        super().__init__(event_shape=source.get_buffer("codes").shape[1:], validate_args=False)

    @property
    def support(self) -> constraints.Constraint | None:
        return self._remembered.support

    @cached_property
    def _remembered(self) -> Mixture:
        return Mixture(self.source.components(self.source.get_buffer("codes")[self.index].detach()))

    @cached_property
    def _whole(self) -> Mixture:
        return Mixture(self.source.components(self.source.encoded(self.index)))

    def log_prob(self, value: Tensor) -> Tensor:
        lead = value.shape[: value.dim() - len(self.event_shape)]
        out = self._left_out(lead)
        count = len(self.index) - out.sum(-1)
        found = self._nearest(value, out) if self.source.neighbors is not None else self._every(value, out)
        return (found.logsumexp(-1) - count.to(found.dtype).log()).to(value.dtype)

    def sample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        with torch.no_grad():
            index = self.index[torch.randint(len(self.index), (Size(sample_shape).numel(),))]
            drawn = self.source.components(self.source.encoded(index)).sample()
            return drawn.reshape(*sample_shape, *self.event_shape)

    def _left_out(self, lead: Size) -> Tensor:
        """Returns which components belong to each row (*lead, M)."""
        if self.own is None or not lead or lead[-1] != len(self.own):
            return torch.zeros(*lead, len(self.index), dtype=torch.bool, device=self.index.device)
        numbers = self.source.get_buffer("numbers")[self.index]
        return (self.own.to(numbers.device).unsqueeze(-1) == numbers).expand(*lead, -1)

    def _every(self, value: Tensor, out: Tensor) -> Tensor:
        return self._whole.component_log_prob(value).masked_fill(out, -torch.inf)

    def _nearest(self, value: Tensor, out: Tensor) -> Tensor:
        """Returns log p_n (*lead, k) of the nearest components, encoded as they are; none that is left out."""
        with torch.no_grad():
            near = self._remembered.component_log_prob(value).masked_fill(out, -torch.inf)
            near = near.topk(self.source.neighbors or 1).indices
            used, place = near.unique(return_inverse=True)
        location = self.source.encoded(self.index[used])
        self.source.remember(self.index[used], location.detach())
        terms = Mixture(self.source.components(location)).component_log_prob(value).gather(-1, place)
        return terms.masked_fill(out.gather(-1, near), -torch.inf)
