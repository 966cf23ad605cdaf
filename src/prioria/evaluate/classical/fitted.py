"""Baselines: simple models of the same rows on the same split, so that every number has something beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prioria.data.base import Dataset, Protocol, evenly
from prioria.evaluate.classical import densities
from prioria.evaluate.classical.densities import Array, Fit
from prioria.evaluate.estimate import Estimate

ROWS = 20_000  # training rows at most: baselines take seconds


@dataclass(frozen=True, eq=False)
class Baseline:
    """A classical model of one kind, its size chosen by the validation rows.

    Attributes:
        name: of the kind.
        validation: mean log p(x) of the validation rows, nats.
        estimate: log p(x) of the test rows, in closed form (of topics by importance sampling, low on average).
    """

    name: str
    validation: float
    estimate: Estimate


@dataclass(frozen=True, eq=False)
class Baselines:
    """The classical models of a data set.

    Attributes:
        models: of every kind, the best by the validation rows first.
    """

    models: tuple[Baseline, ...]

    @property
    def best(self) -> Baseline:
        """The one with the highest validation log-likelihood."""
        return self.models[0]

    def __str__(self) -> str:
        return "\n".join(f"{each.name:<24} {each.estimate}" for each in self.models)

    def to_json(self) -> list[dict[str, Any]]:
        """Returns every model's name, validation value and test estimate as JSON values."""
        return [
            {"name": each.name, "validation": each.validation, "test": each.estimate.to_json()} for each in self.models
        ]


def baselines(data: Dataset, *, seed: int = 0, limit: int | None = None) -> Baselines:
    """Fits classical models to the training rows of a data set and scores its test rows, in nats.

    Real columns: independent Gaussians, a full Gaussian with shrinkage, factor analysis and Gaussian mixtures, their
    sizes chosen by the validation rows. Bits: independent, and mixtures of Bernoullis. Words: unigram and topics
    (latent Dirichlet allocation, by importance sampling), without the multinomial coefficient as
    ``likelihoods.Multinomial``. Tables of mixed columns: independent columns and latent classes, in the units of the
    data. All are densities of the very x that a model of the data is a density of, so that ``estimate.pointwise`` may
    be subtracted row by row.

    Args:
        data: the data set.
        seed: of the subset of training rows where there are more than 20,000, and of bits that are drawn.
        limit: test rows at even distances; None for all.

    Raises:
        ValueError: no kind of baseline knows such values.

    Example:
        >>> from prioria.data import load
        >>> found = baselines(load("two-moons"), limit=200)
        >>> found.best.name, found.best.estimate.value > found.models[-1].estimate.value
        ('Gaussian mixture', True)
    """
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        chosen = torch.randperm(len(data.train))[:ROWS]
        train, validation = data.train.batch(chosen), data.validation.tensor(ROWS)
        test = data.test.batch(evenly(len(data.test), limit))
    rows = [part.double().numpy() for part in (train, validation, test)]
    extra = _volumes(data.protocol, rows)
    best: dict[str, tuple[float, Array]] = {}
    for name, fit in _kinds(data.protocol, rows[0]):
        found = _scored(fit, rows)
        if found is None:
            continue
        validated = float((found[0] - extra[0]).mean())
        if np.isfinite(validated) and (name not in best or validated > best[name][0]):
            best[name] = validated, found[1] - extra[1]
    models = [
        Baseline(name, validated, _estimate(name, torch.from_numpy(pointwise), seed))
        for name, (validated, pointwise) in best.items()
    ]
    return Baselines(tuple(sorted(models, key=lambda each: -each.validation)))


def _kinds(protocol: Protocol, train: Array) -> Iterator[tuple[str, Fit]]:
    columns, rows = train.shape[1], len(train)
    schema = protocol.schema
    if schema is not None and protocol.kind == "columns":
        levels = [column.categories for column in schema.features]
        if not any(levels) and not np.isnan(train).any():
            yield from densities.gaussians(columns, rows)
        else:
            yield from densities.mixed(levels, rows)
    elif protocol.kind == "binary" or protocol.binarization != "none":
        yield from densities.bits(rows)
    elif protocol.kind == "count" and "Multinomial" in protocol.likelihoods:
        yield from densities.words()
    else:
        yield from densities.gaussians(columns, rows)


def _volumes(protocol: Protocol, rows: Sequence[Array]) -> tuple[Array | float, Array | float]:
    """What takes log p(x) of validation and test rows to the units of a table's columns."""
    schema = protocol.schema
    if schema is None or protocol.kind != "columns":
        return 0.0, 0.0
    return schema.log_volume(rows[1]), schema.log_volume(rows[2])


def _scored(fit: Fit, rows: Sequence[Array]) -> tuple[Array, Array] | None:
    try:
        score = fit(rows[0])
        return score(rows[1]), score(rows[2])
    except (np.linalg.LinAlgError, ValueError):  # a covariance without its rank: another ridge or size will do
        return None


def _estimate(name: str, pointwise: Tensor, seed: int) -> Estimate:
    return Estimate.of(pointwise.double(), torch.zeros_like(pointwise), 0, seed, name)
