"""The user's own rows under a protocol that is found by looking at them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from prioria.data.base import OWN, Dataset, Protocol, evenly
from prioria.data.errors import DataError
from prioria.data.own.inspection import Inspection, moments, survey
from prioria.data.own.sources import Source
from prioria.data.own.windows import Series
from prioria.data.splits import RowsAndLabels, assemble, assemble_members

MINIMUM_ROWS = 10
FEWEST_HELD_OUT = 2  # rows of each part: of one there is no error of a mean
FREQUENCIES, SMALLEST_SIDE, COMPARED = "FrequencyGaussian", 16, 1000  # a likelihood, pixels, rows
NARROWEST = 1e3 * float(np.finfo(np.float32).eps)  # deviation over mean: below, float32 leaves a thousand steps of it


@dataclass(frozen=True)
class Treatment:
    """What the user says about the values; `load` documents it."""

    binarize: Literal["dynamic"] | None = None
    relaxed: bool = False
    standardize: bool = False
    levels: int | None = None


def own_data(own: Source, treatment: Treatment, seed: int) -> Dataset:
    """The user's rows, split as in the file or 80/10/10 at random.

    Raises:
        DataError: Values that cannot be trained on, or a treatment that does not fit their kind.
    """
    found = survey(own.rows, own.name, treatment.levels)
    own, found = _formed(own, found, treatment)
    _check_rows(found)
    standardize = treatment.standardize or own.series is not None
    if standardize:
        _check_resolution(own.rows, found)
    protocol = own_protocol(own, found, treatment)
    data = _split(own, protocol, seed)
    return _standardized(data) if standardize else data


def _formed(own: Source, found: Inspection, treatment: Treatment) -> tuple[Source, Inspection]:
    """Three axes of real numbers are series (N, C, T), and of bits or grey values pictures (N, H, W) of one channel.

    Rows of grey levels up to 255 whose number is a square are square pictures, unless they come as bytes or levels.
    """
    rows, side = own.rows, math.isqrt(len(found.mean))
    if own.series is None and rows.ndim == 3 and found.kind == "continuous":
        own = replace(own, series=Series())
    if own.series is not None:
        return own, replace(found, kind="continuous", levels=None)
    told = rows.dtype == np.uint8 or treatment.levels or found.levels is None
    if rows.ndim == 3 and found.kind in ("binary", "grey"):
        rows = rows[:, None]
    elif rows.ndim == 2 and not told and side**2 == len(found.mean):
        rows = rows.reshape(-1, 1, side, side)
    return replace(own, rows=rows), replace(found, shape=rows.shape)


def _split(own: Source, protocol: Protocol, seed: int) -> Dataset:
    if own.sizes and all(own.sizes):
        train, validation, test = _given_parts(own, own.sizes)
        return assemble(protocol, train, validation, test)
    return assemble_members(protocol, own.rows, own.labels, numbers_of_parts(len(own.rows), own.sizes, seed))


def numbers_of_parts(rows: int, sizes: tuple[int, int, int] | None, seed: int) -> list[NDArray]:
    """The numbers of the training, validation and test rows: as given, or 80/10/10 at random."""
    if sizes is not None:
        return _filled(sizes, seed)
    held_out = max(rows // 10, FEWEST_HELD_OUT)
    return np.split(np.random.default_rng(seed).permutation(rows), [rows - 2 * held_out, rows - held_out])


def _filled(sizes: tuple[int, int, int], seed: int) -> list[NDArray]:
    """The numbers of the rows of each part, where one that has none gets a tenth of the training rows at random."""
    train, *others = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:2])
    fewest = FEWEST_HELD_OUT if len(train) >= MINIMUM_ROWS else 1
    order, held_out = np.random.default_rng(seed).permutation(train), max(fewest, len(train) // 10)
    for place, part in enumerate(others):
        if not len(part):
            others[place], order = np.sort(order[:held_out]), order[held_out:]
    return [np.sort(order), *others]


def split_in_words(sizes: tuple[int, int, int] | None) -> str:
    """How rows are split, of given sizes or at random."""
    if sizes is None:
        return "random 80 / 10 / 10 %"
    absent = [part for part, size in zip(("validation", "test"), sizes[1:], strict=True) if not size]
    drawn = f"; {' and '.join(absent)}: a random tenth of the training rows{' each' * (len(absent) > 1)}"
    return "as in the file" + (drawn if absent else "")


def _preferred(own: Source, found: Inspection) -> tuple[str, ...]:
    """Names of the legal likelihoods, with that of frequencies first where neighbors tell more than places.

    For series always, and for pictures of more than 256 levels; for other grey pictures if, with half of some rows
    fitted and the other half scored, one Gaussian of frequencies has more log-likelihood than the histogram of every
    pixel.
    """
    if own.series is not None:
        return (FREQUENCIES, *found.likelihoods)
    if found.kind != "grey" or own.rows.ndim != 4 or min(own.rows.shape[2:]) < SMALLEST_SIDE:
        return found.likelihoods
    if (found.levels or 0) > 255:
        return (FREQUENCIES, *found.likelihoods)
    chosen = evenly(len(own.rows), COMPARED).numpy()
    levels = np.asarray(own.rows[chosen], np.float64) * (1 if found.levels else 255)
    fit, scored = levels[::2], levels[1::2]
    if len(scored) and _of_frequencies(fit, scored) > _of_histograms(fit, scored):
        return (FREQUENCIES, *found.likelihoods)
    return (*found.likelihoods, FREQUENCIES)


def _of_frequencies(fit: NDArray, scored: NDArray) -> float:
    """Mean log p of a row under independent Gaussians of the cosine transform, each no narrower than half a level."""
    from scipy.fft import dctn

    center = fit.mean(0)
    before, y = (np.asarray(dctn(rows - center, axes=(2, 3), norm="ortho")) for rows in (fit, scored))
    variance = (before**2).mean(0) + 0.25
    return float((-0.5 * (y**2 / variance + np.log(2 * np.pi * variance))).sum((1, 2, 3)).mean())


def _of_histograms(fit: NDArray, scored: NDArray) -> float:
    """Mean log p of a row under independent pixels, each with the shares of its levels and a row's worth of others."""
    fit, scored = (rows.round().astype(np.int64).reshape(len(rows), -1) for rows in (fit, scored))
    pixels = np.arange(fit.shape[1])
    counts = np.zeros((256, fit.shape[1]))
    np.add.at(counts, (fit, pixels), 1)
    return float(np.log((counts[scored, pixels] + 1 / 256) / (len(fit) + 1)).sum(1).mean())


