"""The order of the training data: a function of (seed, epoch), so that all there is to remember is a position."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from prioria.data import Split
    from prioria.data.rows import Order


class Batches(Sequence):
    """The batches of one epoch as row numbers: an order of (seed, epoch), cut as evenly as can be.

    Every row comes once. Batches have at most ``batch_size`` rows and differ by at most one, so that no small rest
    weighs as much as a whole batch. Each is found when it is asked for, from its number alone.

    Args:
        split: whose rows they are.
        batch_size: rows at most.
        seed: of the order.
        epoch: from 0 on.
        one_size: batches of one size, which compiled steps need, leave out the rows that are over: fewer than there are
            batches, and other ones each epoch.

    Example:
        >>> from prioria.data import load
        >>> [len(batch) for batch in Batches(load("digits").test, 80, seed=0, epoch=0)]
        [75, 75, 75, 75]
    """

    def __init__(self, split: Split, batch_size: int, *, seed: int, epoch: int, one_size: bool = False) -> None:
        self.steps = steps_per_epoch(len(split), batch_size)
        self.rows, self.over = divmod(len(split), self.steps)
        self.over = 0 if one_size else self.over
        self.order: Order = split.shuffled(seed, epoch)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, number: int) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        if not 0 <= number < self.steps:
            raise IndexError(f"batch {number} of {self.steps}")
        return self.order[self._start(number) : self._start(number + 1)]

    def _start(self, number: int) -> int:
        return number * self.rows + min(number, self.over)


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Returns the number of batches in an epoch."""
    return ceil(examples / batch_size)
