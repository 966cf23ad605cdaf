"""Pictures in a folder, a zip or a tar file, stacked into rows (N, channels, height, width) of uint8."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prioria.data.errors import DataError
from prioria.data.own.archives import Stream, is_tar, members, opened
from prioria.data.own.arrangement import arrange
from prioria.data.own.decoding import Color, Header, Pictures, Prepare, color_of, colored, decode, header
from prioria.data.splits import allocate

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".pbm", ".pgm", ".ppm", ".gif", ".tif", ".tiff", ".webp")
)
MOST_VALUES = 2**22
"""Values in one row: a picture of 1,182x1,182 in color. Larger ones are to be resized first."""

REMEDY = "--resize 64x64 (resize=(64, 64) in Python), with --crop where they should not be stretched"

Decode = Callable[[str, Stream], Iterator[NDArray[np.uint8]]]  # a name and its stream -> frames


@dataclass(frozen=True, eq=False)
class Found:
    """Pictures as rows.

    Args:
        rows: (N, channels, height, width).
        labels: Names (N,), or None.
        sizes: Rows of each part where the folders say so.
        pictures: How they were read, so that others are read alike.
    """

    rows: NDArray[np.uint8]
    labels: NDArray | None
    sizes: tuple[int, int, int] | None
    pictures: Pictures


def holds_pictures(path: Path) -> bool:
    """Whether a path is read as pictures: a folder, a zip or tar file, or one picture."""
    return path.is_dir() or path.suffix.lower() in {".zip", *SUFFIXES} or is_tar(path)


def list_pictures(path: Path) -> list[str]:
    """Names of the pictures below a folder or inside a zip or tar file, sorted."""
    return members(path, _is_picture)


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES


def read(path: Path, pictures: Pictures) -> Found:
    """All pictures of a folder, a zip or tar file, or the frames of one picture.

    Raises:
        DataError: No picture, one that cannot be decoded, different sizes without `resize`, or grey and color mixed
            without `color`; names the pictures.
    """
    folder, names = (path.parent, [path.name]) if _is_picture(path.name) else (path, list_pictures(path))
    _check_any(path, names)
    order = arrange(folder, names)
    found = _headers(folder, names, pictures)
    headers = {name: found[name] for name in order.names}
    pictures = replace(pictures, color=pictures.color or _one_color(path, headers))
    _check_sizes(path, headers, pictures)
    frames = {name: each.frames for name, each in headers.items()}
    rows = _stacked(folder, frames, lambda name, file: decode(folder / name, file, pictures.prepare, frames[name]))
    counts = list(frames.values())
    labels = None if order.labels is None else np.repeat(order.labels, counts)
    return Found(rows, labels, None if order.parts is None else _sizes(np.repeat(order.parts, counts)), pictures)


def _headers(folder: Path, names: Sequence[str], pictures: Pictures) -> dict[str, Header]:
    """What each file says of itself.

    Raises:
        DataError: some are no pictures; the first is named, and how many there are.
    """
    found: dict[str, Header] = {}
    failed: list[DataError] = []
    with closing(opened(folder, names)) as files:
        for name, stream in files:
            try:
                found[name] = header(folder / name, stream, pictures)
            except DataError as error:
                failed.append(error)
    if failed:
        more = f" ({len(failed)} of {len(names)} files are like it)" if len(failed) > 1 else ""
        raise DataError(f"{failed[0]}{more}") from failed[0]
    return found


def stack(path: Path, names: Sequence[str], prepare: Prepare = lambda image: image) -> NDArray[np.uint8]:
    """The first frames of the named pictures as one array (N, channels, height, width), decoded one by one.

    Args:
        path: A folder, a zip or a tar file.
        names: What to read, as `list_pictures` returns it.
        prepare: Crops or resizes each picture, in grey or color as it is, before it is stored.

    Raises:
        DataError: No picture, one that cannot be decoded, or two of different sizes; names the pictures.
    """
    _check_any(path, names)

    def both(image: Image.Image) -> Image.Image:
        return prepare(colored(image, color_of(image)))

    return _stacked(path, dict.fromkeys(names, 1), lambda name, file: decode(path / name, file, both))


def _stacked(path: Path, frames: Mapping[str, int], decoded: Decode) -> NDArray[np.uint8]:
    """The frames of each name as rows, in the order of the names, whatever order they are read in."""
    ends = dict(zip(frames, accumulate(frames.values()), strict=True))
    rows: NDArray[np.uint8] | None = None
    begun = ""
    with closing(opened(path, list(frames))) as files:
        for name, stream in files:
            for place, image in enumerate(decoded(name, stream), ends[name] - frames[name]):
                if rows is None:
                    rows, begun = allocate((sum(frames.values()), *image.shape), np.uint8), name
                if image.shape != rows.shape[1:]:
                    differ = _differ(path, begun, _size(rows[0].shape), name, _size(image.shape))
                    pages = "; or read the first page of each by --frames first" if begun == name else ""
                    raise DataError(f"{differ}{pages}")
                rows[place] = image
    assert rows is not None
    return rows


def _check_any(path: Path, names: Sequence[str]) -> None:
    if not names:
        raise DataError(f"{path} holds no picture ({', '.join(sorted(SUFFIXES))})")


def _one_color(path: Path, headers: Mapping[str, Header]) -> Color:
    grey, rgb = (next((n for n, each in headers.items() if each.color == color), None) for color in ("grey", "rgb"))
    if grey and rgb:
        raise DataError(
            f"{path}: {grey} is grey but {rgb} is in color; read all in one by --color grey or --color rgb "
            "(color= in Python)"
        )
    return "grey" if grey else "rgb"


def _check_sizes(path: Path, headers: Mapping[str, Header], pictures: Pictures) -> None:
    """Refuses different sizes, and rows of more values than a model can have, before anything is decoded."""
    name, first = next(iter(headers.items()))
    channels = (1 if pictures.color == "grey" else 3) + pictures.alpha
    width, height = pictures.resize or (first.width, first.height)
    if (values := width * height * channels) > MOST_VALUES:
        raise DataError(
            f"{path}: {name} would be a row of {width}x{height} pixels, {values:,} values, and up to {MOST_VALUES:,} "
            f"are read; make pictures smaller, as by {REMEDY}"
        )
    for other, each in headers.items():
        if pictures.resize is None and (each.width, each.height) != (width, height):
            before, this = ((channels, one.height, one.width) for one in (first, each))
            raise DataError(_differ(path, name, _size(before), other, _size(this)))


def _differ(path: Path, one: str, size: str, other: str, size_of_other: str) -> str:
    return f"{path}: {one} is {size} but {other} is {size_of_other}; bring them to one size, as by {REMEDY}"


def _size(shape: Sequence[int]) -> str:
    channels, height, width = shape
    return f"{width}x{height} {'grey' if channels < 3 else 'color'}"


def _sizes(parts: NDArray[np.int64]) -> tuple[int, int, int]:
    train, validation, test = np.bincount(parts, minlength=3).tolist()
    return train, validation, test
