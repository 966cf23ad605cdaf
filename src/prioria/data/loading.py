"""load: a known data set by name, or the user's own file, folder or array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from prioria.data.base import DataError, Dataset, Protocol, Split
from prioria.data.files import data_root
from prioria.data.known.catalogue import BY_NAME
from prioria.data.own.decoding import Pictures, size_of
from prioria.data.own.inspection import Inspection, survey
from prioria.data.own.protocol import Treatment, fitting, own_data
from prioria.data.own.sources import Source, read_source
from prioria.data.splits import binarized_once, stored, stored_labels
from prioria.spelling import suggesting

PICTURE_OPTIONS = "resize, crop, colour, alpha and frames"


@suggesting
def load(
    source: Any,
    *,
    root: str | Path | None = None,
    binarize: Literal["dynamic"] | None = None,
    relaxed: bool = False,
    standardize: bool = False,
    levels: int | None = None,
    resize: str | Sequence[int] | None = None,
    crop: bool = False,
    colour: Literal["grey", "rgb"] | None = None,
    alpha: bool = False,
    frames: Literal["all", "first"] = "all",
    seed: int = 0,
) -> Dataset:
    """A data set under its protocol: one that prioria knows by name, or the user's own.

    Args:
        source: A known name ("mnist-static"); a path to .npy, .npz, .csv, .parquet, or to a folder, .zip or .tar of
            pictures; an array or tensor (N, ...); a pair (x, y) of rows and labels; a torch data set or
            DataLoader. The user's rows are split 80/10/10 at random, unless the file holds a split.
        root: Folder of the original files; None = PRIORIA_DATA, else the user's cache.
        binarize: "dynamic": grey values are Bernoulli probabilities, drawn afresh for every training batch.
        relaxed: Allow a Bernoulli likelihood on grey values as they are.
        standardize: Shift and scale every column of continuous values to mean 0 and deviation 1 in the training rows.
        levels: Whole values 0 to `levels` are grey levels; None = 255 for uint8, else they are counts.
        resize: Of pictures: "64x64" or (64, 64), width and height that all are brought to; None = they are of one size.
        crop: Of pictures: cut them to the proportions of `resize` around the center, in place of stretching them.
        colour: Of pictures: read all as "grey" or all as "rgb"; None = as they are, all alike.
        alpha: Of pictures: keep transparency as a channel; otherwise they are laid over white.
        frames: Of pictures: "all" pages of a TIFF and frames of a GIF are rows, or the "first" alone.
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
    pictures = Pictures(size_of(resize), crop, colour, alpha, frames)
    if not isinstance(source, str | Path):
        return own_data(_read(source, pictures), treatment, seed)
    known = str(source) in BY_NAME
    if known and pictures != Pictures():
        raise DataError(f"{source} has its own protocol; {PICTURE_OPTIONS} are for your pictures")
    data = _known(str(source), root, treatment, seed) if known else own_data(_read(source, pictures), treatment, seed)
    place = str(source) if known else str(Path(source).absolute())
    given = {name: value for name, value in asdict(pictures).items() if value != getattr(Pictures(), name)}
    return replace(data, origin={"source": place, "seed": seed, **asdict(treatment), **given})


def _read(source: Any, pictures: Pictures) -> Source:
    found = read_source(source, pictures)
    if found.pictures is None and pictures != Pictures():
        raise DataError(f"{found.name} is no file or folder of pictures; {PICTURE_OPTIONS} are for these")
    return found


def _known(name: str, root: str | Path | None, treatment: Treatment, seed: int) -> Dataset:
    if treatment != Treatment():
        raise DataError(f"{name} has its own protocol; binarize, relaxed, standardize, levels are for your data")
    return BY_NAME[name].read(data_root(root), seed)


def inspect(
    source: Any,
    *,
    resize: str | Sequence[int] | None = None,
    crop: bool = False,
    colour: Literal["grey", "rgb"] | None = None,
    alpha: bool = False,
    frames: Literal["all", "first"] = "all",
) -> Inspection:
    """What a file or array holds: shape, range, kind of values, missing values, legal likelihoods.

    The options of pictures are those of `load`.

    >>> print(inspect([[0, 1], [1, 1], [0, 0]]).kind)
    binary
    """
    own = _read(source, Pictures(size_of(resize), crop, colour, alpha, frames))
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
    own = read_source(source, protocol.pictures or Pictures())
    found = survey(own.rows, own.name)
    rows = Split(stored(own.rows), stored_labels(own.labels), fitting(protocol, found))
    dynamic = protocol.binarization == "dynamic" and found.kind != "binary"
    return binarized_once(rows) if dynamic else rows
