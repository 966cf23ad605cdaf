"""Tables of the user under a schema: training data, rows that come later, and what to say about them."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from prioria.data.base import OWN, Dataset, Protocol, Split
from prioria.data.column import NUMBERS, Column
from prioria.data.errors import DataError
from prioria.data.kinds import infer
from prioria.data.own.later import later_rows
from prioria.data.own.protocol import MINIMUM_ROWS, Treatment, numbers_of_parts, own_data, split_in_words
from prioria.data.own.series import as_series
from prioria.data.own.sources import Source, Table
from prioria.data.own.windows import Series, windows
from prioria.data.schema import Schema
from prioria.data.splits import assemble_members, stored, stored_labels

Result = TypeVar("Result")
PIXEL = re.compile(r"(.*\D)?\d+(x\d+)?", re.DOTALL)
SHOWN = 6  # levels of a column that a table of columns shows


@dataclass(frozen=True)
class Choices:
    """What the user says about the columns; `infer` documents it, and a schema says all of it."""

    schema: Schema | None = None
    label: str | None = None
    ignore: Collection[str] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    dates: bool = False

    def schema_of(self, table: Table, training: NDArray | None = None) -> Schema:
        """The schema of a table, given or found."""
        if self.schema is None:
            options = {"labels": self.label, "ignore": self.ignore, "kinds": self.kinds, "dates": self.dates}
            return named(table.name, lambda: infer(table.frame, **options, training=training))
        if self != Choices(self.schema):
            raise DataError(f"{table.name}: a schema says label, ignored columns, kinds and dates; leave the rest out")
        schema = self.schema
        named(table.name, lambda: tell(table.name, schema.differences(table.frame)))
        return schema


def named(name: str, find: Callable[[], Result]) -> Result:
    """What `find` returns; an error names the table."""
    try:
        return find()
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


def tell(name: str, lines: list[str]) -> None:
    """Warns, one line for each."""
    for line in lines:
        warnings.warn(f"{name}: {line}", stacklevel=2)


def table_data(table: Table, choices: Choices, treatment: Treatment, seed: int) -> Dataset:
    """The rows of a table, split as given or 80/10/10 at random; treatments are fitted on the training rows.

    Tables of bits, of counts and of grey pixels are what the same numbers in an array are.

    Raises:
        DataError: too few rows, columns that cannot be trained on, or a treatment that does not fit their kind.
    """
    rows = len(table.frame)
    if rows < MINIMUM_ROWS:
        raise DataError(f"{table.name}: {rows} rows are too few to split; give at least {MINIMUM_ROWS}")
    parts = numbers_of_parts(rows, table.sizes, seed)
    schema = choices.schema_of(table, parts[0])
    if (plain := as_array(table, schema, treatment)) is not None:
        return under(own_data(plain, treatment, seed), schema)
    if treatment.binarize or treatment.relaxed or treatment.levels:
        raise DataError(f"{table.name}: binarize, relaxed and levels are for grey values, these are columns of others")
    return columns_data(table, schema, parts, split_in_words(table.sizes))


def columns_data(table: Table, schema: Schema, parts: Sequence[NDArray], split: str) -> Dataset:
    """Rows of a table as columns of their kinds, in three given parts.

    Args:
        table: the rows.
        schema: the columns.
        parts: the numbers of the rows of each part.
        split: what they are, in words.
    """
    x = schema.encode(table.frame)
    protocol = Protocol(
        name=Path(table.name).absolute().stem,
        title=table.name,
        shape=(len(schema.features),),
        kind="columns",
        binarization="none",
        likelihoods=legal(schema, bool(np.isnan(x).any())),
        split=split,
        source=OWN,
        classes=schema.label.levels if schema.label else (),
        schema=schema,
        note="Under a Gaussian likelihood densities are of treated columns: subtract Schema.log_volume, of which the "
        f"sum of log-scales is {schema.log_scale:.4f} nats, for those of original units.",
    )
    return assemble_members(protocol, x, schema.labels(table.frame), parts)


def series_data(table: Table, choices: Choices, options: Series, treatment: Treatment, seed: int) -> Dataset:
    """The columns of numbers of a table as series: windows of all of them, or one series a row."""
    rows, schema = series_source(table, choices, options)
    return under(own_data(rows, treatment, seed), schema)


def series_source(table: Table, choices: Choices, options: Series) -> tuple[Source, Schema]:
    """The series of a table, and its schema, in which columns that hold no numbers are left out."""
    found = choices.schema_of(table)
    left_out = [column.name for column in found.features if not is_number(column)]
    tell(table.name, [f"column {name!r} holds no numbers and is left out of the series" for name in left_out])
    schema = Schema(tuple(replace(each, role="ignored") if each.name in left_out else each for each in found.columns))
    labels, label = schema.labels(table.frame), schema.label
    rows = Source(table.name, raw(schema, table), labels, label.levels if label else ())
    return as_series(rows, options), schema


def under(data: Dataset, schema: Schema) -> Dataset:
    """The data set with a schema in its protocol."""
    protocol = replace(data.protocol, schema=schema)
    train, validation, test = (replace(part, protocol=protocol) for part in (data.train, data.validation, data.test))
    return Dataset(protocol, train, validation, test)


def legal(schema: Schema, missing: bool) -> tuple[str, ...]:
    """Names of the likelihoods that are legal for encoded rows."""
    numbers = all(column.kind in NUMBERS for column in schema.features)
    return ("Columns", "Gaussian") if numbers and not missing else ("Columns",)


def as_array(table: Table, schema: Schema, treatment: Treatment) -> Source | None:
    """The table as the array that it could have come in: of bits, of counts, or of grey pixels; else None."""
    if not all(is_number(column) for column in schema.features) or any(each.source for each in schema.features):
        return None
    rows = raw(schema, table)
    if not np.isfinite(rows).all() or (rows < 0).any() or (rows != rows.round()).any():
        return None
    bits, pixels = rows.max() <= 1, is_pixels(schema, rows)
    if not (bits or pixels or treatment.levels or all(is_count(column) for column in schema.features)):
        return None
    labels, label = schema.labels(table.frame), schema.label
    kept = rows if bits or not pixels else rows.astype(np.uint8)
    if pixels and math.isqrt(kept.shape[1]) ** 2 == kept.shape[1]:
        kept = kept.reshape(len(kept), 1, math.isqrt(kept.shape[1]), -1)
    return Source(table.name, kept, labels, label.levels if label else (), table.sizes)


def is_number(column: Column) -> bool:
    """Whether its values are numbers, though few."""
    return column.kind in NUMBERS or (column.kind in ("binary", "ordinal") and column.integer)


def is_count(column: Column) -> bool:
    """Whether its values are counts from zero or one on."""
    return column.kind == "count" or column.levels in (("0", "1"), ("0", "2"), ("1", "2"))


def is_pixels(schema: Schema, rows: NDArray) -> bool:
    """Whether columns with numbered names hold 0 to 255."""
    if len(schema.features) < 16 or not 128 <= rows.max() <= 255:
        return False
    return all(PIXEL.fullmatch(column.name) for column in schema.features)


def raw(schema: Schema, table: Table) -> NDArray[np.float64]:
    """The features' values (N, D) as numbers in original units."""
    from prioria.data.values import numbers, series

    absent = np.full(len(table.frame), np.nan)
    found = [series(table.frame, column.name) for column in schema.features]
    return np.stack([absent if values is None else numbers(values) for values in found], 1)


