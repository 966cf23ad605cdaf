"""What is commonly used to fill missing entries in, fitted to the training rows of a table."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prioria.data.schema import NAMES, Column, Schema
from prioria.distributions.spec import Spec

Array = NDArray[np.float64]
ITERATIVE, NEIGHBORS, MEAN = "iterative", "k nearest neighbors", "mean"
REPEATS = 20  # draws of each entry: their 90 % intervals go from the first to the last, about


def points(train: Array, seen: Array, schema: Schema, *, seed: int) -> dict[str, Array]:
    """Returns rows (N, D) with one value for each missing entry, by method."""
    from sklearn.impute import KNNImputer, SimpleImputer

    imputers: Sequence[tuple[str, Any]] = (
        (ITERATIVE, _iterative(seed, sample_posterior=False)),
        (NEIGHBORS, KNNImputer(keep_empty_features=True)),
        (MEAN, SimpleImputer(keep_empty_features=True)),
    )
    return {name: _fitted(each, train, schema)(seen) for name, each in imputers}


def draws(train: Array, seen: Array, schema: Schema, *, seed: int) -> dict[str, Array]:
    """Returns 20 draws of each missing entry (20, N, D), by method: tables of chained equations, and neighbors."""
    transform = _fitted(_iterative(seed, sample_posterior=True), train, schema)
    chained = np.stack([transform(seen) for _ in range(REPEATS)])  # each goes on in the same random numbers
    return {ITERATIVE: chained, NEIGHBORS: _nearest(train, seen, schema)}


def log_densities(found: Array, truth: Array, schema: Schema) -> Array:
    """Returns log p (N, D) of true entries under what M draws (M, N, D) of each say; 0 where the truth is NaN.

    A number has Student's t, the predictive density of M draws of a Gaussian whose mean and variance are unknown
    (Jeffreys' prior). Its scale is at least what a grid, or a thousandth of a standard deviation, leaves open. A name
    has its share of the draws, with half a draw added to every level.
    """
    from scipy import stats  # which takes a second to import

    total, floors = np.zeros(truth.shape), [each.floor for each in Spec.read(schema)]
    for d, column in enumerate(schema.features):
        known = ~np.isnan(truth[:, d])
        value, drawn = truth[known, d], found[:, known, d]
        if column.kind in NAMES:
            share = ((drawn == value).sum(0) + 0.5) / (len(drawn) + 0.5 * column.categories)
            total[known, d] = np.log(share)
        else:
            scale = np.maximum(drawn.std(0, ddof=1), floors[d]) * np.sqrt(1 + 1 / len(drawn))
            total[known, d] = stats.t.logpdf(value, len(drawn) - 1, drawn.mean(0), scale)
    return total


def _nearest(train: Array, seen: Array, schema: Schema) -> Array:
    """The values (20, N, D) of the training rows that are nearest in what both rows have, as in KNNImputer."""
    from sklearn.metrics.pairwise import nan_euclidean_distances

    away = np.nan_to_num(nan_euclidean_distances(_wide(seen, schema), _wide(train, schema)), nan=np.inf)
    found = np.repeat(seen[None], REPEATS, 0)
    for d in range(seen.shape[1]):
        donors, rows = ~np.isnan(train[:, d]), np.isnan(seen[:, d])
        nearest = away[np.ix_(rows, donors)].argsort(1, kind="stable")[:, :REPEATS]
        if nearest.size:
            found[:, rows, d] = train[donors, d][np.resize(nearest.T, (REPEATS, nearest.shape[0]))]
    return found


def _wide(x: Array, schema: Schema) -> Array:
    """Rows with one bit for each level of names but the first, all NaN where the entry is missing.

    With a bit for every level each bit would follow from the others of its column, which are missing too: chained
    equations would keep what they begin with.
    """
    parts = []
    for d, column in enumerate(schema.features):
        value = x[:, d, None]
        bits = np.where(np.isnan(value), np.nan, value == np.arange(1, column.categories))
        parts.append(bits if column.kind in NAMES else value)
    return np.concatenate(parts, 1)


def _narrow(wide: Array, schema: Schema) -> Array:
    """The rows of such bits, the level of the largest; that of the first level is what the others leave."""
    names = [column.kind in NAMES for column in schema.features]
    widths = [_width(column) for column in schema.features]
    parts = np.split(wide, np.cumsum(widths)[:-1], 1)
    found = [
        np.c_[1 - part.sum(1), part].argmax(1) if each else part[:, 0] for part, each in zip(parts, names, strict=True)
    ]
    return np.stack(found, 1).astype(float)


def _width(column: Column) -> int:
    return column.categories - 1 if column.kind in NAMES else 1


def _iterative(seed: int, **options: Any) -> Any:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    return IterativeImputer(random_state=seed, keep_empty_features=True, **options)


def _fitted(imputer: Any, train: Array, schema: Schema) -> Callable[[Array], Array]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that ten rounds have not converged
        imputer.fit(_wide(train, schema))
    return lambda rows: _narrow(imputer.transform(_wide(rows, schema)), schema)
