"""Folders of parts of a table as data sets: judged by a sample, trained on as a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from prioria.data.base import Dataset, Protocol
from prioria.data.errors import DataError
from prioria.data.own.arrangement import parts_of
from prioria.data.own.frames import Choices, TableInspection, raw, table_data, tell
from prioria.data.own.parts import Drawn, Parts, joined
from prioria.data.own.protocol import Treatment, numbers_of_parts
from prioria.data.own.sources import Table
from prioria.data.own.tables import prepared
from prioria.data.streams import Blocks, Streamed
from prioria.data.values import unknown

if TYPE_CHECKING:
    import pandas as pd

    from prioria.data.schema import Schema

FITS: dict[str, tuple[Callable[[NDArray], NDArray], str]] = {  # kind -> whether an input fits, and what would
    "binary": (lambda x: (x == 0) | (x == 1), "0 and 1"),
    "grey": (lambda x: (x >= 0) & (x <= 1), "levels within those of the sample"),
    "count": (lambda x: (x >= 0) & (x == np.round(x)), "whole numbers from 0 on"),
    "continuous": (np.isfinite, "numbers"),
}


SAMPLE_ROWS, HELD_OUT = 50_000, 5_000
"""A folder is judged by so many training rows at most; of folders validation/ and test/ so many rows are taken."""


@dataclass(frozen=True, eq=False)
class Sampled:
    """Rows of a folder, those of its training part first.

    Args:
        table: the rows.
        training: numbers of the groups to train on.
        drawn: where they are from.
    """

    table: Table
    training: NDArray
    drawn: Drawn

    @classmethod
    def of(cls, parts: Parts, seed: int) -> Sampled:
        """Up to 50,000 random rows, and up to 5,000 of each of the folders validation/ and test/."""
        given = parts_of(parts.names)
        part = np.array([given.get(group.part, 0) for group in parts.groups])
        chosen = [
            parts.drawn(numbers, HELD_OUT if number else SAMPLE_ROWS, seed)
            for number in range(3)
            if len(numbers := np.flatnonzero(part == number))
        ]
        drawn = joined(chosen)
        train, validation, test = np.bincount(part[drawn.groups], minlength=3).tolist()
        frame = prepared(drawn.frame, str(parts.folder))
        table = Table(str(parts.folder), frame, (train, validation, test) if given else None)
        return cls(table, np.flatnonzero(part == 0), drawn)


def folder_data(parts: Parts, choices: Choices, treatment: Treatment, seed: int) -> Dataset:
    """A folder as a data set: columns, treatments, validation and test rows are those of a sample; all others train.

    A tenth of the sample are validation and a tenth test rows, unless folders train/, validation/ and test/ say more.

    Raises:
        DataError: as for any table.
    """
    sampled = Sampled.of(parts, seed)
    data = table_data(sampled.table, choices, treatment, seed)
    protocol = _protocol(data, parts, sampled)
    held_out = np.concatenate(numbers_of_parts(len(sampled.table.frame), sampled.table.sizes, seed)[1:])
    groups, places = sampled.drawn.groups[held_out], sampled.drawn.places[held_out]
    source = _Source(parts, protocol, [(number, places[groups == number]) for number in sampled.training.tolist()])
    train, validation, test = (replace(part, protocol=protocol) for part in (data.train, data.validation, data.test))
    rows = {"rows": source.blocks(), "labels": None, "protocol": protocol}
    stream = Streamed(**rows, fresh=train.fresh, sample=train)
    return Dataset(protocol, stream, validation, test)


def inspect_folder(parts: Parts, choices: Choices) -> TableInspection:
    """What the columns of a folder hold, by a sample of its rows."""
    sampled = Sampled.of(parts, seed=0)
    return TableInspection(_described(parts, sampled), len(parts), choices.schema_of(sampled.table))


def _described(parts: Parts, sampled: Sampled) -> str:
    rows = len(sampled.table.frame)
    judged = "" if rows == len(parts) else f", judged by {rows:,} random rows"
    return f"{parts.folder} ({len(parts.names):,} parts, {len(parts.groups):,} row groups{judged})"


def _protocol(data: Dataset, parts: Parts, sampled: Sampled) -> Protocol:
    """That of the sample; columns may hold missing values where the sample had none."""
    protocol = data.protocol
    if protocol.kind == "columns":
        protocol = replace(protocol, likelihoods=("Columns",))
    if sampled.table.sizes is None:
        held_out = f"{len(data.validation):,} validation and {len(data.test):,} test rows at random"
        protocol = replace(protocol, split=f"{held_out}, all others for training")
    return replace(protocol, title=_described(parts, sampled))


@dataclass(frozen=True, eq=False)
class _Source:
    """Reads the training rows of groups as a model's protocol stores them.

    Args:
        parts: the folder.
        protocol: of the data set.
        members: numbers of groups, and of their rows that are held out.
    """

    parts: Parts
    protocol: Protocol
    members: Sequence[tuple[int, NDArray]]
    told: set[str] = field(default_factory=set)

    def blocks(self) -> Blocks:
        sizes = [self.parts.groups[number].rows - len(held) for number, held in self.members]
        layout = [(each.part, each.number, each.rows) for each in self.parts.groups]
        return Blocks(sizes, self.protocol.dimensions, self.read, f"{layout}")

    def read(self, block: int) -> NDArray[np.float32]:
        number, held = self.members[block]
        group, schema = self.parts.groups[number], self.protocol.schema
        assert schema is not None
        name = f"{self.parts.folder / group.part}, row group {group.number}"
        needed = frozenset(column.source or column.name for column in schema.features)
        frame = prepared(self.parts.read(group, needed).to_pandas(), name)
        if self.protocol.kind == "columns":
            values = schema.encode(frame)
            self._tell(name, schema, frame, values)
        else:
            values = raw(schema, Table(name, frame)).astype(np.float32)
            self._check(name, schema, values)
        return np.delete(values, held, 0)

    def _tell(self, name: str, schema: Schema, frame: pd.DataFrame, values: NDArray) -> None:
        """Says of each column once that it has values that the sample had not."""
        for d in np.flatnonzero(np.isnan(values).any(0)).tolist():
            column = schema.features[d]
            if column.name not in self.told and (line := unknown(column, frame)):
                self.told.add(column.name)
                tell(name, [line])

    def _check(self, name: str, schema: Schema, values: NDArray[np.float32]) -> None:
        fits, wanted = FITS[self.protocol.kind]
        bad = ~fits(self.protocol.scaled(torch.from_numpy(values)).numpy())
        if bad.any():
            row, d = np.argwhere(bad)[0].tolist()
            raise DataError(
                f"{name}: column {schema.features[d].name!r} has {values[row, d]:g} in row {row}, and the rows by "
                f"which the folder was judged have {self.protocol.kind} values: give {wanted}, or --kind COLUMN=real"
            )
