"""Commands on data sets."""

# pyright: reportInvalidTypeForm=false
# (the record of options is generated from a constructor)

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.padding import Padding

from prioria import data
from prioria.commands.options import flags
from prioria.data.reading import Reading
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


OF_TRAINING = frozenset({"binarize", "relaxed", "standardize", "schema"})
InspectedOptions = flags(Reading, without=OF_TRAINING)
INSPECTED = InspectedOptions()


def inspect(
    path: Annotated[Path, Parameter(help="A file of a table or of arrays, or a folder, zip or tar of pictures.")],
    *,
    out: Annotated[Path | None, Parameter(help="File for the schema of a table, for train --schema.")] = None,
    reading: Annotated[InspectedOptions, Parameter(name="*")] = INSPECTED,
) -> None:
    """Say what a file holds: the columns of a table, or shape, range, kind of values and legal likelihoods."""
    given = Reading(**vars(reading)).keywords()
    found = data.inspect(path, **{name: value for name, value in given.items() if name not in OF_TRAINING})
    print(found)
    if out is not None:
        if not isinstance(found, data.TableInspection):
            raise ValueError(f"--out {out}: {path} is no table, so it has no schema; leave it out")
        write_json(out, found.schema.to_json())
        print(f"Written: {out}\nNext: prioria train {shlex.quote(str(path))} --schema {shlex.quote(str(out))}")
