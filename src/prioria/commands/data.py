"""Commands on data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.padding import Padding

from prioria import data


def listing() -> None:
    """List every data set with its size, split, protocol and likelihoods, and whether its files are at hand."""
    console = Console(highlight=False, markup=False)
    for entry in data.catalogue():
        for line, style in zip(described(entry), ("bold", "", ""), strict=True):
            console.print(line if style else Padding(line, (0, 0, 0, 2)), style=style)


def described(entry: data.Entry) -> tuple[str, str, str]:
    """Returns one data set in three lines: name and sizes, values, split in words."""
    protocol, sizes = entry.protocol, " / ".join(f"{size:,}" for size in entry.sizes)
    at_hand = "at hand" if entry.at_hand else "not at hand"
    shape = " x ".join(map(str, protocol.shape))
    binarization = "" if protocol.binarization == "none" else f", {protocol.binarization} binarization"
    return (
        f"{protocol.name}  {sizes}  ({at_hand})",
        f"{shape}, {protocol.kind}{binarization}; {', '.join(protocol.likelihoods)}",
        f"split: {protocol.split}",
    )


def inspect(
    path: Annotated[Path, Parameter(help="A .npy, .npz, .csv or .parquet file, or a folder, zip or tar of pictures.")],
    *,
    resize: Annotated[str | None, Parameter(help="Width and height that pictures are brought to, as in 64x64.")] = None,
    crop: Annotated[bool, Parameter(help="Cut pictures to these proportions in place of stretching them.")] = False,
    colour: Annotated[Literal["grey", "rgb"] | None, Parameter(help="Read all pictures so.")] = None,
    alpha: Annotated[bool, Parameter(help="Keep transparency as a channel; otherwise over white.")] = False,
    frames: Annotated[Literal["all", "first"], Parameter(help="Pages and frames of one file that are rows.")] = "all",
) -> None:
    """Say what a file holds: shape, range, kind of values, missing values, and which likelihoods are legal."""
    print(data.inspect(path, resize=resize, crop=crop, colour=colour, alpha=alpha, frames=frames))
