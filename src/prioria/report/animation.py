"""Paths as moving pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.data import Protocol
from prioria.report.pictures import Section, blocks, value_range
from prioria.storage import write_atomically

MILLISECONDS = 80


def write_gif(
    paths: Sequence[Float[Tensor, "T D"]],
    protocol: Protocol,
    out: str | Path,
    *,
    columns: int = 12,
    there_and_back: bool = True,
) -> Path:
    """Writes paths of pictures as an animated .gif, all moving at once, and returns its path.

    Args:
        paths: pictures along each path, as many on each, in the model's scale.
        protocol: of the data: its shape (C, H, W), and whether values are ink or brightness.
        out: the file.
        columns: pictures in a row.
        there_and_back: run the path backwards too, so that the loop has no jump.

    Raises:
        ValueError: no path, paths of different lengths, data that are no pictures, or another suffix.
    """
    from PIL import Image

    out, lengths = Path(out), {len(path) for path in paths}
    if len(lengths) != 1 or out.suffix != ".gif":
        raise ValueError(
            f"out={str(out)!r} and paths of lengths {sorted(lengths)}: give a .gif and paths of one length"
        )
    low, high = value_range(torch.cat(list(paths)))
    frames = [(rows - low) / (high - low) for rows in torch.stack(list(paths), 1)]  # one scale for all of them
    if there_and_back:
        frames += frames[-2:0:-1]
    images = [Image.fromarray(blocks({"": Section(rows)}, protocol, columns=columns)[""]) for rows in frames]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=MILLISECONDS, loop=0)
    write_atomically(out, lambda file: _write(file, buffer.getvalue()))
    return out


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
