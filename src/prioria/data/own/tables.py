"""Tables of numbers in text (.csv) and columns (.parquet); a column named label, class or target is the label."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prioria.data.base import DataError

if TYPE_CHECKING:
    import pyarrow

LABEL_NAMES = ("label", "labels", "class", "target")  # not y, which is as often a coordinate


def read_csv(path: Path) -> tuple[NDArray, NDArray | None]:
    """Rows (N, columns) and labels of a text table, with or without a header; an empty field is missing."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        first, second = (line.rstrip("\r\n") for line in (*islice(stream, 2), *("", ""))[:2])
    if not first:
        raise DataError(f"{path} is empty")
    delimiter = max(",;\t", key=first.count)
    names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter, skipinitialspace=True))]
    header = not any(name and _is_number(name) for name in names)
    _check_names(path, names, header)
    if header and not second:
        raise DataError(f"{path} has a header but no rows")
    label = next((place for place, name in enumerate(names) if header and name.lower() in LABEL_NAMES), None)
    if label is not None and len(names) == 1:
        raise DataError(f"{path} has labels but no columns of values")
    load = partial(
        np.loadtxt, path, comments=None, delimiter=delimiter, skiprows=int(header), ndmin=2, encoding="utf-8-sig",
        quotechar='"',
    )  # fmt: skip
    rows = _numbers_of(load, len(names), label)
    if rows.shape[1] != len(names):
        raise DataError(f"{path}: the first line has {len(names)} names, the others {rows.shape[1]} fields; name each")
    if label is None:
        return rows, None
    return np.delete(rows, label, axis=1), np.char.strip(load(dtype=str, usecols=[label])[:, 0])


def _check_names(path: Path, names: list[str], header: bool) -> None:
    """Refuses what pandas writes unasked, a column of row numbers and a row of column numbers: neither is data."""
    if header and not names[0]:
        raise DataError(f"{path}: the first column has no name, as row numbers have; save with index=False, or name it")
    numbers = names[1:] if not names[0] else names
    if len(names) > 2 and numbers == list(map(str, range(len(numbers)))):
        raise DataError(f"{path}: the first line numbers the columns ({', '.join(numbers[:3])}, ...); delete it")


def _is_number(text: str) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True


def _numbers_of(load: Callable[..., NDArray], columns: int, label: int | None) -> NDArray:
    """All columns, the label as zero: where only some were read, a line with one field too many would go unnoticed."""
    ignored = {} if label is None else {label: lambda _: 0.0}
    try:
        return load(dtype=np.float64, converters=ignored or None)
    except ValueError:  # slower, but reads empty fields; words and ragged lines fail here too, with their place
        every = dict.fromkeys(range(columns), lambda text: float(text.strip() or "nan"))
        return load(dtype=np.float64, converters=every | ignored)


def read_parquet(path: Path) -> tuple[NDArray, NDArray | None]:
    """Rows (N, columns) and labels of a Parquet file; nulls are missing, and the index of pandas is left out."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(f"{path} needs pyarrow: pip install 'prioria[data]', or save it as .csv") from error
    table = pyarrow.parquet.read_table(path)
    index = (table.schema.pandas_metadata or {}).get("index_columns", [])  # of row numbers, as often as not: no data
    table = table.drop_columns([name for name in index if name in table.column_names])
    label = next((name for name in table.column_names if name.strip().lower() in LABEL_NAMES), None)
    columns = [_numbers(path, table, name) for name in table.column_names if name != label]
    if not columns:
        raise DataError(f"{path} has no columns of values")
    labels = None if label is None else np.array(table.column(label).to_pylist())
    return np.stack(columns, axis=1), labels


def _numbers(path: Path, table: pyarrow.Table, name: str) -> NDArray:
    import pyarrow

    kind = table.schema.field(name).type
    if not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind) or pyarrow.types.is_boolean(kind)):
        raise DataError(f"{path}: column {name!r} holds {kind}, not numbers; drop or encode it")
    return table.column(name).to_numpy().astype(np.float64)
