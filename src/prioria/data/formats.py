"""Readers of the file formats of public data sets; every defect of a file becomes a DataError that names it."""

from __future__ import annotations

import gzip
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prioria.data.errors import DataError

IDX_LABELS, IDX_IMAGES = 2049, 2051
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    RuntimeError,  # zipfile's of a member that needs a password, or is packed by a method that Python has not
    TypeError,
    UnicodeError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
CUT_OFF = "it may be cut off or of another format"
REMEDIES = {  # a word of the reason -> what to do
    "bject": "Python objects are never unpickled: save numbers",
    "encrypted": "pack it again without a password, or unpack it into a folder",
    "ompression": "pack it again as plain zip (deflate), or unpack it into a folder",
}


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a file is read into one line that names the file."""
    try:
        yield
    except DataError:
        raise
    except DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        hints = (hint for word, hint in REMEDIES.items() if word in reason)
        raise DataError(f"{path} cannot be read ({reason}); {next(hints, CUT_OFF)}") from error


def content(path: Path) -> bytes:
    """The bytes of a file, unpacked if its name ends in .gz."""
    with naming(path):
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as stream:
            return stream.read()


def read_idx(path: Path, magic: int) -> NDArray[np.uint8]:
    """An idx file: big-endian magic (2049 labels, 2051 images), the sizes, then values in uint8."""
    data = content(path)
    with naming(path):
        found, first = struct.unpack(">ii", data[:8])
        if found != magic:
            kinds = {IDX_LABELS: "labels", IDX_IMAGES: "images"}
            holds = kinds.get(found, "something else")
            raise DataError(f"{path} holds {holds} (idx magic {found}), not {kinds[magic]}; are files swapped?")
        shape = (first, *struct.unpack(">ii", data[8:16])) if magic == IDX_IMAGES else (first,)
        return np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def read_mat(path: Path, *names: str) -> list[NDArray]:
    """The named arrays of a MATLAB (version 5 to 7) file."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    with naming(path):
        try:
            arrays = loadmat(path, variable_names=names)
        except (MatReadError, NotImplementedError) as error:
            raise DataError(f"{path} is no MATLAB file of version 5 to 7 ({error})") from error
        return [arrays[name] for name in names]
