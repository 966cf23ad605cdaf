"""load: a known data set by name, or the user's own file, folder or array."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from prioria.data.base import DataError, Dataset, Protocol, Split
from prioria.data.files import data_root
from prioria.data.known.catalogue import BY_NAME
from prioria.data.own.inspection import Inspection, survey
from prioria.data.own.protocol import Treatment, fitting, own_data
from prioria.data.own.sources import read_source
from prioria.data.splits import binarized_once, stored, stored_labels
from prioria.spelling import suggesting


@suggesting
def load(
    source: Any,
    *,
    root: str | Path | None = None,
    binarize: Literal["dynamic"] | None = None,
    relaxed: bool = False,
    standardize: bool = False,
    levels: int | None = None,
    seed: int = 0,
) -> Dataset:
    """A data set under its protocol: one that prioria knows by name, or the user's own.

    Args:
        source: A known name ("mnist-static"); a path to .npy, .npz, .csv, .parquet, or to a folder or .zip of
            pictures; an array or tensor (N, ...); a pair (x, y) of rows and labels; a torch data set or
            DataLoader. The user's rows are split 80/10/10 at random, unless the file holds a split.
        root: Folder of the original files; None = PRIORIA_DATA, else the user's cache.
        binarize: "dynamic": grey values are Bernoulli probabilities, drawn afresh for every training batch.
        relaxed: Allow a Bernoulli likelihood on grey values as they are.
        standardize: Shift and scale every column of continuous values to mean 0 and deviation 1 in the training rows.
        levels: Whole values 0 to `levels` are grey levels; None = 255 for uint8, else they are counts.
        seed: Seed of a random split; sets with a fixed split do not use it.

    Raises:
        DataError: Unknown name, missing file, or values that cannot be trained on.

    >>> import numpy as np, torch
    >>> load("digits").train.batch(torch.arange(3)).shape
    torch.Size([3, 64])
    >>> load(np.random.default_rng(0).normal(size=(50, 4))).protocol.likelihoods
    ('Gaussian',)
    """
    if isinstance(source, Dataset):
        return source
    treatment = Treatment(binarize, relaxed, standardize, levels)
    if not isinstance(source, str | Path):
        return own_data(read_source(source), treatment, seed)
    known = str(source) in BY_NAME
    data = _known(str(source), root, treatment, seed) if known else own_data(read_source(source), treatment, seed)
    place = str(source) if known else str(Path(source).absolute())
    return replace(data, origin={"source": place, "seed": seed, **asdict(treatment)})


def _known(name: str, root: str | Path | None, treatment: Treatment, seed: int) -> Dataset:
    if treatment != Treatment():
        raise DataError(f"{name} has its own protocol; binarize, relaxed, standardize, levels are for your data")
    return BY_NAME[name].read(data_root(root), seed)


def inspect(source: Any) -> Inspection:
    """What a file or array holds: shape, range, kind of values, missing values, legal likelihoods.

    >>> print(inspect([[0, 1], [1, 1], [0, 0]]).kind)
    binary
    """
    own = read_source(source)
    return replace(survey(own.rows, own.name), labels=own.describe_labels())


def read_rows(source: Any, protocol: Protocol) -> Split:
    """The user's rows under the protocol that a model was trained with, for encoding and scoring.

    Args:
        source: As for `load`, but no known name.
        protocol: The protocol of the training data; its scale is used, whatever these rows look like. Under a
            dynamic protocol grey values are drawn once.

    Raises:
        DataError: The rows have another shape, kind or range, or missing values.
    """
    own = read_source(source)
    found = survey(own.rows, own.name)
    rows = Split(stored(own.rows), stored_labels(own.labels), fitting(protocol, found))
    dynamic = protocol.binarization == "dynamic" and found.kind != "binary"
    return binarized_once(rows) if dynamic else rows
