"""Which classical densities may stand beside a model: those of the very x that its log p(x) is of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.distributions import Distribution

from prioria.data.base import Protocol
from prioria.data.schema import Schema
from prioria.distributions import as_levels, has_original_units, is_discrete, is_ordered
from prioria.distributions.spread import dequantize
from prioria.evaluate.classical import densities
from prioria.evaluate.classical.densities import Array, Fit


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows and the models to fit.

    Attributes:
        rows: for training, for validation and to score, each (N, D).
        kinds: names, and how to fit.
        volumes: what to take from log p(x) of the last two, for the units of a table's columns.
    """

    rows: Sequence[Array]
    kinds: Iterable[tuple[str, Fit]]
    volumes: tuple[Array | float, Array | float] = (0.0, 0.0)


def problem_of(protocol: Protocol, rows: Sequence[Array], px: Distribution | None) -> Problem:
    """Returns what to fit.

    Args:
        protocol: of the data.
        rows: for training, for validation and to score.
        px: p(x|z) of a model whose log-likelihood is to be compared; None for the kind of the data.

    Raises:
        ValueError: no classical model gives a number of the same kind, with why.
    """
    if protocol.schema is not None and protocol.kind == "columns" and (px is None or has_original_units(px)):
        return _of_columns(protocol.schema, rows)
    if is_ordered(px) if px is not None else protocol.kind == "count" and "Multinomial" in protocol.likelihoods:
        return Problem(rows, densities.words(rows[0].shape[1]))
    if px is None:
        bits = protocol.kind == "binary" or protocol.binarization != "none"
        return _of_bits(rows) if bits else _of_numbers(rows)
    found = is_discrete(px)
    if found is None:
        raise ValueError(f"{type(px).__name__} does not tell its support, so that nothing is known to compare with")
    return _of_levels(rows, px) if found else _of_numbers(rows)


def _of_bits(rows: Sequence[Array]) -> Problem:
    return Problem(rows, densities.bits(rows[0].shape[1], len(rows[0])))


def _of_numbers(rows: Sequence[Array]) -> Problem:
    if any(np.isnan(part).any() for part in rows):
        raise ValueError("rows have missing values, and the likelihood is none of columns")
    return Problem(rows, densities.gaussians(rows[0].shape[1], len(rows[0])))


def _of_levels(rows: Sequence[Array], px: Distribution) -> Problem:
    found = [as_levels(px, torch.from_numpy(part)) for part in rows]
    codes = [each[0].double().numpy() for each in found if each is not None]
    if len(codes) < len(rows) or found[0] is None:
        raise ValueError(f"{type(px).__name__} gives these values no probabilities: they are no draws of it")
    return _of_bits(codes) if found[0][1] == 2 else Problem(codes, densities.levels(found[0][1]))


def _of_columns(schema: Schema, rows: Sequence[Array]) -> Problem:
    """Rows in the units of a table; a number on a grid is fitted with noise, so that no density outgrows its cells.

    Counts have cells of width 1. The noise fills the cells, as what presets fit to.
    """
    counts = [column.categories for column in schema.features]
    volumes = schema.log_volume(rows[1]), schema.log_volume(rows[2])
    fitted = [dequantize(rows[0], schema), *rows[1:]]
    if any(counts) or any(np.isnan(part).any() for part in rows):
        return Problem(fitted, densities.mixed(counts, len(rows[0])), volumes)
    return Problem(fitted, densities.gaussians(len(counts), len(rows[0])), volumes)
