"""Commands on data sets."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.padding import Padding

from prioria import data
from prioria.storage import write_json


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


def kinds_of(given: tuple[str, ...]) -> dict[str, str]:
    """Kinds by column of options COLUMN=KIND."""
    for each in given:
        if "=" not in each:
            raise ValueError(f"--kind {each} must be COLUMN=KIND, as in --kind month=category")
    return {each.rpartition("=")[0]: each.rpartition("=")[2] for each in given}


def inspect(
    path: Annotated[Path, Parameter(help="A file of a table or of arrays, or a folder, zip or tar of pictures.")],
    *,
    out: Annotated[Path | None, Parameter(help="File for the schema of a table, for train --schema.")] = None,
    label: Annotated[str | None, Parameter(help="The column of labels.")] = None,
    ignore: Annotated[tuple[str, ...], Parameter(help="A column to leave out.")] = (),
    kind: Annotated[tuple[str, ...], Parameter(help="COLUMN=KIND, as in --kind month=category.")] = (),
    dates: Annotated[bool, Parameter(help="Read parts of dates as columns of numbers.")] = False,
    resize: Annotated[str | None, Parameter(help="Width and height that pictures are brought to, as in 64x64.")] = None,
    crop: Annotated[bool, Parameter(help="Cut pictures to these proportions in place of stretching them.")] = False,
    colour: Annotated[Literal["grey", "rgb"] | None, Parameter(help="Read all pictures so.")] = None,
    alpha: Annotated[bool, Parameter(help="Keep transparency as a channel; otherwise over white.")] = False,
    frames: Annotated[Literal["all", "first"], Parameter(help="Pages and frames of one file that are rows.")] = "all",
    series: Annotated[bool, Parameter(help="Rows are series, (N, T) or (N, channels, T).")] = False,
    window: Annotated[int | None, Parameter(help="Rows are steps in time: series are windows of so many.")] = None,
    step: Annotated[int | None, Parameter(help="Steps from one window to the next.")] = None,
) -> None:
    """Say what a file holds: the columns of a table, or shape, range, kind of values and legal likelihoods."""
    columns: Any = {"label": label, "ignore": ignore, "kinds": kinds_of(kind), "dates": dates}
    pictures: Any = {"resize": resize, "crop": crop, "colour": colour, "alpha": alpha, "frames": frames}
    windows: Any = {"series": series, "window": window, "step": step}
    found = data.inspect(path, **columns, **pictures, **windows)
    print(found)
    if out is not None:
        if not isinstance(found, data.TableInspection):
            raise ValueError(f"--out {out}: {path} is no table, so it has no schema; leave it out")
        write_json(out, found.schema.to_json())
        print(f"Written: {out}\nNext: prioria train {shlex.quote(str(path))} --schema {shlex.quote(str(out))}")
