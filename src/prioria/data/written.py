"""Rows back in the form that they came in: a table with names and original kinds, in a file of any suffix."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from prioria.atomic import check_place, write_atomically
from prioria.data.base import Protocol
from prioria.data.errors import DataError
from prioria.spelling import nearest

if TYPE_CHECKING:
    import pandas as pd

ARRAYS = (".npz", ".npy")


def frame(protocol: Protocol, x: Tensor, *, bits: bool = False) -> pd.DataFrame:
    """Rows as a table, from numbers x (N, D) that a model reads or draws: names, units and kinds of the training data.

    A category comes out as its name, an integer column as integers, a positive one positive. Columns of data that had
    no names are x0, x1 and so on.

    Args:
        protocol: of the data, as ``model.protocol``.
        x: the rows.
        bits: they are bits drawn from grey values, which have no other units.

    Example:
        >>> import torch
        >>> from prioria.data import load
        >>> frame(load("two-moons").protocol, torch.zeros(2, 2)).columns.tolist()
        ['x0', 'x1']
    """
    import pandas as pd

    if protocol.kind == "columns" and protocol.schema is not None:
        return protocol.schema.decode(x.cpu().numpy())
    values = (x if bits else protocol.unscaled(x)).cpu().numpy()
    columns: Any = [f"x{number}" for number in range(values.shape[1])]
    if protocol.schema is not None and len(protocol.schema.features) == values.shape[1]:
        columns = [column.name for column in protocol.schema.features]
    if (bits or protocol.kind in ("binary", "count")) and (values == values.round()).all():
        values = values.astype(np.int64)
    return pd.DataFrame(values, columns=columns)


def check_written(path: Path) -> None:
    """Raises what `write` would, before the work: an unknown suffix, a missing package, or no place to write to."""
    suffix = path.suffix.lower()
    if suffix not in (*ARRAYS, *WRITERS):
        hint = nearest(suffix, [*WRITERS, *ARRAYS])
        raise DataError(f"{str(path)!r} is named as no format that is written here; {hint}")
    package = WRITERS[suffix][1] if suffix in WRITERS else ""
    if package and importlib.util.find_spec(package) is None:
        raise DataError(f"{path} needs {package}: pip install 'prioria[data]', or write .csv")
    check_place(path)


def write(path: Path, table: Callable[[], pd.DataFrame], arrays: Mapping[str, Any]) -> None:
    """Writes what the suffix of a path says, atomically: a table, all arrays (.npz), or the first of them (.npy).

    Raises:
        DataError: an unknown suffix, or a package that is missing.
    """
    check_written(path)
    suffix = path.suffix.lower()
    if suffix in WRITERS:
        made, save = table(), WRITERS[suffix][0]
        return write_atomically(path, lambda file: save(made, file))
    write_arrays(path, arrays)


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Writes all arrays by name into an .npz file, or the first of them into an .npy file, atomically."""
    stored = {
        name: each.cpu().numpy() if isinstance(each, Tensor) else np.asarray(each) for name, each in arrays.items()
    }

    def save_arrays(file: Path) -> None:
        with file.open("wb") as opened:
            if path.suffix.lower() == ".npy":
                np.save(opened, next(iter(stored.values())), allow_pickle=False)
            else:
                np.savez(opened, allow_pickle=False, **stored)

    write_atomically(path, save_arrays)


def _text(separator: str) -> Callable[[Any, Path], None]:
    return lambda table, file: table.to_csv(file, index=False, sep=separator)


def _json(table: Any, file: Path) -> None:
    table.to_json(file, orient="records", indent=1, force_ascii=False)


def _excel(table: Any, file: Path) -> None:
    with file.open("wb") as opened:  # the name of the temporary file has no suffix to go by
        table.to_excel(opened, index=False, engine="openpyxl")


WRITERS: dict[str, tuple[Callable[[Any, Path], None], str]] = {  # suffix -> writer, and the package that it needs
    ".csv": (_text(","), ""),
    ".tsv": (_text("\t"), ""),
    ".json": (_json, ""),
    ".parquet": (lambda table, file: table.to_parquet(file, index=False), "pyarrow"),
    ".feather": (lambda table, file: table.to_feather(file), "pyarrow"),
    ".xlsx": (_excel, "openpyxl"),
}
