"""Arrays into the file that its name asks for: .npz, .npy, .csv or .parquet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prioria.atomic import check_place, write_atomically
from prioria.data.base import DataError
from prioria.spelling import nearest

if TYPE_CHECKING:
    import pandas as pd

Arrays = Mapping[str, NDArray]


def write_arrays(path: Path, arrays: Arrays, main: str) -> None:
    """Writes arrays atomically, in the format that the suffix of the path names.

    An .npz holds all of them. An .npy holds the main one. A table, .csv or .parquet, holds the main one, a row for each
    row of it: its columns are named after the array, with numbers where there are several.

    Args:
        path: the file.
        arrays: by name.
        main: name of the one that a file of a single array holds.

    Raises:
        DataError: the suffix names no format.
        OSError: the file cannot be written; the message names it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "z.csv"
        >>> write_arrays(path, {"z": np.array([[1.0, 2.0]])}, main="z")
        >>> path.read_text().splitlines()
        ['z.0,z.1', '1.0,2.0']
    """
    write = _writer(path)
    write_atomically(path, lambda file: write(file, arrays, main))


def check_written(path: Path) -> None:
    """Raises what :func:`write_arrays` would, before the work: another suffix, or a place that cannot be written."""
    _writer(path)
    check_place(path)


def _writer(path: Path) -> Callable[[Path, Arrays, str], None]:
    if path.suffix.lower() not in WRITERS:
        hint = nearest(path.suffix.lower(), list(WRITERS))
        raise DataError(f"{str(path)!r} is named as no format that arrays are written in; {hint}")
    return WRITERS[path.suffix.lower()]


def _npz(file: Path, arrays: Arrays, main: str) -> None:
    with file.open("wb") as opened:
        np.savez(opened, allow_pickle=False, **arrays)


def _npy(file: Path, arrays: Arrays, main: str) -> None:
    with file.open("wb") as opened:
        np.save(opened, arrays[main], allow_pickle=False)


def _csv(file: Path, arrays: Arrays, main: str) -> None:
    _frame(arrays[main], main).to_csv(file, index=False)


def _parquet(file: Path, arrays: Arrays, main: str) -> None:
    _frame(arrays[main], main).to_parquet(file, index=False)


def _frame(array: NDArray, name: str) -> pd.DataFrame:
    import pandas as pd

    rows = array.reshape(len(array), -1)
    return pd.DataFrame(rows, columns=[name] if array.ndim == 1 else [f"{name}.{j}" for j in range(rows.shape[1])])


WRITERS = {".npz": _npz, ".npy": _npy, ".csv": _csv, ".parquet": _parquet}
