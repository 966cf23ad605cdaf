"""What an array holds, found in one tiled pass, and which likelihoods are legal for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from prioria.data.base import Kind, Split, rows_per_tile
from prioria.data.errors import DataError
from prioria.data.own.arrays import CHANNELS
from prioria.data.rows import forget
from prioria.data.splits import tiles

LEGAL: dict[Kind, tuple[str, ...]] = {
    "binary": ("Bernoulli",),
    "grey": ("DiscretizedLogistic", "Gaussian"),
    "count": ("Multinomial", "Categorical", "Gaussian"),
    "continuous": ("Gaussian",),
}
SMALLEST = 8  # pixels of a side, from which an array (N, S, S) of 0 to 255 holds pictures and no series
FEWEST_PIXELS = 16  # rows of so many whole numbers, of which the largest is 255, are grey levels


@dataclass(frozen=True)
class Inspection:
    """What an array (N, ...) holds.

    Args:
        name: The file, or what to call the array.
        shape: Shape of the array, rows first.
        dtype: Its type.
        minimum: Smallest finite value.
        maximum: Largest finite value.
        kind: Binary, grey, count or continuous.
        levels: Largest grey level, when grey or binary values are stored as whole numbers above 1.
        missing: How many values are NaN or infinite.
        first_missing: The first row that has one.
        mean: Mean of every column (D,), over finite values.
        deviation: Standard deviation of every column (D,).
        labels: What the labels are, in words.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    minimum: float
    maximum: float
    kind: Kind
    levels: int | None
    missing: int
    first_missing: int | None
    mean: NDArray
    deviation: NDArray
    labels: str = "none"

    @property
    def likelihoods(self) -> tuple[str, ...]:
        """Class names of the likelihoods that are legal for the values as they are."""
        return LEGAL[self.kind]

    @property
    def constant(self) -> list[int]:
        """Numbers of the columns that never change."""
        return np.flatnonzero(self.deviation == 0).tolist()

    def __str__(self) -> str:
        likelihoods = ", ".join(self.likelihoods)
        if self.kind == "grey":
            likelihoods += "; Bernoulli with binarize='dynamic' or relaxed=True"
        spread = f"{self.deviation.min():.3g} to {self.deviation.max():.3g}"
        if self.kind == "continuous" and self.deviation.max() > 100 * self.deviation.min():
            spread += "; consider standardize=True"
        lines = {
            "rows": f"{self.shape[0]:,} of shape {self.shape[1:]}, {self.dtype}",
            "range": f"{self.minimum:g} to {self.maximum:g}",
            "values": self.kind,
            "missing": f"{self.missing:,} (first in row {self.first_missing})" if self.missing else "none",
            "constant columns": f"{len(self.constant)} of {len(self.mean)}",
            "column deviations": spread,
            "labels": self.labels,
            "likelihoods": likelihoods,
        }
        return "\n".join([self.name, *(f"  {title:<18} {text}" for title, text in lines.items())])


def survey(rows: NDArray, name: str, levels: int | None = None) -> Inspection:
    """Looks at every value of an array (N, ...) once, one tile at a time.

    Args:
        rows: The array, in memory or mapped.
        name: What error messages call it.
        levels: Says that the values are grey levels 0 to `levels`; None = found from type and range.

    Raises:
        DataError: The array is empty, one-dimensional, not numeric, or has no finite value.
    """
    _check_form(rows, name)
    flat = rows.reshape(len(rows), -1)
    seen = _Seen(flat.shape[1])
    for part in tiles(flat):
        seen.look(np.asarray(flat[part], np.float64), part.start)
        forget(rows)
    low, high = float(seen.low.min()), float(seen.high.max())
    if low > high:
        raise DataError(f"{name}: every value is missing")
    if max(-low, high) > float(np.finfo(np.float32).max):
        raise DataError(f"{name}: values from {low:g} to {high:g} exceed single precision; rescale them")
    if levels is not None and (not seen.whole or low < 0 or high > levels):
        raise DataError(f"{name}: levels={levels} needs whole values 0 to {levels}, not {low:g} to {high:g}")
    kind, levels = ("grey", levels) if levels else _kind(seen, rows, low, high)
    mean, deviation = seen.moments()
    return Inspection(
        name, rows.shape, str(rows.dtype), low, high, kind, levels, seen.missing, seen.first_missing, mean, deviation
    )


