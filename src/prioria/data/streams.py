"""Training rows that stay on disk: read block by block, in an order of (seed, epoch), in constant memory.

Blocks come in random order. Consecutive ones make windows of up to 128 MiB, and rows are shuffled within each window:
the order follows from (seed, epoch) and the sizes of the blocks, so that any batch of it is found from its number
alone, and a run that was stopped goes on in the middle of an epoch.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prioria.data.base import Split
from prioria.data.rows import Order

WINDOW_BYTES = 2**27
"""Of rows that are shuffled together, in float32; twice as many, and a block, are in memory."""


class Blocks:
    """Rows (N, D) in float32 that are read a block at a time, when they are asked for.

    Args:
        sizes: rows of each block.
        columns: D.
        read: gives the rows of a block.
        layout: what tells these blocks from others, in words.
        window: rows that are shuffled together, about; None = 128 MiB of them.

    Example:
        >>> blocks = Blocks([2, 1], 1, lambda number: np.full(([2, 1][number], 1), number, np.float32), "example")
        >>> blocks[np.array([2, 0])].tolist()
        [[1.0], [0.0]]
    """

    def __init__(
        self,
        sizes: Sequence[int],
        columns: int,
        read: Callable[[int], NDArray[np.float32]],
        layout: str,
        window: int | None = None,
    ) -> None:
        self.sizes, self.read, self.layout = np.asarray(sizes, np.int64), read, layout
        self.ends = self.sizes.cumsum()
        self.shape = (int(self.ends[-1]), columns)
        self.window = max(1, WINDOW_BYTES // (4 * columns)) if window is None else window
        self.kept: OrderedDict[int, NDArray[np.float32]] = OrderedDict()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, numbers: NDArray, /) -> NDArray[np.float32]:
        found = np.empty((len(numbers), self.shape[1]), np.float32)
        places = np.searchsorted(self.ends, numbers, side="right")
        for block in np.unique(places).tolist():
            chosen = places == block
            found[chosen] = self._block(block)[numbers[chosen] - self.start(block)]
        return found

    def start(self, block: int) -> int:
        """The number of the first row of a block."""
        return int(self.ends[block] - self.sizes[block])

    def _block(self, block: int) -> NDArray[np.float32]:
        """A block, from memory if it was read lately: blocks of two windows fit, as a batch may lie in both."""
        if block not in self.kept:
            self.kept[block] = self.read(block)
        self.kept.move_to_end(block)
        while len(self.kept) > 1 and sum(map(len, self.kept.values())) > 2 * (self.window + int(self.sizes.max())):
            self.kept.popitem(last=False)
        return self.kept[block]


class Shuffled:
    """The order in which an epoch takes the rows of blocks: random blocks, rows shuffled within windows of them."""

    def __init__(self, blocks: Blocks, seed: int, epoch: int) -> None:
        self.blocks, self.key = blocks, (seed, epoch)
        order = np.random.default_rng(self.key).permutation(len(blocks.sizes))
        window = (blocks.sizes[order].cumsum() - 1) // blocks.window
        self.windows = np.split(order, np.flatnonzero(np.diff(window)) + 1)
        self.ends = np.cumsum([blocks.sizes[each].sum() for each in self.windows])
        self.last = -1, np.empty(0, np.int64)

    def __getitem__(self, places: slice, /) -> Tensor:
        parts, start, stop = [np.empty(0, np.int64)], places.start, min(places.stop, len(self.blocks))
        while start < stop:
            window = int(np.searchsorted(self.ends, start, side="right"))
            end = int(self.ends[window])
            numbers = self._window(window)
            parts.append(numbers[len(numbers) - (end - start) :][: stop - start])
            start = min(end, stop)
        return torch.from_numpy(np.concatenate(parts))

    def _window(self, window: int) -> NDArray[np.int64]:
        if self.last[0] != window:
            first = self.blocks.ends - self.blocks.sizes
            members = [first[each] + np.arange(int(self.blocks.sizes[each])) for each in self.windows[window]]
            generator = np.random.default_rng((*self.key, window + 1))  # a zero at the end would change nothing
            self.last = window, generator.permutation(np.concatenate(members))
        return self.last[1]


@dataclass(frozen=True, eq=False, kw_only=True)
class Streamed(Split):
    """Training rows that are read block by block.

    Args:
        sample: some of the rows, in memory: what is asked of rows at even distances or at random is answered by these.
    """

    rows: Blocks
    sample: Split

    def shuffled(self, seed: int, epoch: int) -> Order:
        """As of any split, but rows are mixed within windows of random blocks."""
        return Shuffled(self.rows, seed, epoch)

    def tensor(self, limit: int | None = None) -> Tensor:
        """`limit` rows of the sample at even distances (None = all of it): the others are not read for it."""
        return self.sample.tensor(limit)

    def drawn(self, limit: int) -> Tensor:
        return self.sample.drawn(limit)

    def draws(self, size: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Rows in the order of one epoch after the other, of a seed from the generator."""
        seed = int(torch.randint(2**31, (), generator=generator))
        for epoch in itertools.count():
            order = self.shuffled(seed, epoch)
            for start in range(0, len(self), size):
                yield self.batch(order[start : start + size])

    def digest(self) -> str:
        """A hash of the names and sizes of the blocks, and of the sample."""
        return hashlib.sha256(f"{self.rows.layout} {self.sample.digest()}".encode()).hexdigest()[:16]
