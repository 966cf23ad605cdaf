"""The one protocol class: a data set is rows, a split, a binarization and the likelihoods it allows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from html import escape
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from prioria.data.errors import DataError
from prioria.data.rows import Order, Rows, forget
from prioria.data.schema import Schema

if TYPE_CHECKING:
    from prioria.data.own.decoding import Pictures
    from prioria.data.own.windows import Series

Kind = Literal["binary", "grey", "count", "continuous", "columns"]
Binarization = Literal["none", "dynamic", "static"]

TILE_BYTES = 32 * 2**20
"""No temporary array is larger: larger ones cost page faults, and arrays larger than memory must train."""

OWN = "the user's own data"  # source of a protocol that was found by looking at the rows

DIGEST_ROWS = 64
"""So many rows tell one split from another: enough for another seed or file, few enough for any size."""


@dataclass(frozen=True)
class Protocol:
    """What must agree before two likelihoods on one data set may be compared.

    A stored value v becomes the model's input x = (v + shift) / scale.

    Args:
        name: The name under which the set is loaded.
        title: The name that a table prints.
        shape: Event shape: (channels, height, width) for images, (columns,) for tables.
        kind: What the values are before binarization.
        binarization: "dynamic": training rows are drawn afresh from Bernoulli(x) for every batch, validation
            and test rows were drawn once. "static": the files hold bits. "none": values are used as they are.
        likelihoods: Names of the likelihood classes that are legal for the set.
        split: The split, in words.
        source: Who made the set, and where it comes from.
        note: What may not be compared with what.
        shift: Added to stored values, a number or one per column.
        scale: Divides shifted values, a number or one per column.
        classes: Names of the label values.
        factors: Names of the label columns, for labels (N, factors).
        pictures: How files of pictures were read, so that others are read alike.
        schema: Of a table: its columns. Rows are then stored as the model's input, and the schema takes them back.
        series: How series were cut, whose rows are (channels, steps).
        skeleton: File below the root of the data with the bones of a body, where rows are its poses.
        channels: The channels of that skeleton that the columns are; the others rest at zero.
        lengths: Of counts, as a model carries them: sums of some training rows, which samples get.
    """

    name: str
    title: str
    shape: tuple[int, ...]
    kind: Kind
    binarization: Binarization
    likelihoods: tuple[str, ...]
    split: str
    source: str
    note: str = ""
    shift: float | tuple[float, ...] = 0.0
    scale: float | tuple[float, ...] = 1.0
    classes: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    pictures: Pictures | None = None
    series: Series | None = None
    schema: Schema | None = None
    skeleton: str = ""
    channels: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()

    @property
    def dimensions(self) -> int:
        """The number of values in one row."""
        return math.prod(self.shape)

    def scaled(self, values: Tensor) -> Tensor:
        """The model's input x = (v + shift) / scale for stored values v (..., D), in float32."""
        x = values.float()
        x = x if self.shift == 0 else x + _constant(self.shift, x)
        return x if self.scale == 1 else x / _constant(self.scale, x)

    def treated(self, values: Tensor) -> Tensor:
        """The model's input for values (..., D) in the units of the file; of a table numbers so, and codes of names."""
        if self.kind == "columns" and self.schema is not None:
            return self.schema.scaled(values.float())
        return self.scaled(values)

    def unscaled(self, x: Tensor) -> Tensor:
        """The values v = scale x - shift in the units of the file; of a table numbers so, and codes of names."""
        if self.kind == "columns" and self.schema is not None:
            return self.schema.unscaled(x)
        return x * _constant(self.scale, x) - _constant(self.shift, x)

    def log_volume(self, x: Tensor) -> Tensor:
        r"""How far each row's density is stretched, \sum_d \log |dv_d / dx_d| (N,), in nats, for numbers x (N, D).

        log p(v) = log p(x) - log_volume(x) of real numbers; values of other kinds have probabilities, or keep theirs.
        """
        if self.kind == "columns" and self.schema is not None:
            return torch.from_numpy(self.schema.log_volume(x.cpu().numpy()))
        logs = np.log(np.broadcast_to(self.scale, self.dimensions)).sum() if self.kind == "continuous" else 0.0
        return torch.full((len(x),), float(logs), dtype=torch.float64)


def _constant(value: float | tuple[float, ...], like: Tensor) -> float | Tensor:
    return torch.tensor(value, device=like.device) if isinstance(value, tuple) else value


