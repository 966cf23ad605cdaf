"""Paths as strips of pictures and as animations, with discontinuities boxed in blue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray

from prioria import explore
from prioria.data import Protocol
from prioria.drawing import drawn
from prioria.report.pictures import DPI, GAP, HEADING, MARGIN, NARROWEST
from prioria.report.style import DATA, INK, MUTED, PAPER
from prioria.storage import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BOX = 3  # pixels of the line around a discontinuity
BLUE = tuple(int(DATA[place : place + 2], 16) for place in (1, 3, 5))


@dataclass(frozen=True, eq=False)
class Strip:
    """The frames of a path as pictures.

    Attributes:
        pictures: all of one size.
        discontinuities: numbers t of the steps from frame t to t+1 to put in a box.
    """

    pictures: UInt8[np.ndarray, "T H W 3"]
    discontinuities: Sequence[int] = ()


def strips_of(paths: Sequence[explore.Path], protocol: Protocol) -> list[Strip]:
    """Returns the nodes of paths as pictures, all on one scale, their discontinuities to be boxed."""
    pictures = drawn(torch.cat([path.frames for path in paths]), protocol)
    ends = np.cumsum([len(path.frames) for path in paths])[:-1]
    return [Strip(part, path.discontinuities) for part, path in zip(np.split(pictures, ends), paths, strict=True)]


def strips(rows: Mapping[str, Strip]) -> Figure:
    """Returns a figure with one strip under each heading, pixel on pixel: write it as .png.

    Args:
        rows: heading -> strip, for instance a method each.
    """
    from matplotlib.figure import Figure

    blocks = {name: _row(strip) for name, strip in rows.items()}
    height = MARGIN + sum(HEADING + block.shape[0] + GAP for block in blocks.values())
    width = max(NARROWEST, 2 * MARGIN + max(block.shape[1] for block in blocks.values()))
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=PAPER)
    top = height
    for name, block in blocks.items():
        count = len(rows[name].discontinuities)
        note = f"{len(rows[name].pictures)} nodes, {count} discontinuit{'y' if count == 1 else 'ies'}"
        baseline = (top - HEADING + 8) / height
        figure.text(MARGIN / width, baseline, name, fontsize=11, color=INK, weight="bold")
        figure.text(1 - MARGIN / width, baseline, note, fontsize=9, color=MUTED, ha="right")
        top -= HEADING + block.shape[0]
        figure.figimage(block, MARGIN, top)
        top -= GAP
    return figure


def animation(strip: Strip, path: str | Path, *, frames_per_second: float = 10.0) -> Path:
    """Writes a strip as a .gif that plays for ever; both frames of a discontinuity have a blue frame.

    Args:
        strip: the pictures.
        path: the .gif file.
        frames_per_second: speed.

    Raises:
        ValueError: the file is no .gif.
    """
    from PIL import Image

    path = Path(path)
    if path.suffix != ".gif":
        raise ValueError(f"path={str(path)!r} is no animation that prioria writes; use .gif")
    jumps = {place for step in strip.discontinuities for place in (step, step + 1)}
    pictures = [_boxed(picture, 0, picture.shape[1], place in jumps) for place, picture in enumerate(strip.pictures)]
    first, *others = [Image.fromarray(picture) for picture in pictures]
    timing = {"duration": round(1000 / frames_per_second), "loop": 0}
    write_atomically(path, lambda file: first.save(file, "GIF", save_all=True, append_images=others, **timing))
    return path


def _row(strip: Strip) -> NDArray[np.uint8]:
    count, height, width, _ = strip.pictures.shape
    row = np.full((height + 2 * BOX, count * (width + GAP) - GAP + 2 * BOX, 3), 255, np.uint8)
    for place, picture in enumerate(strip.pictures):
        left = BOX + place * (width + GAP)
        row[BOX:-BOX, left : left + width] = picture
    for step in strip.discontinuities:
        left = step * (width + GAP)
        row = _boxed(row, left, left + 2 * width + GAP + 2 * BOX, True)
    return row


def _boxed(picture: NDArray[np.uint8], left: int, right: int, wanted: bool) -> NDArray[np.uint8]:
    picture = picture.copy()
    if wanted:
        for edge in (np.s_[:BOX, left:right], np.s_[-BOX:, left:right]):
            picture[edge] = BLUE
        for edge in (np.s_[:, left : left + BOX], np.s_[:, right - BOX : right]):
            picture[edge] = BLUE
    return picture
