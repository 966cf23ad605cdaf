"""Commands on data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from prioria import data


def listing() -> None:
    """List every data set with its size, protocol and legal likelihoods, and whether its files are at hand."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("name", "train/validation/test", "shape", "values", "binarisation", "likelihoods", "at hand"):
        table.add_column(column)
    for entry in data.catalogue():
        protocol, sizes = entry.protocol, "/".join(f"{size:,}" for size in entry.sizes)
        shape, likelihoods = "x".join(map(str, protocol.shape)), ", ".join(protocol.likelihoods)
        at_hand = "yes" if entry.at_hand else "no"
        table.add_row(protocol.name, sizes, shape, protocol.kind, protocol.binarisation, likelihoods, at_hand)
    Console().print(table)


def inspect(
    path: Annotated[Path, Parameter(help="A .npy, .npz, .csv or .parquet file, or a folder of images.")],
) -> None:
    """Say what a file holds: shape, range, kind of values, missing values, and which likelihoods are legal."""
    print(data.inspect(path))
