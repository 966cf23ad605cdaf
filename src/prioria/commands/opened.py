"""What a command works on: a run, or a model alone, and the rows that are given to it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import Parameter

from prioria.data import DataError, Protocol, load
from prioria.data.known.catalogue import BY_NAME
from prioria.data.loading import NamedRows, read_named_rows
from prioria.model import VAE
from prioria.model import load as load_model
from prioria.train import Run
from prioria.train.run import exists

RunFolder = Annotated[Path, Parameter(help="Folder of a run, as prioria train wrote it.")]
ModelPlace = Annotated[
    Path, Parameter(help="Folder of a run, or a model alone: its folder, model.zip or hf://user/name; needs no data.")
]
DataFile = Annotated[
    str, Parameter(help="A data set's name (its test split), or a file of rows like the training data.")
]
Strict = Annotated[
    bool,
    Parameter(
        help="Refuse columns that are missing, unknown or have new levels, and values that have no probability; "
        "otherwise they are taken as missing, with a warning."
    ),
]
DataPlace = Annotated[
    str | None,
    Parameter(name="--data", help="Where the data of a run lies now, if it moved; rows for a model alone."),
]


@dataclass(frozen=True)
class Opened:
    """A trained model and how rows become its numbers.

    Attributes:
        model: in evaluation mode.
        protocol: of the data that it was trained on.
        run: its run; None where there is a model alone.
    """

    model: VAE
    protocol: Protocol
    run: Run | None = None

    @classmethod
    def of(cls, path: Path, data: Any = None) -> Opened:
        """Reads a run or a saved model.

        Args:
            path: folder of either, a packed model, or hf://user/name.
            data: where the data of a run lies now.

        Raises:
            ValueError: there is neither, or the model came from no data set.
        """
        run = Run.load(path, data=data) if exists(path) else None
        model = load_model(path) if run is None else run.model
        if model.protocol is None:
            raise ValueError(
                f"path={str(path)!r} holds a model without its treatment of rows: it came from no data set, or from an "
                "older version; build it by prioria.build.model(data), or train again"
            )
        return cls(model, model.protocol, run)

    def rows(self, source: str, *, strict: bool = False) -> NamedRows:
        """Reads rows as the model was trained: scaled, and where training binarized binarized once.

        A path that exists comes before a known data set of the same name.

        Args:
            source: the path or the name.
            strict: refuse columns that are missing, unknown or have new levels, and values that are missing.

        Raises:
            DataError: the rows do not fit the model, or there are none.
        """
        if Path(source).exists() or source not in BY_NAME:
            return read_named_rows(source, self.protocol, strict=strict, missing=not strict)
        if self.run is not None and self.run.trained_on(source):
            return NamedRows.of(self.run.data.test)
        test, shape = load(source).test, self.protocol.shape
        if test.protocol.shape != shape:
            raise DataError(f"{source} has rows of shape {test.protocol.shape}, but the model is for {shape}")
        return read_named_rows(test.rows if test.members is None else test.rows[test.members], self.protocol)


def has_units(model: VAE) -> bool:
    """Whether densities are of the values themselves, in their own units, and not of treated ones."""
    with torch.random.fork_rng(), torch.inference_mode():
        return hasattr(model.generate(1).px, "log_volume")


def check_outside(out: Path, data: Path, name: str) -> None:
    """Refuses a folder among its data: its pictures or tables would be data the next time that they are read.

    Args:
        out: the folder to write into.
        data: where the data is; only in a folder can there be another.
        name: what is written, to propose a place.
    """
    if data.is_dir() and out.resolve().is_relative_to(data.resolve()):
        raise ValueError(
            f"--out {out} lies in the folder of the data, {data}, and what is written there would be data the next "
            f"time; choose one outside, as in --out {shlex.quote(f'{data.resolve()}-{name}')}"
        )
