"""Rows that come after training, under the protocol of a model; those that it has no probability for are marked."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from prioria.data.base import Protocol, Split
from prioria.data.own.inspection import survey
from prioria.data.own.protocol import fitting
from prioria.data.splits import binarized_once, stored, stored_labels, tiles

LARGEST = float(np.finfo(np.float32).max)


def later_rows(rows: NDArray, labels: NDArray | None, protocol: Protocol, name: str, *, missing: bool = False) -> Split:
    """Rows (N, ...) as the model reads them; grey values of a dynamic protocol are drawn once as bits.

    Args:
        rows: in the units of the data.
        labels: (N,) or (N, factors), or None.
        protocol: of the training data.
        name: what messages call the rows.
        missing: keep values that are missing, and mark those that the model has no probability for, such as 7 among
            bits, as missing, with a warning; where half of all rows hold such values the whole is refused all the same.

    Raises:
        DataError: rows of another shape, kind or range, or values that are missing.
    """
    kept = marked(rows, protocol, name) if missing else rows
    found = replace(survey(kept, name), dtype=str(rows.dtype))
    fitted = fitting(protocol, found, missing=missing)
    split = Split(stored(kept), stored_labels(labels), fitted)
    if protocol.binarization != "dynamic" or found.kind == "binary":
        return split
    return _drawn(split, kept) if found.missing else binarized_once(split)


def _drawn(split: Split, rows: NDArray) -> Split:
    """Bits drawn once, and NaN in all of a row in which a value is missing."""
    absent = ~np.isfinite(rows.reshape(len(rows), -1)).all(1)
    filled = np.where(absent.reshape(-1, *[1] * (rows.ndim - 1)), 0, rows)
    bits = binarized_once(replace(split, rows=stored(filled))).tensor()
    return replace(split, rows=bits.masked_fill(torch.from_numpy(absent)[:, None], torch.nan), protocol=_plain(split))


def _plain(split: Split) -> Protocol:
    return replace(split.protocol, scale=1.0)


def marked(rows: NDArray, protocol: Protocol, name: str) -> NDArray:
    """The rows, with NaN in place of values that the model has no probability for; as they are where half hold some."""
    if rows.ndim < 2 or rows.dtype.kind not in "buif" or not rows.size:
        return rows
    flat = rows.reshape(len(rows), -1)
    outside = np.concatenate([_outside(np.asarray(flat[part]), protocol).any(1) for part in tiles(flat)])
    if not outside.any() or 2 * outside.sum() > len(outside):
        return rows
    kept = np.array(flat, np.float64)
    bad = _outside(kept, protocol)
    row = int(outside.argmax())
    value = kept[row, bad[row]][0]
    warnings.warn(
        f"{name}: rows with values that the model, trained on {protocol.kind} values, has no probability for: "
        f"{int(outside.sum())}, the first row {row} (from 0) with {value:g}; they are taken as missing",
        stacklevel=2,
    )
    kept[bad] = np.nan
    return kept.reshape(rows.shape)


def _outside(values: NDArray, protocol: Protocol) -> NDArray[np.bool_]:
    """Which finite values have no probability."""
    finite = np.isfinite(values)
    if protocol.kind in ("binary", "grey") and isinstance(protocol.scale, float):
        highest = protocol.scale - 1 if protocol.shift else protocol.scale
        inside = (values >= 0) & (values <= highest)
        if protocol.kind == "binary":
            inside &= (values == 0) | (values == 1) | (values == highest)
    elif protocol.kind == "count":
        inside = (values >= 0) & (values == np.round(values))
    else:
        inside = np.ones(values.shape, bool)
    return finite & ~(inside & (np.abs(values.astype(np.float64, copy=False)) <= LARGEST))
