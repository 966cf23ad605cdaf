"""What a split asks of rows that need not be in memory."""

from __future__ import annotations

import mmap
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@runtime_checkable
class Rows(Protocol):
    """Rows (N, D) that are read when they are asked for."""

    shape: tuple[int, ...]

    def __len__(self) -> int: ...

    def __getitem__(self, numbers: NDArray, /) -> NDArray: ...


@runtime_checkable
class Order(Protocol):
    """Row numbers, of which slices are asked for."""

    def __getitem__(self, places: slice, /) -> Tensor: ...


def forget(rows: Any) -> None:
    """Gives back the pages of a read-only memory map that were read: a pass over it would fill the memory with them."""
    if isinstance(rows, np.memmap) and rows.mode == "r" and hasattr(mmap, "MADV_DONTNEED"):
        rows._mmap.madvise(mmap.MADV_DONTNEED)  # pyright: ignore[reportAttributeAccessIssue] - numpy keeps it there
