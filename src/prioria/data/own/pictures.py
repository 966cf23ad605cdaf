"""Pictures in a folder or a zip file, stacked into rows (N, channels, height, width) of uint8."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prioria.data.base import DataError
from prioria.data.formats import DAMAGED, naming
from prioria.data.splits import allocate

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".gif", ".tif", ".tiff", ".webp"))
GREY_MODES, COLOUR_MODES = ("1", "L", "LA"), ("RGB", "RGBA", "P", "CMYK", "YCbCr")

Prepare = Callable[[Image.Image], Image.Image]


def list_pictures(path: Path) -> list[str]:
    """Names of the pictures below a folder or inside a zip file, sorted."""
    with naming(path):
        if path.is_dir():
            names = (file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        else:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
    return sorted(name for name in names if Path(name).suffix.lower() in SUFFIXES)


def stack(path: Path, names: Sequence[str], prepare: Prepare = lambda image: image) -> NDArray[np.uint8]:
    """The named pictures as one array (N, channels, height, width), decoded one by one.

    Args:
        path: A folder or a zip file.
        names: What to read, as `list_pictures` returns it.
        prepare: Crops or resizes each picture before it is stored.

    Raises:
        DataError: No picture, one that cannot be decoded, or two of different sizes; names the pictures.
    """
    if not names:
        raise DataError(f"{path} holds no picture ({', '.join(sorted(SUFFIXES))})")
    rows: NDArray[np.uint8] | None = None
    for number, (name, data) in enumerate(_opened(path, names)):
        image = _decoded(path / name, data, prepare)
        if rows is None:
            rows = allocate((len(names), *image.shape), np.uint8)
        if image.shape != rows.shape[1:]:
            first, this = _size(rows[0]), _size(image)
            raise DataError(f"{path}: {names[0]} is {first} but {name} is {this}; resize them to one size")
        rows[number] = image
    assert rows is not None
    return rows


def _opened(path: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for name in names:
            with naming(path / name):
                data = (path / name).read_bytes()
            yield name, data
        return
    with zipfile.ZipFile(path) as archive:
        for name in names:
            with naming(path / name):
                data = archive.read(name)
            yield name, data


def _decoded(path: Path, data: bytes, prepare: Prepare) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode not in GREY_MODES + COLOUR_MODES:
                raise DataError(f"{path} has {image.mode} pixels; convert it to 8 bits a channel")
            pixels = np.asarray(prepare(image.convert("L" if image.mode in GREY_MODES else "RGB")))
    except DataError:
        raise
    except (*DAMAGED, SyntaxError, Image.DecompressionBombError) as error:
        reason = str(error).splitlines()[0].replace(f" {data[:0]!r}", "")
        raise DataError(f"{path} is no picture that can be decoded ({reason[:120]})") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _size(image: NDArray[np.uint8]) -> str:
    channels, height, width = image.shape
    return f"{width}x{height} {'grey' if channels == 1 else 'colour'}"
