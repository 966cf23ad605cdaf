"""The user's own data, whatever it comes in: rows, labels and perhaps a split."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from prioria.data.errors import DataError
from prioria.data.formats import naming
from prioria.data.known.catalogue import BY_NAME
from prioria.data.own.arrays import channels_first, holds_holes
from prioria.data.own.decoding import Pictures
from prioria.data.own.named_arrays import by_name, meaning
from prioria.data.own.parts import holds_parts
from prioria.data.own.pictures import holds_pictures, read
from prioria.data.own.room import check_room, check_sizes, check_whole
from prioria.data.own.tables import TABLES, prepared, read_table, suffix_of
from prioria.data.own.windows import Series
from prioria.data.splits import on_disk
from prioria.spelling import nearest

if TYPE_CHECKING:
    import pandas as pd

AS_THEY_ARE = Pictures()
SPARSE = {"format", "shape", "data"}  # arrays that every sparse matrix in a file has


@dataclass(frozen=True)
class Source:
    """What the user hands in.

    Args:
        name: The file, or what to call the array.
        rows: (N, ...), in memory or mapped.
        labels: (N,) or (N, factors), or None.
        classes: Names of the label values.
        sizes: Rows of the training, validation and test part where the source is split already; else None.
        pictures: How pictures were read, where the rows are pictures of files.
        series: How series were cut, where the rows are series.
    """

    name: str
    rows: NDArray
    labels: NDArray | None = None
    classes: tuple[str, ...] = ()
    sizes: tuple[int, int, int] | None = None
    pictures: Pictures | None = None
    series: Series | None = None

    def __post_init__(self) -> None:
        if self.labels is not None and len(self.labels) != len(self.rows):
            raise DataError(f"{self.name}: {len(self.labels)} labels for {len(self.rows)} rows; give one label a row")

    def describe_labels(self) -> str:
        """What the labels are, in words."""
        if self.labels is None:
            return "none"
        names = self.classes or tuple(map(str, np.unique(self.labels).tolist()))
        return f"{len(names)} different: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"


@dataclass(frozen=True, eq=False)
class Table:
    """A table that the user hands in.

    Args:
        name: The file, or what to call it.
        frame: Its rows, as `prepared` gives them.
        sizes: Rows of the training, validation and test part where the table is split already; else None.
    """

    name: str
    frame: pd.DataFrame
    sizes: tuple[int, int, int] | None = None


def tabled(found: Source | Table, asked: bool) -> Source | Table:
    """Rows of numbers in memory as a table where some are missing, or where it is asked for; all else as it is."""
    if isinstance(found, Table) or found.rows.ndim != 2 or found.rows.dtype.kind not in "fiu" or on_disk(found.rows):
        return found
    return as_table(found) if asked or holds_holes(found.rows) else found


def as_table(source: Source) -> Table:
    """The table x0, x1, ... and label that rows of numbers are, as in a file of text."""
    import pandas as pd

    frame = pd.DataFrame(np.asarray(source.rows), columns=[f"x{d}" for d in range(source.rows.shape[1])])
    if source.labels is not None and source.labels.ndim == 1:
        names = np.array(source.classes)
        frame["label"] = names[source.labels] if len(names) else source.labels
    return Table(source.name, prepared(frame, source.name), source.sizes)


def read_source(source: Any, pictures: Pictures = AS_THEY_ARE) -> Source | Table:
    """Rows of a path, a DataFrame, an array or tensor, a pair (x, y), a torch data set or a DataLoader.

    Raises:
        DataError: In one line that names the file or array and the defect.
    """
    if isinstance(source, str | Path):
        found = read_path(Path(source), pictures)
        return found if isinstance(found, Table) else _encoded(_channels_first(found))
    if is_frame(source):
        return Table("table", prepared(source, "table"))
    if isinstance(source, TorchDataset | DataLoader):
        return _encoded(_channels_first(read_torch(source)))
    if isinstance(source, tuple):
        if len(source) != 2:
            raise DataError(f"a tuple of {len(source)} is no data set; give (x, y), rows and labels")
        return _encoded(_channels_first(Source("array", _array(source[0]), _array(source[1]))))
    return _channels_first(Source("array", _array(source)))


def _channels_first(source: Source) -> Source:
    return replace(source, rows=channels_first(source.rows, source.name))


def is_frame(source: Any) -> bool:
    """Whether it is a DataFrame; pandas, which takes half a second to import, is there if it is."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(source, pandas.DataFrame)


def _array(values: Any) -> NDArray:
    try:
        if np.ma.is_masked(values):  # what lies under a mask is missing, not data
            return np.ma.filled(values.astype(float), np.nan)
        return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    except (ValueError, TypeError) as error:
        raise DataError(f"array: rows cannot be put into one array ({error}); they must have one shape") from error


def _encoded(source: Source) -> Source:
    """Labels that are not numbers become class numbers, their names the classes."""
    if source.labels is None or source.labels.dtype.kind in "biuf":
        return source
    if source.labels.dtype.kind not in "US":
        raise DataError(f"{source.name}: labels of type {source.labels.dtype} are neither numbers nor text")
    classes, numbers = np.unique(source.labels, return_inverse=True)
    return replace(source, labels=numbers, classes=tuple(map(str, classes)))


