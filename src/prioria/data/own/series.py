"""Series: rows of time steps, or windows of a long table, as rows (N, channels, steps)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from prioria.data.errors import DataError
from prioria.data.own.windows import Series, windows

if TYPE_CHECKING:
    from prioria.data.own.sources import Source

SHARES = (0.8, 0.9)  # of the time: what ends the training and the validation part


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
