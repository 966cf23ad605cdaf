"""What an array holds, found in one tiled pass, and which likelihoods are legal for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prioria.data.base import DataError, Kind
from prioria.data.splits import tiles

LEGAL: dict[Kind, tuple[str, ...]] = {
    "binary": ("Bernoulli",),
    "grey": ("DiscretizedLogistic", "Gaussian"),
    "count": ("Categorical", "Gaussian"),
    "continuous": ("Gaussian",),
}


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
        missing: How many values are NaN or infinite.
        first_missing: The first row that has one.
        constant: Numbers of the columns that never change.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    minimum: float
    maximum: float
    kind: Kind
    missing: int
    first_missing: int | None
    constant: tuple[int, ...]

    @property
    def likelihoods(self) -> tuple[str, ...]:
        """Class names of the likelihoods that are legal for the values as they are."""
        return LEGAL[self.kind]

    def __str__(self) -> str:
        missing = f"{self.missing} (first in row {self.first_missing})" if self.missing else "none"
        likelihoods = ", ".join(self.likelihoods)
        if self.kind == "grey":
            likelihoods += "; Bernoulli with binarise='dynamic' (or relaxed=True)"
        return (
            f"{self.name}\n"
            f"  rows            {self.shape[0]:,} of shape {self.shape[1:]}, {self.dtype}\n"
            f"  range           {self.minimum:g} to {self.maximum:g}\n"
            f"  values          {self.kind}\n"
            f"  missing values  {missing}\n"
            f"  constant columns  {len(self.constant)}\n"
            f"  likelihoods     {likelihoods}"
        )


def survey(rows: NDArray, name: str) -> Inspection:
    """Looks at every value of an array (N, ...) once, at most one tile at a time.

    Raises:
        DataError: The array is empty, not numeric, or has no finite value.
    """
    if rows.dtype.kind not in "buif":
        raise DataError(f"{name}: values of type {rows.dtype} are not numbers; save a numeric array")
    if rows.size == 0 or rows.ndim == 0:
        raise DataError(f"{name}: shape {rows.shape} holds no values")
    flat = rows.reshape(len(rows), -1)
    low, high = np.full(flat.shape[1], np.inf), np.full(flat.shape[1], -np.inf)
    missing, first_missing, whole, two_valued = 0, None, True, True
    for part in tiles(flat):
        tile = flat[part]
        finite = np.isfinite(tile)
        if not finite.all():
            missing += int((~finite).sum())
            first_missing = part.start + int(np.argmin(finite.all(1))) if first_missing is None else first_missing
        np.minimum(low, np.where(finite, tile, np.inf).min(0), out=low)
        np.maximum(high, np.where(finite, tile, -np.inf).max(0), out=high)
        whole = whole and bool((tile[finite] == np.round(tile[finite])).all())
        two_valued = two_valued and bool(np.isin(tile[finite], (0, high.max())).all())
    return Inspection(
        name,
        rows.shape,
        str(rows.dtype),
        float(low.min()),
        float(high.max()),
        _kind(rows.dtype, low.min(), high.max(), whole, two_valued),
        missing,
        first_missing,
        tuple(np.flatnonzero(low == high).tolist()),
    )


def _kind(dtype: np.dtype, low: float, high: float, whole: bool, two_valued: bool) -> Kind:
    if two_valued and low == 0 and (high == 1 or (high == 255 and dtype == np.uint8)):
        return "binary"
    if dtype == np.uint8 or (0 <= low and high <= 1):
        return "grey"
    return "count" if whole and low >= 0 else "continuous"