def own_protocol(own: Source, found: Inspection, treatment: Treatment) -> Protocol:
    """The protocol of the user's rows: scale and legal likelihoods follow from the kind of values."""
    if (treatment.binarize or treatment.relaxed) and found.kind != "grey":
        raise DataError(f"{own.name}: binarize and relaxed are for grey values, these are {found.kind}")
    if treatment.standardize and found.kind != "continuous":
        raise DataError(f"{own.name}: standardize is for continuous values, these are {found.kind}")
    protocol = Protocol(
        name=Path(own.name).absolute().stem,  # as when it is loaded again by its origin: "." has no stem
        title=own.name,
        shape=found.shape[1:],
        kind=found.kind,
        binarization="none",
        likelihoods=_preferred(own, found),
        split=split_in_words(own.sizes),
        source=OWN,
        scale=float(found.levels or 1),
        classes=own.classes,
        pictures=own.pictures,
        series=own.series,
    )
    if treatment.binarize:
        return replace(protocol, binarization=treatment.binarize, likelihoods=("Bernoulli",))
    if treatment.relaxed:
        note = "A Bernoulli on grey values sums to no probability: its values are no likelihoods."
        return replace(protocol, likelihoods=("Bernoulli", *protocol.likelihoods), note=note)
    if found.kind == "grey" and found.levels:
        return replace(protocol, shift=0.5, scale=found.levels + 1.0)
    return protocol