SplitName = Literal["test", "validation", "train"]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of one part of a data set, scaled (and for dynamic training rows binarized) as they are read.

    Args:
        rows: Stored values (N, D): a tensor in memory, a numpy memory map, or what reads them when they are asked for.
        labels: (N,) or (N, factors), or None.
        protocol: The protocol that the rows follow.
        fresh: Draw every batch from Bernoulli(x) with torch's global generator.
        members: Row numbers of this split in `rows` when several splits share a memory map; None = all rows.
    """

    rows: Tensor | np.ndarray | Rows
    labels: Tensor | None
    protocol: Protocol
    fresh: bool = False
    members: np.ndarray | None = None

    def __post_init__(self) -> None:
        name = self.protocol.name
        if tuple(self.rows.shape[1:]) != (self.protocol.dimensions,):
            raise DataError(
                f"{name}: rows have shape {tuple(self.rows.shape)}, expected (N, {self.protocol.dimensions})"
            )
        if self.labels is not None and len(self.labels) != len(self):
            raise DataError(f"{name}: {len(self.labels)} labels for {len(self)} rows; give one label per row")

    def __len__(self) -> int:
        return len(self.rows if self.members is None else self.members)

    def to(self, device: torch.device | str) -> Split:
        """The same split with its rows on a device, where batches are then read; a memory map stays where it is."""
        if not isinstance(self.rows, Tensor) or torch.device(device).type == self.rows.device.type == "cpu":
            return self  # torch would copy rows from "cpu" to "cpu:0"
        return replace(self, rows=self.rows.to(device))

    def batch(self, indices: Tensor) -> Tensor:
        """Rows (B, D) in float32 at positions `indices` (B,) of this split."""
        x = self.protocol.scaled(self._gather(indices))
        return torch.bernoulli(x) if self.fresh else x

    def mean(self) -> Tensor:
        """The mean row (D,): expected values, so dynamic training rows enter with their probabilities."""
        total = torch.zeros(self.protocol.dimensions, dtype=torch.float64)
        for positions in self._tiles(len(self)):
            total += self.protocol.scaled(self._gather(positions)).sum(0, dtype=torch.float64).cpu()
        return (total / len(self)).float()

    def maximum(self) -> float:
        """The largest value that a model may see."""
        tiles = self._tiles(len(self))
        return max((self.protocol.scaled(self._gather(rows)).max().item() for rows in tiles), default=-math.inf)

    def digest(self) -> str:
        """A hash of the binarization and of up to 64 scaled rows at even distances; it tells other data apart.

        No bits are drawn, and bfloat16 leaves out what the arithmetic of two machines may differ in.
        """
        x = self.protocol.scaled(self._gather(evenly(len(self), DIGEST_ROWS))).cpu()
        found = hashlib.sha256(f"{self.protocol.binarization} {len(self)}".encode())
        found.update(x.bfloat16().view(torch.uint8).numpy().tobytes())
        return found.hexdigest()[:16]

    def tensor(self, limit: int | None = None) -> Tensor:
        """`limit` rows at even distances (None = all) as float32 (N, D); a dynamic training split draws afresh.

        Not the first rows: those of a file may all be of one class.
        """
        rows = evenly(len(self), limit)
        out = torch.empty(len(rows), self.protocol.dimensions)
        for positions in self._tiles(len(rows)):
            out[positions[0] : positions[-1] + 1] = self.batch(rows[positions])
        return out

    def shuffled(self, seed: int, epoch: int) -> Order:
        """The row numbers in the order in which an epoch takes them: a permutation of (seed, epoch), to be sliced."""
        return torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(len(self)))

    def drawn(self, limit: int) -> Tensor:
        """At most `limit` different rows (B, D), drawn with torch's global generator."""
        return self.batch(torch.randperm(len(self))[:limit])

    def draws(self, size: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Random rows (size, D), again and again; fewer where there are no more."""
        while True:
            yield self.batch(torch.randint(len(self), (min(size, len(self)),), generator=generator))

    def _gather(self, indices: Tensor) -> Tensor:
        if isinstance(self.rows, Tensor):
            return self.rows.index_select(0, indices.to(self.rows.device))
        positions = indices.numpy() if self.members is None else self.members[indices.numpy()]
        chosen = torch.from_numpy(self.rows[positions].astype(np.float32))
        forget(self.rows)
        return chosen

    def _tiles(self, count: int) -> Iterator[Tensor]:
        yield from torch.arange(count).split(rows_per_tile(self.protocol.dimensions))


def evenly(count: int, limit: int | None) -> Tensor:
    """The numbers of at most `limit` of `count` rows, at even distances from the first on.

    Raises:
        ValueError: a limit below one.

    Example:
        >>> evenly(10, 4)
        tensor([0, 2, 5, 7])
    """
    if limit is not None and (not isinstance(limit, Integral) or limit < 1):
        raise ValueError(f"limit={limit!r} must be at least 1, a whole number; leave it out for all rows")
    kept = count if limit is None else min(limit, count)
    return torch.arange(kept) * count // max(kept, 1)


def rows_per_tile(dimensions: int) -> int:
    """How many rows of `dimensions` values fit in one tile with four copies in float64."""
    return max(1, TILE_BYTES // (32 * dimensions))


@dataclass(frozen=True, repr=False)
class Dataset:
    """Training, validation and test rows under one protocol.

    Args:
        protocol: What the rows follow.
        train: Training rows.
        validation: Validation rows.
        test: Test rows.
        origin: The arguments that load it again, where it came from a name or a path.

    Example:
        >>> from prioria.data import load
        >>> load("digits")
        Dataset('digits', shape (1, 8, 8), 1,297 + 200 + 300 rows, grey, dynamic bits)
    """

    protocol: Protocol
    train: Split
    validation: Split
    test: Split
    origin: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """The name of the protocol."""
        return self.protocol.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The event shape, for instance (1, 28, 28)."""
        return self.protocol.shape

    @property
    def dimensions(self) -> int:
        """The number of values in one row."""
        return self.protocol.dimensions

    def __repr__(self) -> str:
        rows = " + ".join(f"{len(split):,}" for split in (self.train, self.validation, self.test))
        bits = "" if self.protocol.binarization == "none" else f", {self.protocol.binarization} bits"
        return f"Dataset({self.name!r}, shape {self.shape}, {rows} rows, {self.protocol.kind}{bits})"

    def _repr_html_(self) -> str:
        splits = {"training": self.train, "validation": self.validation, "test": self.test}
        rows = ", ".join(f"{len(split):,} {name}" for name, split in splits.items())
        what = f"{self.protocol.kind} values of shape {self.shape}, {self.protocol.binarization} binarization"
        return f"<b>{escape(self.protocol.title)}</b> <small>({rows} rows; {what})</small>"
