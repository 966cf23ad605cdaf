"""Latent classes: mixtures of independent columns by the EM algorithm (McLachlan and Peel, 2000, chapter 2)."""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import NDArray

from prioria.evaluate.classical.density import chosen

Array = NDArray[np.floating]

PSEUDO = 0.5  # counts added to each cell: Jeffreys
STEPS, GAIN = 60, 1e-3  # of the iteration, and nats a row below which it ends
FEWEST, NARROWEST = 1e-2, 1e-3  # rows of unit variance added to each class, and the least variance of one


class Classes:
    """log p(x) = log sum_k w_k prod_d p_kd(x_d), Gaussian where levels are 0, else categorical; NaN is integrated out.

    Args:
        x: training rows (N, D); names as codes from 0 on.
        levels: of each column; 0 for numbers.
        classes: K; one class has independent columns.
    """

    def __init__(self, x: Array, levels: list[int], classes: int) -> None:
        self.levels = np.array(levels)
        self.numbers = np.flatnonzero(self.levels == 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a column that no training row has
            center, scale = np.nanmean(x[:, self.numbers], 0), np.nanstd(x[:, self.numbers], 0)
        self.center, self.scale = np.nan_to_num(center), np.where(scale > 0, scale, 1.0)
        self._fit(x, classes)

    def __call__(self, x: Array) -> Array:
        """Returns log p(x) of rows (N, D) in nats (N,)."""
        return np.logaddexp.reduce(self._joint(*self._parts(x, np.float64)), 1)

    def draw(self, count: int, generator: np.random.Generator) -> Array:
        """Draws rows (count, D), none of them with holes."""
        place = generator.choice(len(self.log_weights), count, p=np.exp(self.log_weights))
        x = np.empty((count, len(self.levels)))
        noise = generator.standard_normal((count, len(self.numbers)))
        x[:, self.numbers] = self.center + self.scale * (self.mean[place] + np.sqrt(self.variance[place]) * noise)
        named = np.flatnonzero(self.levels)
        ends = np.cumsum(self.levels[named])[:-1]
        for column, logs in zip(named, np.split(self.log_levels, ends, 1) if len(named) else [], strict=True):
            x[:, column] = chosen(logs[place], generator)
        return x

    def _fit(self, x: Array, classes: int) -> None:
        parts = self._parts(x, np.float32)
        shares, before = _nearest(np.concatenate(parts[:2], 1), classes), -np.inf
        for _ in range(STEPS if classes > 1 else 1):
            self._maximize(shares, *parts)
            joint = self._joint(*parts)
            total = np.logaddexp.reduce(joint, 1)
            shares = np.exp(joint - total[:, None])
            if total.mean() - before < GAIN:
                break
            before = total.mean()

    def _parts(self, x: Array, precision: type) -> tuple[NDArray, Array, Array]:
        """Returns a 1 for the level of each name (N, sum of levels), numbers (N, M), and which of them are there."""
        named = np.flatnonzero(self.levels)
        levels = self.levels[named]
        place = np.nan_to_num(x[:, named]).astype(int) + np.cumsum(levels) - levels
        found = np.zeros((len(x), levels.sum()), precision)
        np.put_along_axis(found, place, (~np.isnan(x[:, named])).astype(precision), 1)
        z = (x[:, self.numbers] - self.center) / self.scale
        return found, np.nan_to_num(z), (~np.isnan(z)).astype(np.float64)

    def _maximize(self, shares: Array, names: NDArray, z: Array, seen: Array) -> None:
        weight = shares.sum(0) + PSEUDO
        self.log_weights = np.log(weight / weight.sum())
        count = shares.T @ seen + FEWEST
        self.mean = shares.T @ z / count
        self.variance = np.maximum((shares.T @ z**2 + FEWEST) / count - self.mean**2, NARROWEST)
        cells = (shares.T.astype(names.dtype) @ names).astype(np.float64) + PSEUDO
        ends = np.cumsum(self.levels[self.levels > 0])[:-1]
        tables = np.split(cells, ends, 1) if cells.shape[1] else []
        self.log_levels = np.log(np.concatenate([each / each.sum(1, keepdims=True) for each in tables] or [cells], 1))

    def _joint(self, names: NDArray, z: Array, seen: Array) -> Array:
        """Returns log w_k + sum_d log p_kd(x_d), (N, K)."""
        constant = self.mean**2 / self.variance + np.log(2 * math.pi * self.variance) + 2 * np.log(self.scale)
        square = z**2 @ (1 / self.variance).T - 2 * z @ (self.mean / self.variance).T + seen @ constant.T
        return self.log_weights + names @ self.log_levels.T.astype(names.dtype) - 0.5 * square


def _nearest(x: NDArray, classes: int) -> Array:
    """Returns shares (N, K) of one: the class of the nearest of K rows at random."""
    centers = x[np.random.default_rng(0).permutation(len(x))[:classes]]
    distance = (centers**2).sum(1) - 2 * x @ centers.T
    return np.eye(classes)[distance.argmin(1)]
