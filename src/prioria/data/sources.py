"""load: a known data set by name, or the user's own file, folder or array."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from prioria.data.base import DataError, Dataset, Protocol
from prioria.data.catalogue import BY_NAME
from prioria.data.files import data_root
from prioria.data.formats import naming
from prioria.data.inspection import Inspection, survey
from prioria.data.splits import assemble_random

MINIMUM_ROWS = 10


def load(
    source: Any,
    *,
    root: str | Path | None = None,
    binarise: Literal["dynamic"] | None = None,
    relaxed: bool = False,
    seed: int = 0,
) -> Dataset:
    """A data set under its protocol: one that prioria knows by name, or the user's own.

    Args:
        source: A known name ("mnist-static"); a path to .npy or .npz; an array or tensor (N, ...); a pair (x, y) of rows
            and labels. The user's rows are split 80/10/10 at random.
        root: Folder of the original files; None = PRIORIA_DATA, else the user's cache.
        binarise: "dynamic": grey values become Bernoulli probabilities, drawn afresh for every training batch.
        relaxed: Allow a Bernoulli likelihood on grey values as they are.
        seed: Seed of a random split; sets with an official split do not use it.

    Raises:
        DataError: Unknown name, missing file, or values that cannot be trained on.

    >>> import torch
    >>> load("digits").train.batch(torch.arange(3)).shape
    torch.Size([3, 64])
    """
    if isinstance(source, str) and source in BY_NAME:
        if binarise or relaxed:
            raise DataError(f"{source} has a protocol of its own: binarise= and relaxed= are for your own data")
        return BY_NAME[source].read(data_root(root), seed)
    name, rows, labels = read_source(source)
    return own(name, rows, labels, binarise=binarise, relaxed=relaxed, seed=seed)


def inspect(source: Any) -> Inspection:
    """What a file or array holds: shape, range, kind of values, missing values, legal likelihoods."""
    name, rows, _ = read_source(source)
    return survey(rows, name)


def read_source(source: Any) -> tuple[str, NDArray, NDArray | None]:
    """Name, rows (N, ...) and labels of whatever the user hands in."""
    if isinstance(source, str | Path):
        return read_path(Path(source))
    if isinstance(source, tuple):
        if len(source) != 2:
            raise DataError(f"a tuple of {len(source)} is no data set; give (x, y), rows and labels")
        return "array", _array(source[0]), _array(source[1])
    return "array", _array(source), None


def _array(values: Any) -> NDArray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def read_path(path: Path) -> tuple[str, NDArray, NDArray | None]:
    """Name, rows and labels of a file."""
    if not path.exists():
        raise DataError(f"{path} is neither a file nor a known data set{_suggestion(str(path))}")
    with naming(path):
        if path.suffix == ".npy":
            return str(path), np.load(path, mmap_mode="r", allow_pickle=False), None
        if path.suffix == ".npz":
            return str(path), *read_npz(path)
    raise DataError(f"{path}: files ending in {path.suffix!r} are not read; save the rows as .npy")


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, BY_NAME, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(BY_NAME)}"


def read_npz(path: Path) -> tuple[NDArray, NDArray | None]:
    """The rows under the key x and labels under y, or the only array there is."""
    with np.load(path, allow_pickle=False) as arrays:
        keys = set(arrays.files)
        if len(keys) == 1:
            return arrays[keys.pop()], None
        if "x" not in keys:
            raise DataError(f"{path} holds {', '.join(sorted(keys))}; name the rows x and the labels y")
        return arrays["x"], arrays["y"] if "y" in keys else None


def own(
    name: str,
    rows: NDArray,
    labels: NDArray | None,
    *,
    binarise: Literal["dynamic"] | None,
    relaxed: bool,
    seed: int,
) -> Dataset:
    """The user's rows under a protocol found by looking at them."""
    found = survey(rows, name)
    if found.missing:
        raise DataError(f"{name}: {found.missing} values are NaN or infinite, the first in row {found.first_missing}")
    if len(rows) < MINIMUM_ROWS:
        raise DataError(f"{name}: {len(rows)} rows cannot be split 80/10/10; at least {MINIMUM_ROWS} are needed")
    if labels is not None and len(labels) != len(rows):
        raise DataError(f"{name}: {len(labels)} labels for {len(rows)} rows; give one label per row")
    held_out = len(rows) // 10
    sizes = (len(rows) - 2 * held_out, held_out, held_out)
    return assemble_random(own_protocol(found, binarise=binarise, relaxed=relaxed), rows, labels, sizes, seed)


def own_protocol(found: Inspection, *, binarise: Literal["dynamic"] | None, relaxed: bool) -> Protocol:
    """The protocol of the user's rows: scale, binarisation and legal likelihoods follow from their kind."""
    if (binarise or relaxed) and found.kind != "grey":
        raise DataError(f"{found.name}: binarise= and relaxed= need grey values, these are {found.kind}")
    levels = 255.0 if found.maximum > 1 and found.kind in ("binary", "grey") else 1.0
    protocol = Protocol(
        name=Path(found.name).stem,
        title=found.name,
        shape=found.shape[1:] or (1,),
        kind=found.kind,
        binarisation="none",
        likelihoods=found.likelihoods,
        split="random 80 / 10 / 10 %",
        source="the user's own data",
        scale=levels,
    )
    if binarise:
        return replace(protocol, binarisation="dynamic", likelihoods=("Bernoulli",))
    if relaxed:
        return replace(
            protocol,
            likelihoods=("Bernoulli", *protocol.likelihoods),
            note="Bernoulli on grey values: no likelihood",
        )
    if found.kind == "grey" and levels == 255:
        return replace(protocol, shift=0.5, scale=256.0)
    return protocol