def moments(split: Split) -> tuple[NDArray, NDArray]:
    """Mean and standard deviation (D,) of every column as a model reads it, one tile at a time."""
    seen = _Seen(split.protocol.dimensions)
    for rows in torch.arange(len(split)).split(rows_per_tile(split.protocol.dimensions)):
        seen.look(split.batch(rows).double().numpy(), int(rows[0]))
    return seen.moments()


def _check_form(rows: NDArray, name: str) -> None:
    if rows.dtype.kind not in "buif":
        raise DataError(f"{name}: values of type {rows.dtype} are not real numbers; save a numeric array")
    if rows.size == 0:
        raise DataError(f"{name}: shape {rows.shape} holds no values")
    if rows.ndim < 2:
        raise DataError(
            f"{name}: one value a row (shape {rows.shape}) looks like labels; rows of one value need shape (N, 1)"
        )


class _Seen:
    """Running facts about the columns of an array."""

    def __init__(self, columns: int) -> None:
        self.low, self.high = np.full(columns, np.inf), np.full(columns, -np.inf)
        self.count, self.mean, self.squares = np.zeros(columns), np.zeros(columns), np.zeros(columns)
        self.missing, self.first_missing = 0, None
        self.whole, self.bits, self.bytes = True, True, True

    def look(self, tile: NDArray, start: int) -> None:
        """Takes in rows (T, columns) in float64 that begin at row `start`."""
        finite = np.isfinite(tile)
        if not finite.all():
            self.missing += int((~finite).sum())
            if self.first_missing is None:
                self.first_missing = start + int(np.argmin(finite.all(1)))
        values = tile[finite]
        self.whole = self.whole and bool((values == np.round(values)).all())
        self.bits = self.bits and bool(((values == 0) | (values == 1)).all())
        self.bytes = self.bytes and bool(((values == 0) | (values == 255)).all())
        np.minimum(self.low, np.min(tile, 0, where=finite, initial=np.inf), out=self.low)
        np.maximum(self.high, np.max(tile, 0, where=finite, initial=-np.inf), out=self.high)
        self._accumulate(tile, finite)

    def _accumulate(self, tile: NDArray, finite: NDArray) -> None:
        """Means and squared deviations of two parts combined (Chan, Golub, LeVeque 1979)."""
        count = finite.sum(0)
        mean = tile.sum(0, where=finite) / np.maximum(count, 1)
        total = np.maximum(self.count + count, 1)
        shift = mean - self.mean
        with np.errstate(over="ignore", invalid="ignore"):  # values that large are refused
            squares = ((tile - mean) ** 2).sum(0, where=finite)
            self.squares += squares + shift**2 * self.count * count / total
        self.mean += shift * count / total
        self.count += count

    def moments(self) -> tuple[NDArray, NDArray]:
        """Mean and standard deviation of every column; exactly zero where it never changes."""
        deviation = np.sqrt(self.squares / np.maximum(self.count, 1))
        return self.mean, np.where(self.low == self.high, 0.0, deviation)


def _kind(seen: _Seen, rows: NDArray, low: float, high: float) -> tuple[Kind, int | None]:
    if seen.bits:
        return "binary", None
    if rows.dtype == np.uint8:
        return ("binary" if seen.bytes else "grey"), 255
    if low >= 0 and high <= 1:
        return "grey", None
    if low >= 0 and _is_of_bytes(seen, rows, high):
        return ("binary" if seen.bytes else "grey"), 255
    if rows.dtype == np.uint16 and (_are_pictures(rows) or _are_square(rows)):
        return "grey", 2 ** max(int(high).bit_length(), 9) - 1  # of a camera with so many bits
    return ("count" if seen.whole and low >= 0 else "continuous"), None


def _are_pictures(rows: NDArray) -> bool:
    return rows.ndim == 4 and rows.shape[1] in CHANNELS


def _are_square(rows: NDArray) -> bool:
    return rows.ndim == 3 and rows.shape[1] == rows.shape[2] >= SMALLEST


def _is_of_bytes(seen: _Seen, rows: NDArray, high: float) -> bool:
    """Whether values from 0 on are grey levels of 8 bits stored otherwise, as float pictures of 0 to 255 are."""
    pictures = _are_pictures(rows) or _are_square(rows)
    return (128 <= high <= 255) if pictures else (seen.whole and high == 255 and len(seen.low) >= FEWEST_PIXELS)
