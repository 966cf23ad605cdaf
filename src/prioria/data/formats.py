"""Readers of the file formats of public data sets; every defect of a file becomes a DataError that names it."""

from __future__ import annotations

import gzip
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prioria.data.base import DataError

IDX_LABELS, IDX_IMAGES = 2049, 2051


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a file is read into one line that names the file."""
    try:
        yield
    except DataError:
        raise
    except (OSError, EOFError, ValueError, KeyError, struct.error, zipfile.BadZipFile, UnicodeError) as error:
        raise DataError(
            f"{path} cannot be read ({_first_line(error)}); it may be cut off or of another format"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def opened(path: Path) -> bytes:
    """The content of a file, unpacked if its name ends in .gz."""
    with naming(path):
        if path.suffix == ".gz":
            with gzip.open(path) as stream:
                return stream.read()
        return path.read_bytes()


def read_idx(path: Path, magic: int) -> NDArray[np.uint8]:
    """An idx file of LeCun's: big-endian magic (2049 labels, 2051 images), the sizes, then uint8 values."""
    content = opened(path)
    with naming(path):
        found, first = struct.unpack(">ii", content[:8])
        if found != magic:
            kinds = {IDX_LABELS: "labels", IDX_IMAGES: "images"}
            raise DataError(
                f"{path} holds {kinds.get(found, 'something else')} (idx magic {found}), not {kinds[magic]}"
            )
        shape = (first, *struct.unpack(">ii", content[8:16])) if magic == IDX_IMAGES else (first,)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)
