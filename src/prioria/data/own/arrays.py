"""Questions to arrays, in memory or mapped, before they are data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prioria.data.errors import DataError
from prioria.data.rows import forget
from prioria.data.splits import on_disk, tiles

CHANNELS = (1, 3, 4)  # of pictures: grey, color, and color with transparency


def holds_holes(rows: NDArray) -> bool:
    """Whether numbers are missing; rows of a file are looked at in tiles."""
    if rows.dtype.kind != "f" or rows.ndim < 1:
        return False
    for part in tiles(rows):
        found = bool(np.isnan(rows[part]).any())
        forget(rows)
        if found:
            return True
    return False


def channels_first(rows: NDArray, name: str) -> NDArray:
    """Pictures (N, height, width, channels), which have channels last, as (N, channels, height, width).

    Raises:
        DataError: they are mapped from a file too large to be turned in memory.
    """
    last = rows.ndim == 4 and rows.shape[3] in CHANNELS and rows.shape[1] not in CHANNELS
    if not last or (rows.dtype != np.uint8 and rows.shape[1] != rows.shape[2]):
        return rows
    if on_disk(rows):
        raise DataError(f"{name} has channels last, shape {rows.shape}; save np.moveaxis(x, 3, 1) of it")
    return np.ascontiguousarray(np.moveaxis(rows, 3, 1))
