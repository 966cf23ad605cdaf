"""Rows of pictures as one figure in which no pixel is interpolated."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from prioria.data import Protocol
from prioria.drawing import tiles, value_range
from prioria.report.style import INK, MUTED, PAPER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100
GAP, MARGIN, HEADING = 4, 16, 34  # pixels between tiles, around the page, above a section
NARROWEST = 560  # pixels of a page
LETTER, SMALL_LETTER = 9.0, 6.6  # pixels of a letter, on average, of a heading and of the note beside it


@dataclass(frozen=True)
class Picture:
    """A picture with its heading, as a data URI."""

    heading: str
    source: str
    note: str = ""


@dataclass(frozen=True)
class Section:
    """Pictures under one heading.

    Attributes:
        rows: values in the model's scale (n, D).
        note: what stands in grey beside the heading.
    """

    rows: Float[Tensor, "n D"]
    note: str = ""


def page(sections: Mapping[str, Section], protocol: Protocol, *, columns: int = 12) -> Figure:
    """Returns a figure with one block of pictures for each heading.

    Every tile is enlarged by a whole number of times and laid pixel on pixel: write it as .png.

    Args:
        sections: heading -> pictures.
        protocol: of the data: its shape (C, H, W), and whether values are ink (binary) or brightness.
        columns: pictures in a row.

    Raises:
        ValueError: the data are no pictures, or there is no column.
    """
    from matplotlib.figure import Figure

    found = blocks(sections, protocol, columns=columns)
    height = MARGIN + sum(HEADING + block.shape[0] + GAP for block in found.values())
    headings = (LETTER * len(name) + SMALL_LETTER * len(sections[name].note) + MARGIN for name in found)
    width = 2 * MARGIN + max(*(block.shape[1] for block in found.values()), math.ceil(max(headings)))
    width = max(NARROWEST, width)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=PAPER)
    top = height
    for name, block in found.items():
        _heading(figure, top, name, sections[name].note)
        top -= HEADING + block.shape[0]
        figure.figimage(block, MARGIN, top)
        top -= GAP
    return figure


def blocks(
    sections: Mapping[str, Section], protocol: Protocol, *, columns: int
) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
    """Returns the pictures of each section as one array, all on the scale of brightness of the first section.

    Raises:
        ValueError: the data are no pictures, or there is no column.
    """
    if len(protocol.shape) != 3 or columns < 1:
        raise ValueError(f"columns={columns} and data of shape {protocol.shape}: pictures need (C, H, W) and a column")
    low, high = value_range(next(iter(sections.values())).rows)
    enlarged = {name: tiles((each.rows - low) / (high - low), protocol) for name, each in sections.items()}
    return {name: mosaic(each, columns) for name, each in enlarged.items()}


def png(block: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Returns an array of colors as the bytes of a .png file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(block).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def mosaic(tiles: UInt8[np.ndarray, "n H W 3"], columns: int) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the tiles in rows of ``columns`` with gaps between them, row by row; the last row may be short."""
    count, height, width, _ = tiles.shape
    rows, columns = math.ceil(count / columns), min(columns, count)
    canvas = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, dtype=np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * (height + GAP), index % columns * (width + GAP)
        canvas[top : top + height, left : left + width] = tile
    return canvas


def _heading(figure: Figure, top: int, text: str, note: str) -> None:
    width, height = figure.get_size_inches() * DPI
    baseline = (top - HEADING + 8) / height
    figure.text(MARGIN / width, baseline, text, fontsize=11, color=INK, weight="bold")
    figure.text(1 - MARGIN / width, baseline, note, fontsize=9, color=MUTED, ha="right")
