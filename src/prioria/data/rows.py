"""What a split asks of rows that need not be in memory."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

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