def read_path(path: Path, pictures: Pictures = AS_THEY_ARE) -> Source | Table:
    """Rows and labels of a file or folder; `pictures` says how pictures are read."""
    if not path.exists():
        if str(path) in BY_NAME:
            raise DataError(f"{path} is the name of a known data set (prioria data list), but here a file is read")
        raise DataError(f"{path} is neither a file nor a known data set; {nearest(str(path), list(BY_NAME))}")
    if not path.is_dir() and not path.is_file():
        raise DataError(f"{path} is a pipe or a device, which is read once; save the rows in a file")
    if holds_parts(path):
        raise DataError(
            f"{path} is a folder of parts of a table; to train, evaluate and inspect it is one data set, and encode, "
            "score and impute take it with --out FOLDER"
        )
    if holds_pictures(path):
        return read_pictures(path, pictures)
    reader = READERS.get(suffix_of(path))
    if reader is None:
        readable = ", ".join(suffix for suffix in READERS if not suffix.endswith(".gz"))
        raise DataError(
            f"{path}: {suffix_of(path) or 'nameless'} files are not read; save the rows as one of {readable}"
        )
    with naming(path):
        return reader(path)


def read_npy(path: Path) -> Source | Table:
    """A memory-mapped array, so that it may be larger than memory; records with named fields are a table."""
    check_whole(path)
    rows = np.load(path, mmap_mode="r", allow_pickle=False)
    if isinstance(rows, np.lib.npyio.NpzFile):
        raise DataError(f"{path} holds several arrays; rename it to {path.with_suffix('.npz').name}")
    if rows.dtype.names is not None:
        return Table(str(path), prepared(_frame_of(rows), str(path)))
    if not rows.flags.c_contiguous:
        if on_disk(rows):
            raise DataError(f"{path} is stored column by column; save np.ascontiguousarray of it")
        rows = np.ascontiguousarray(rows)
    return Source(str(path), rows)


def _frame_of(records: NDArray) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame.from_records(np.array(records))


def read_npz(path: Path) -> Source:
    """The only array there is; or x and perhaps y; or train, validation, test and perhaps train_labels, ...

    Other common names will do, as data and target, or X_train and y_train. Or what `scipy.sparse.save_npz` wrote: such
    a matrix is made dense.
    """
    check_sizes(path)
    with np.load(path, allow_pickle=False) as arrays:
        keys = set(arrays.files)
        if SPARSE <= keys:
            return Source(str(path), _sparse(path))
        known = [name for name in sorted(keys) if meaning(name) is not None]
        return _of_arrays(path, {name: arrays[name] for name in known or sorted(keys)[:9]})


def _sparse(path: Path) -> NDArray:
    from scipy.sparse import load_npz

    matrix = load_npz(path)
    check_room(path, math.prod(matrix.shape) * matrix.dtype.itemsize)
    return matrix.toarray()


def read_mat(path: Path) -> Source:
    """Arrays of a MATLAB file of version 5 to 7 by the names of an .npz file; 7.3 is HDF5."""
    from scipy.io import loadmat, whosmat

    with path.open("rb") as stream:
        if stream.read(128).startswith(b"MATLAB 7.3"):
            return read_hdf5(path)
    for _, shape, _ in whosmat(path):
        check_room(path, 8 * math.prod(shape))
    arrays = {name: array for name, array in loadmat(path).items() if not name.startswith("__")}
    dense = {name: array.toarray() if hasattr(array, "toarray") else array for name, array in arrays.items()}
    return _of_arrays(path, dense)


def read_hdf5(path: Path) -> Source:
    """Arrays of an HDF5 file by the names of an .npz file."""
    if importlib.util.find_spec("h5py") is None:
        raise DataError(f"{path} needs h5py: pip install 'prioria[data]', or save it as .npz")
    import h5py

    with h5py.File(path) as file:
        arrays = {name: each for name, each in file.items() if isinstance(each, h5py.Dataset)}
        for array in arrays.values():
            check_room(path, array.size * array.dtype.itemsize)
        return _of_arrays(path, {name: array[()] for name, array in arrays.items()})


def _of_arrays(path: Path, arrays: Mapping[str, NDArray]) -> Source:
    rows, labels, sizes = by_name(path, arrays)
    return Source(str(path), rows, labels, sizes=sizes)


def read_pictures(path: Path, pictures: Pictures = AS_THEY_ARE) -> Source:
    """A folder, zip or tar file of pictures; their folders are parts of a split and labels."""
    found = read(path, pictures)
    return Source(str(path), found.rows, found.labels, sizes=found.sizes, pictures=found.pictures)


def _table(path: Path) -> Table:
    return Table(str(path), read_table(path))


READERS: dict[str, Callable[[Path], Source | Table]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".mat": read_mat,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    **dict.fromkeys(TABLES, _table),
}


def read_torch(source: TorchDataset | DataLoader) -> Source:
    """One pass over a torch data set or DataLoader, collected in memory: rows, and labels where items are pairs.

    A transform that changes from pass to pass is applied once.
    """
    batches: Iterable = source if isinstance(source, DataLoader) else DataLoader(source, batch_size=256)
    try:
        with torch.random.fork_rng():  # a DataLoader draws a seed, which must not change the training that follows
            items = [batch if isinstance(batch, tuple | list) else (batch,) for batch in batches]
        columns = [torch.cat(column).numpy() for column in zip(*items, strict=True)]
    except (TypeError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0][:160]
        raise DataError(f"torch data set: its items are no tensors of one shape ({reason})") from error
    if len(columns) not in (1, 2):
        raise DataError(f"torch data set: items of {len(columns)} parts are no (x) or (x, y)")
    return Source("array", columns[0], columns[1] if len(columns) == 2 else None)
