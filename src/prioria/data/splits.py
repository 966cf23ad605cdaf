"""From arrays to the three splits of a data set; held-out rows of dynamic protocols are binarized once here."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prioria.data.base import Dataset, Protocol, Split, rows_per_tile
from prioria.data.errors import DataError

BINARIZATION_SEED = 777
"""Seed of the legacy numpy generator, as in the VampPrior authors' code: validation is drawn first, then test."""

IN_MEMORY_BYTES = 2**30
"""Arrays above this size stay on disk as memory maps."""

RowsAndLabels = tuple[NDArray, NDArray | None]


def assemble(protocol: Protocol, train: RowsAndLabels, validation: RowsAndLabels, test: RowsAndLabels) -> Dataset:
    """The data set of three given parts, each (rows (N, ...), labels or None)."""
    return _binarized(Dataset(protocol, _all(protocol, train), _all(protocol, validation), _all(protocol, test)))


def assemble_random(
    protocol: Protocol, rows: NDArray, labels: NDArray | None, sizes: Sequence[int], seed: int
) -> Dataset:
    """The data set of a random split: numpy's default generator permutes the rows, `sizes` cut them."""
    order = np.random.default_rng(seed).permutation(len(rows))
    return assemble_members(protocol, rows, labels, np.split(order, np.cumsum(sizes)[:2]))


def assemble_members(protocol: Protocol, rows: NDArray, labels: NDArray | None, parts: Sequence[NDArray]) -> Dataset:
    """The data set of three parts, each the numbers of its rows."""
    train, validation, test = (_some(protocol, rows, labels, part) for part in parts)
    return _binarized(Dataset(protocol, train, validation, test))


def _all(protocol: Protocol, part: RowsAndLabels) -> Split:
    rows, labels = part
    return Split(stored(rows), stored_labels(labels), protocol)


def _some(protocol: Protocol, rows: NDArray, labels: NDArray | None, part: NDArray) -> Split:
    chosen = stored_labels(None if labels is None else labels[part])
    if on_disk(rows):
        return Split(stored(rows), chosen, protocol, members=part)
    return Split(stored(rows[part]), chosen, protocol)


def _binarized(data: Dataset) -> Dataset:
    if data.protocol.binarization != "dynamic":
        return data
    generator = np.random.RandomState(BINARIZATION_SEED)
    validation, test = _drawn_once(data.validation, generator), _drawn_once(data.test, generator)
    return Dataset(data.protocol, replace(data.train, fresh=True), validation, test)


def binarized_once(split: Split) -> Split:
    """The split with every value drawn once from Bernoulli(x), as validation and test rows are."""
    return _drawn_once(split, np.random.RandomState(BINARIZATION_SEED))


def _drawn_once(split: Split, generator: np.random.RandomState) -> Split:
    """Bernoulli(x) drawn once, stored as 0 or `scale` so that the protocol maps it to exactly 0 or 1."""
    scale = split.protocol.scale
    assert isinstance(scale, float) and split.protocol.shift == 0.0
    bits = allocate((len(split), split.protocol.dimensions), np.uint8 if scale <= 255 else np.float32)
    for positions in tiles(bits):
        x = split.batch(torch.arange(len(split))[positions])
        bits[positions] = generator.binomial(1, x.numpy()) * scale
    return Split(stored(bits), split.labels, split.protocol)


def on_disk(rows: NDArray) -> bool:
    """Whether the rows are a memory map too large to hold in memory."""
    return isinstance(rows, np.memmap) and rows.nbytes > IN_MEMORY_BYTES


def allocate(shape: tuple[int, ...], dtype: np.dtype | type) -> NDArray:
    """An empty array in memory, or above IN_MEMORY_BYTES a memory map of a temporary file that has no name.

    Raises:
        DataError: The temporary folder has no room for it.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype)
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < size:  # writing to a map of a full disk would kill the process
        raise DataError(f"{folder} has no room for {size / 2**30:.1f} GiB; set TMPDIR to a larger disk")
    with tempfile.TemporaryFile() as stream:
        return np.memmap(stream, dtype=dtype, mode="w+", shape=shape)


def tiles(rows: NDArray) -> Iterator[slice]:
    """Slices over the rows (N, ...), each within the tile size."""
    step = rows_per_tile(math.prod(rows.shape[1:]))
    yield from (slice(start, start + step) for start in range(0, len(rows), step))


def stored(rows: NDArray) -> Tensor | NDArray:
    """Flat rows (N, D): a tensor in uint8 or float32, or a memory map where they are too large for memory."""
    flat = rows.reshape(len(rows), -1)
    if on_disk(rows):
        return flat
    return torch.from_numpy(np.array(flat, np.uint8 if flat.dtype in (np.uint8, np.bool_) else np.float32))


def stored_labels(labels: NDArray | None) -> Tensor | None:
    """Labels in int64 or float32."""
    if labels is None:
        return None
    return torch.from_numpy(labels.astype(np.float32 if labels.dtype.kind == "f" else np.int64))
