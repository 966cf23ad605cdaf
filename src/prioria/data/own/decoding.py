"""One file of a picture: a bounded look at its header, then its frames as arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence

from prioria.data.errors import DataError
from prioria.data.formats import DAMAGED
from prioria.data.own.archives import Stream

GREY_MODES, DEEP_MODES = ("1", "L", "LA", "La"), ("I", "I;16", "I;16L", "I;16B", "I;16N")
COLOR_MODES = ("RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV")
ALPHA_MODES = ("LA", "La", "RGBA", "RGBa", "PA")
ORIENTATION, ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # the EXIF tag, and its values that exchange width and height
DIM = 4096  # a picture of 16 bits whose values stay below comes from 12 bits or fewer
MOST_PIXELS = 10**8
"""Pixels of one picture that are decoded: more than cameras have, and 0.4 GiB."""

Color = Literal["grey", "rgb"]
Prepare = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class Pictures:
    """How pictures become rows of one shape; `load` documents it."""

    resize: tuple[int, int] | None = None
    crop: bool = False
    color: Color | None = None
    alpha: bool = False
    frames: Literal["all", "first"] = "all"

    def __post_init__(self) -> None:
        if self.resize is not None and min(self.resize) < 1:
            raise DataError(f"resize={self.resize} must be width and height of at least 1, as in (64, 64)")
        if self.crop and self.resize is None:
            raise DataError("crop cuts pictures to the proportions of resize; give it too, as in resize=(64, 64)")
        if self.color not in (None, "grey", "rgb"):
            raise DataError(f"color={self.color!r} is unknown; use 'grey' or 'rgb'")
        if self.frames not in ("all", "first"):
            raise DataError(f"frames={self.frames!r} is unknown; use 'all' or 'first'")

    def prepare(self, image: Image.Image) -> Image.Image:
        """A picture in the wanted color and size."""
        image = colored(image, self.color or color_of(image), alpha=self.alpha)
        if self.resize is None:
            return image
        if self.crop:
            return ImageOps.fit(image, self.resize, Image.Resampling.BICUBIC)
        return image.resize(self.resize, Image.Resampling.BICUBIC)


def size_of(given: str | Sequence[int] | None) -> tuple[int, int] | None:
    """Width and height of "64x48" or (64, 48).

    >>> size_of("64x48")
    (64, 48)
    """
    if given is None:
        return None
    try:
        width, height = map(int, given.lower().split("x") if isinstance(given, str) else given)
    except (ValueError, TypeError) as error:
        raise DataError(f"resize={given!r} must be width x height, as in 64x64") from error
    return width, height


@dataclass(frozen=True)
class Header:
    """What a file says of itself before it is decoded.

    Args:
        width: As it is shown, upright.
        height: As it is shown, upright.
        frames: Pages or frames.
        color: Whether it has more than grey values.
    """

    width: int
    height: int
    frames: int
    color: Color


def header(file: Path, stream: Stream, pictures: Pictures) -> Header:
    """The header of a picture; nothing is decoded.

    Raises:
        DataError: No picture, one whose values cannot be read, or more pixels than `MOST_PIXELS`.
    """
    with _image(file, stream) as image:
        width, height = image.size
        if image.getexif().get(ORIENTATION) in ON_ITS_SIDE:
            width, height = height, width
        # a phone's .jpg may hold a second picture, for depth or as a preview, which is no row
        several = pictures.frames == "all" and image.format != "MPO"
        frames = getattr(image, "n_frames", 1) if several else 1
        return Header(width, height, frames, color_of(image))


def decode(file: Path, stream: Stream, prepare: Prepare, frames: int = 1) -> Iterator[NDArray[np.uint8]]:
    """The first `frames` frames of a picture, each (channels, height, width), upright and prepared."""
    with _image(file, stream) as image:
        for frame in islice(ImageSequence.Iterator(image), frames):
            pixels = np.asarray(prepare(ImageOps.exif_transpose(_shallow(file, frame))))
            yield pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


@contextmanager
def _image(file: Path, stream: Stream) -> Iterator[Image.Image]:
    """An opened picture; all that goes wrong with it becomes one line that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # there is a limit here
            image = Image.open(stream)  # pyright: ignore[reportArgumentType] - it reads and seeks
        _check(file, image)
        yield image
    except DataError:
        raise
    except (*DAMAGED, SyntaxError, Image.DecompressionBombError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].partition(" <")[0]
        raise DataError(
            f"{file} is no picture that can be decoded ({reason[:120]}); save it again, or move it out"
        ) from error


def _check(file: Path, image: Image.Image) -> None:
    if image.mode not in GREY_MODES + DEEP_MODES + COLOR_MODES:
        raise DataError(f"{file} has {image.mode} pixels; save it with 8 or 16 bits a channel, or as an array in .npy")
    if image.width * image.height > MOST_PIXELS:
        needed = image.width * image.height * len(image.getbands()) / 2**30
        raise DataError(
            f"{file} is {image.width}x{image.height}, of which decoding takes {max(needed, 0.1):.1f} GiB at least; up "
            f"to {MOST_PIXELS // 10**6} million pixels are read: make it smaller, or leave it out"
        )


def _shallow(file: Path, image: Image.Image) -> Image.Image:
    """The picture with 8 bits a channel; 16 bits are divided by 257, which takes 65535 to 255."""
    if image.mode not in DEEP_MODES:
        return image
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise DataError(f"{file} has values from {values.min()} to {values.max()}; save it as an array in .npy")
    if values.max() < DIM:
        warnings.warn(
            f"{file.parent}: some pictures of 16 bits reach {DIM - 1} of 65535 at most, and are dark in 8 bits; "
            "stretch them before, or save them as an array in .npy",
            stacklevel=2,
        )
    shallow = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    shallow.info = {"exif": image.getexif().tobytes()}
    return shallow


def color_of(image: Image.Image) -> Color:
    """Whether a picture has grey values alone; a palette may hold any color."""
    return "grey" if image.mode in GREY_MODES + DEEP_MODES else "rgb"


def colored(image: Image.Image, color: Color, *, alpha: bool = False) -> Image.Image:
    """A picture in grey or color, with alpha as a channel or laid over white."""
    grey = color == "grey"
    if alpha:
        return image.convert("LA" if grey else "RGBA")
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if grey else "RGB")
