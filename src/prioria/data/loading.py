"""load: a known data set by name, or the user's own file, folder or array."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from prioria.data.base import DataError, Dataset, Protocol, Split
from prioria.data.catalogue import BY_NAME
from prioria.data.files import data_root
from prioria.data.inspection import Inspection, survey
from prioria.data.sources import Source, read_source
from prioria.data.splits import Part, assemble, assemble_random, binarised_once, stored

MINIMUM_ROWS = 10


def load(
    source: Any,
    *,
    root: str | Path | None = None,
    binarise: Literal["dynamic"] | None = None,
    relaxed: bool = False,
    standardise: bool = False,
    levels: int | None = None,
    seed: int = 0,
) -> Dataset:
    """A data set under its protocol: one that prioria knows by name, or the user's own.

    Args:
        source: A known name ("mnist-static"); a path to .npy, .npz, .csv, .parquet, or to a folder or .zip of
            pictures; an array or tensor (N, ...); a pair (x, y) of rows and labels; a torch data set or
            DataLoader. The user's rows are split 80/10/10 at random, unless the file holds a split.
        root: Folder of the original files; None = PRIORIA_DATA, else the user's cache.
        binarise: "dynamic": grey values are Bernoulli probabilities, drawn afresh for every training batch.
        relaxed: Allow a Bernoulli likelihood on grey values as they are.
        standardise: Shift and scale every column of continuous values to mean 0 and deviation 1.
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
    own = {"binarise": binarise, "relaxed": relaxed, "standardise": standardise, "levels": levels}
    found = _load(source, root=root, seed=seed, **own)
    if not isinstance(source, str | Path):
        return found
    place = source if source in BY_NAME else str(Path(source).absolute())
    return replace(found, origin={"source": str(place), "seed": seed, **own})


def _load(
    source: Any,
    *,
    root: str | Path | None,
    binarise: Literal["dynamic"] | None,
    relaxed: bool,
    standardise: bool,
    levels: int | None,
    seed: int,
) -> Dataset:
    if isinstance(source, str) and source in BY_NAME:
        if binarise or relaxed or standardise or levels is not None:
            raise DataError(f"{source} has its own protocol; binarise, relaxed, standardise, levels are for your data")
        return BY_NAME[source].read(data_root(root), seed)
    own = read_source(source)
    found = survey(own.rows, own.name, levels)
    _check_rows(found)
    protocol = own_protocol(own, found, binarise=binarise, relaxed=relaxed, standardise=standardise)
    if own.sizes:
        return assemble(protocol, *_given_parts(own, own.sizes))
    held_out = len(own.rows) // 10
    sizes = (len(own.rows) - 2 * held_out, held_out, held_out)
    return assemble_random(protocol, own.rows, own.labels, sizes, seed)


def inspect(source: Any) -> Inspection:
    """What a file or array holds: shape, range, kind of values, missing values, legal likelihoods.

    >>> print(inspect([[0, 1], [1, 1], [0, 0]]).kind)
    binary
    """
    own = read_source(source)
    return survey(own.rows, own.name)


def read_rows(source: Any, protocol: Protocol) -> Split:
    """The user's rows under the protocol that a model was trained with, for encoding and scoring.

    Args:
        source: As for `load`, but no known name.
        protocol: The protocol of the training data; its scale is used, whatever these rows look like. Under a
            dynamic protocol grey values are drawn once.

    Raises:
        DataError: The rows have another shape, or missing values.
    """
    own = read_source(source)
    found = survey(own.rows, own.name)
    _check_missing(found)
    if found.shape[1:] not in (protocol.shape, (protocol.dimensions,)):
        raise DataError(f"{own.name}: rows of shape {found.shape[1:]}, but the model is for {protocol.shape}")
    rows = Split(stored(own.rows), None, _fitting(protocol, found))
    dynamic = protocol.binarisation == "dynamic" and found.kind != "binary"
    return binarised_once(rows) if dynamic else rows


def _fitting(protocol: Protocol, found: Inspection) -> Protocol:
    """The protocol, its scale dropped for pixels that are scaled to [0, 1] already."""
    if protocol.kind not in ("binary", "grey") or not isinstance(protocol.scale, float):
        return protocol
    if found.maximum <= 1 < protocol.scale and protocol.shift == 0:
        return replace(protocol, scale=1.0)
    if found.minimum < 0 or found.maximum > protocol.scale or found.maximum <= 1 < protocol.scale:
        values = f"values from {found.minimum:g} to {found.maximum:g}"
        raise DataError(f"{found.name}: {values}, but the model was trained on 0 to {protocol.scale:g}; rescale them")
    return protocol


def own_protocol(
    own: Source, found: Inspection, *, binarise: Literal["dynamic"] | None, relaxed: bool, standardise: bool
) -> Protocol:
    """The protocol of the user's rows: scale and legal likelihoods follow from the kind of values."""
    if (binarise or relaxed) and found.kind != "grey":
        raise DataError(f"{own.name}: binarise and relaxed are for grey values, these are {found.kind}")
    if standardise and found.kind != "continuous":
        raise DataError(f"{own.name}: standardise is for continuous values, these are {found.kind}")
    protocol = Protocol(
        name=Path(own.name).stem,
        title=own.name,
        shape=found.shape[1:],
        kind=found.kind,
        binarisation="none",
        likelihoods=found.likelihoods,
        split="as in the file" if own.sizes else "random 80 / 10 / 10 %",
        source="the user's own data",
        scale=float(found.levels or 1),
        classes=own.classes,
    )
    if binarise:
        return replace(protocol, binarisation=binarise, likelihoods=("Bernoulli",))
    if relaxed:
        note = "A Bernoulli on grey values sums to no probability: its values are no likelihoods."
        return replace(protocol, likelihoods=("Bernoulli", *protocol.likelihoods), note=note)
    if found.kind == "grey" and found.levels:
        return replace(protocol, shift=0.5, scale=found.levels + 1.0)
    if standardise:
        return _standardised(protocol, found)
    return protocol


def _standardised(protocol: Protocol, found: Inspection) -> Protocol:
    return replace(
        protocol,
        shift=tuple((-found.mean).tolist()),
        scale=tuple(found.deviation.tolist()),
        note="Densities are of standardised columns: subtract the sum of the logarithms of their standard "
        f"deviations, {np.log(found.deviation).sum():.4f} nats, for those of the original units.",
    )


def _given_parts(own: Source, sizes: tuple[int, int, int]) -> list[Part]:
    ends = np.cumsum(sizes)[:2]
    labels = [None] * 3 if own.labels is None else np.split(own.labels, ends)
    return list(zip(np.split(own.rows, ends), labels, strict=True))


def _check_rows(found: Inspection) -> None:
    _check_missing(found)
    if found.shape[0] < MINIMUM_ROWS:
        raise DataError(f"{found.name}: {found.shape[0]} rows are too few to split; give at least {MINIMUM_ROWS}")
    if len(found.constant) == len(found.mean):
        raise DataError(f"{found.name}: all {found.shape[0]} rows are the same, so there is nothing to learn")
    if found.constant and found.kind == "continuous" and len(found.shape) == 2:
        column = found.constant[0]
        raise DataError(
            f"{found.name}: column {column} is always {found.mean[column]:g}, so its density has no bound; drop it "
            f"({len(found.constant)} such), or give pictures the shape (N, channels, height, width)"
        )


def _check_missing(found: Inspection) -> None:
    if found.missing:
        raise DataError(
            f"{found.name}: {found.missing} values are NaN or infinite, the first in row {found.first_missing}; "
            "fill them in or drop those rows"
        )