def _standardized(data: Dataset) -> Dataset:
    """Shifted and scaled by the moments of the training rows: those of the test rows would be known beforehand."""
    mean, deviation = moments(data.train)
    if data.protocol.series is not None:  # one scale a channel: the steps of a series are in one unit
        each = mean.reshape(data.shape), deviation.reshape(data.shape)
        total = np.sqrt((each[1] ** 2 + each[0] ** 2).mean(1) - each[0].mean(1) ** 2)
        mean, deviation = (np.repeat(value, data.shape[1]) for value in (each[0].mean(1), total))
    constant = np.flatnonzero(deviation == 0)
    if len(constant):
        raise DataError(
            f"{data.protocol.title}: column {constant[0]} is always {mean[constant[0]]:g} in the training rows "
            f"({len(constant)} such), so it has no deviation to divide by; drop it, or leave standardize out"
        )
    protocol = replace(
        data.protocol,
        shift=tuple((-mean).tolist()),
        scale=tuple(deviation.tolist()),
        note="Densities are of columns standardized by the training rows: subtract the sum of the logarithms of their "
        f"standard deviations, {np.log(deviation).sum():.4f} nats, for those of the original units.",
    )
    parts = (data.train, data.validation, data.test)
    train, validation, test = (replace(part, protocol=protocol) for part in parts)
    return Dataset(protocol, train, validation, test)


def fitting(protocol: Protocol, found: Inspection, *, missing: bool = False) -> Protocol:
    """A model's protocol for other rows of the user: its scale is dropped for pixels already within [0, 1].

    Rows with `missing` values are refused, unless it is said that they may stay.

    Raises:
        DataError: The rows have another shape, kind or range than those of the protocol, or missing values.
    """
    if not missing:
        check_missing(found)
    shape = found.shape[1:]
    if protocol.shape not in (shape, (1, *shape)) and shape != (protocol.dimensions,):  # grey pictures need no channel
        raise DataError(f"{found.name}: rows of shape {shape}, but the model is for {protocol.shape}")
    _check_kind(protocol, found)
    if protocol.kind not in ("binary", "grey") or not isinstance(protocol.scale, float):
        return protocol
    unit_range = found.maximum <= 1 < protocol.scale
    black = unit_range and (np.issubdtype(np.dtype(found.dtype), np.integer) or found.maximum == 0)  # levels 0 and 1
    if unit_range and protocol.shift == 0:
        return replace(protocol, scale=1.0)
    highest = protocol.scale - 1 if protocol.shift else protocol.scale  # levels in bins of one: (v + 0.5) / scale
    if (unit_range and not black) or found.minimum < 0 or found.maximum > highest:
        values = f"values from {found.minimum:g} to {found.maximum:g}"
        raise DataError(f"{found.name}: {values}, but the model was trained on 0 to {highest:g}; rescale them")
    return protocol


def _check_kind(protocol: Protocol, found: Inspection) -> None:
    """Refuses values that a likelihood of bits or counts has no probability for."""
    if protocol.kind == "binary" and found.kind != "binary":
        wanted = "0 and 1, or 0 and 255 in uint8"
    elif protocol.kind == "count" and not (found.kind in ("binary", "count") or found.levels):
        wanted = "whole numbers from 0 on"
    else:
        return
    raise DataError(
        f"{found.name}: {found.kind} values from {found.minimum:g} to {found.maximum:g}, but the model was trained on "
        f"{protocol.kind} values; give {wanted}"
    )


def _given_parts(own: Source, sizes: tuple[int, int, int]) -> list[RowsAndLabels]:
    ends = np.cumsum(sizes)[:2]
    labels = [None] * 3 if own.labels is None else np.split(own.labels, ends)
    return list(zip(np.split(own.rows, ends), labels, strict=True))


def _check_rows(found: Inspection) -> None:
    check_missing(found)
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


def _check_resolution(rows: NDArray, found: Inspection) -> None:
    """Refuses columns so narrow, so far from zero, that float32 rounds away what is to be standardized: Unix times."""
    flat = rows.reshape(len(rows), -1)
    for column in np.flatnonzero(found.deviation < NARROWEST * np.abs(found.mean)).tolist():
        values = np.asarray(flat[:, column])
        if (values.astype(np.float32) != values).any():
            raise DataError(
                f"{found.name}: column {column} has mean {found.mean[column]:.10g} and deviation "
                f"{found.deviation[column]:.3g}, which single precision does not resolve; subtract "
                f"{found.mean[column]:.0f} from it before it is saved"
            )


def check_missing(found: Inspection) -> None:
    """Refuses rows with missing values."""
    if found.missing:
        raise DataError(
            f"{found.name}: {found.missing} values are NaN or infinite, the first in row {found.first_missing}; "
            "fill them in or drop those rows"
        )