def table_rows(table: Table, protocol: Protocol, *, strict: bool = False, missing: bool = False) -> Split:
    """Rows that come later, matched by the names of the columns; `missing` values are kept, or refused.

    Raises:
        DataError: no column fits, or with `strict` a difference; without a schema another number of columns.
    """
    schema = protocol.schema or infer(table.frame)
    if protocol.schema is not None:
        tell(table.name, named(table.name, lambda: schema.differences(table.frame, strict=strict, more=False)))
    labels = schema.labels(table.frame)
    if protocol.kind == "columns":
        return Split(stored(schema.encode(table.frame)), stored_labels(labels), protocol)
    rows = raw(schema, table)
    if protocol.series is not None:
        rows, labels = windows(rows, table.name, protocol.series), None
    pixels = protocol.kind == "grey" and is_pixels(schema, rows) and rows.min() >= 0 and bool((rows % 1 == 0).all())
    return later_rows(rows.astype(np.uint8) if pixels else rows, labels, protocol, table.name, missing=missing)


@dataclass(frozen=True)
class TableInspection:
    """What a table holds.

    Args:
        name: the file, or what to call it.
        rows: how many.
        schema: its columns.
    """

    name: str
    rows: int
    schema: Schema

    def __str__(self) -> str:
        heads = ("column", "kind", "role", "values", "missing", "treatment")
        lines = [heads, *(described(column) for column in self.schema.columns)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
        table = ("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines)
        features = len(self.schema.features)
        first = f"{self.name}: {self.rows:,} rows, {features} of {len(self.schema.columns)} columns are features"
        return "\n".join([first, *(f"  {line}".rstrip() for line in table), *notes(self.schema)])


def described(column: Column) -> tuple[str, ...]:
    """One column in six cells."""
    more = ", ..." if column.categories > SHOWN else ""
    values = ", ".join(column.levels[:SHOWN]) + more if column.levels else ""
    if column.resolution:
        values = f"steps of {column.resolution:g}"
    missing = f"{100 * column.missing:.1f} %" if column.missing else ""
    treated = f"({'log v' if column.treatment == 'log' else 'v'} - {column.center:.4g}) / {column.scale:.4g}"
    return (column.name, column.kind, column.role, values, missing, "" if column.treatment == "none" else treated)


def notes(schema: Schema) -> list[str]:
    """What was taken for what, and how to change it."""
    lines = []
    if schema.label is not None:
        name = schema.label.name
        lines.append(f"Label: {name!r}; --label COLUMN takes another, --kind {name}=category makes it a feature.")
    for kind, remedy in (
        ("date", "--dates reads year, month, weekday and epoch"),
        ("text", "--kind COLUMN=category takes it"),
        ("identifier", "--kind COLUMN=KIND takes it"),
        ("index", "--kind COLUMN=KIND takes it"),
        ("constant", "it says nothing"),
    ):
        sources = {column.source for column in schema.features}
        out = [each.name for each in schema.columns if each.kind == kind and each.role not in ("feature", "label")]
        if out := [name for name in out if name not in sources]:
            lines.append(f"Left out, {kind}: {', '.join(out[:10])}{', ...' if len(out) > 10 else ''}; {remedy}.")
    return lines
