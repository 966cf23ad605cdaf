"""Series: rows of time steps, or windows of a long table, as rows (N, channels, steps)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prioria.data.errors import DataError

if TYPE_CHECKING:
    from prioria.data.own.sources import Source

SHARES = (0.8, 0.9)  # of the time: what ends the training and the validation part


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


def as_series(source: Source, options: Series) -> Source:
    """The same rows as series (N, channels, steps).

    With a window, rows are steps in time and columns are channels. The first 80 % of the time are for training, the
    next 10 % for validation, the last for tests, and windows that reach from one part into another are left out:
    windows that overlap are nearly copies. Without one every row is a series of one channel.

    Raises:
        DataError: rows of another form, or too few of them for the windows.
    """
    if options.window is None:
        return replace(source, rows=windows(source.rows, source.name, options), series=options)
    every = windows(source.rows, source.name, replace(options, step=1))
    steps = len(every) + options.window - 1
    ends = [0, *(round(share * steps) for share in SHARES), steps]
    step = options.step or options.window
    parts = [np.arange(a, b - options.window + 1, step) for a, b in zip(ends[:-1], ends[1:], strict=True)]
    if not all(map(len, parts)):
        need = math.ceil(options.window / (1 - SHARES[1]) - 1e-9)
        raise DataError(
            f"{source.name}: {steps} steps in time hold no window of {options.window} in the last tenth, which is for "
            f"tests; give {need} steps or a shorter window"
        )
    train, validation, test = map(len, parts)
    rows = np.ascontiguousarray(every[np.concatenate(parts)])
    return replace(source, rows=rows, labels=None, classes=(), sizes=(train, validation, test), series=options)


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
