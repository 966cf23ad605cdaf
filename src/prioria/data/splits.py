"""From arrays to the three splits of a data set, binarising validation and test rows once where the protocol says so."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prioria.data.base import DataError, Dataset, Protocol, Split, rows_per_tile

BINARISATION_SEED = 777
"""Validation and test rows are drawn with the legacy numpy generator of this seed, as the VampPrior authors' code does."""

IN_MEMORY_BYTES = 2**30
"""Arrays above this size stay on disk as memory maps."""

Part = tuple[NDArray, NDArray | None]


def assemble(protocol: Protocol, train: Part, validation: Part, test: Part) -> Dataset:
    """The data set of three given parts (rows (N, ...), labels or None)."""
    generator = np.random.RandomState(BINARISATION_SEED)
    dynamic = protocol.binarisation == "dynamic"
    held_out = [
        (draw_once(protocol, rows, generator) if dynamic else rows, labels)
        for rows, labels in (validation, test)
    ]
    splits = [
        Split(_stored(rows), _labels(labels), protocol, fresh=dynamic and number == 0)
        for number, (rows, labels) in enumerate((train, *held_out))
    ]
    return Dataset(protocol, *splits)


def assemble_random(
    protocol: Protocol, rows: NDArray, labels: NDArray | None, sizes: Sequence[int], seed: int
) -> Dataset:
    """The data set of a random split: a permutation of the rows by numpy's default generator, cut into `sizes`."""
    order = np.random.default_rng(seed).permutation(len(rows))
    parts = np.split(order, np.cumsum(sizes)[:2])
    if on_disk(rows) and protocol.binarisation == "none":
        return Dataset(protocol, *(_members(protocol, rows, labels, np.sort(part)) for part in parts))
    return assemble(protocol, *((take(rows, part), _take_labels(labels, part)) for part in parts))


def _members(protocol: Protocol, rows: NDArray, labels: NDArray | None, part: NDArray) -> Split:
    return Split(rows.reshape(len(rows), -1), _labels(_take_labels(labels, part)), protocol, members=part)


def _take_labels(labels: NDArray | None, part: NDArray) -> NDArray | None:
    return None if labels is None else labels[part]


def on_disk(rows: NDArray) -> bool:
    """Whether the rows are too large to hold in memory and are memory-mapped instead."""
    return isinstance(rows, np.memmap)


def take(rows: NDArray, part: NDArray) -> NDArray:
    """rows[part], written tile by tile to a nameless memory map where the rows are themselves on disk."""
    if not on_disk(rows):
        return rows[part]
    out = allocate((len(part), *rows.shape[1:]), rows.dtype)
    for tile in tiles(out):
        out[tile] = rows[part[tile]]
    return out


def allocate(shape: tuple[int, ...], dtype: np.dtype | type) -> NDArray:
    """An empty array in memory, or above IN_MEMORY_BYTES a memory map of a temporary file that vanishes with it."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype)
    try:
        return np.memmap(tempfile.TemporaryFile(), dtype=dtype, mode="w+", shape=shape)
    except OSError as error:
        folder = tempfile.gettempdir()
        raise DataError(
            f"{size / 2**30:.1f} GiB do not fit into {folder} ({error}); set TMPDIR to a larger disk"
        ) from error


def tiles(rows: NDArray) -> Iterator[slice]:
    """Slices over the rows, none of them above the tile size in float32."""
    step = rows_per_tile(max(1, int(np.prod(rows.shape[1:]))))
    yield from (slice(start, start + step) for start in range(0, len(rows), step))


def draw_once(protocol: Protocol, rows: NDArray, generator: np.random.RandomState) -> NDArray:
    """Bernoulli(x) drawn once per value, stored as 0 or `scale` so that the protocol maps it to exactly 0 or 1."""
    assert isinstance(protocol.scale, float) and protocol.shift == 0.0
    out = allocate(rows.shape, np.uint8 if protocol.scale <= 255 else np.float32)
    for tile in tiles(rows):
        probability = rows[tile].astype(np.float32) / np.float32(protocol.scale)
        out[tile] = generator.binomial(1, probability) * protocol.scale
    return out


def _stored(rows: NDArray) -> Tensor | NDArray:
    flat = rows.reshape(len(rows), -1)
    if on_disk(rows):
        return flat
    dtype = flat.dtype if flat.dtype in (np.uint8, np.float32) else np.float32
    return torch.from_numpy(np.array(flat, dtype=dtype, order="C"))


def _labels(labels: NDArray | None) -> Tensor | None:
    if labels is None:
        return None
    return torch.from_numpy(labels.astype(np.float32 if labels.dtype.kind == "f" else np.int64))
