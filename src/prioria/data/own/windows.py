"""Windows of steps in time, and what is said about series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prioria.data.errors import DataError


@dataclass(frozen=True)
class Series:
    """How rows become series; `load` documents it."""

    series: bool = False
    window: int | None = None
    step: int | None = None

    def __post_init__(self) -> None:
        if self.step is not None and self.window is None:
            raise DataError(f"step={self.step} is between windows; say how long these are, as in window=48")
        for name, least in (("window", 2), ("step", 1)):
            if (value := getattr(self, name)) is not None and value < least:
                raise DataError(f"{name}={value} must be at least {least}")


def windows(rows: NDArray, name: str, options: Series) -> NDArray:
    """Rows as series (N, C, T): windows of steps in time (steps, channels), or of rows (N, T) that are series.

    Raises:
        DataError: rows of another form, or fewer steps than a window.
    """
    if options.window is None:
        if rows.ndim not in (2, 3):
            raise DataError(f"{name}: an array of shape {rows.shape} holds no series; give (N, T) or (N, C, T)")
        return rows[:, None] if rows.ndim == 2 else rows
    long = rows[:, None] if rows.ndim == 1 else rows
    if long.ndim != 2 or len(long) < options.window:
        raise DataError(
            f"{name}: windows of {options.window} are cut from a table of as many steps in time, (steps, channels), "
            f"and not from shape {rows.shape}"
        )
    return np.lib.stride_tricks.sliding_window_view(long, options.window, axis=0)[:: options.step or options.window]
