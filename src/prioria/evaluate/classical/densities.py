"""Classical densities of rows x (N, D), each fitted to training rows and scored in nats."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from prioria.evaluate.classical.classes import Classes
from prioria.evaluate.classical.density import Density, chosen
from prioria.evaluate.classical.words import topics, unigram

Array = NDArray[np.floating]
Fit = Callable[[Array], Density | Classes]  # training rows -> what scores rows and draws some

CLASSES = (2, 4, 8, 16, 32)
FACTORS = (1, 2, 4, 8, 16)
RIDGES = (1e-6, 1e-3, 1e-2, 1e-1)  # of standardized columns
SMOOTHING = (1.0, 10.0, 100.0)  # rows of the level that all columns have
WIDEST, WIDEST_FULL = 1100, 3200  # columns up to which factors and mixtures, and one covariance, are fitted
FEWEST = 8  # rows to a component
CELLS = 100_000  # rows times columns that factors are learned from
LARGEST = 2e8  # products that one step of a mixture may take: seconds in all
TOPICS = (10, 30)
COLUMNS = 5000  # words up to which topics are learned


def gaussians(columns: int, rows: int) -> Iterator[tuple[str, Fit]]:
    """Yields models of real columns: independent, full with shrinkage, factor analysis, mixtures."""
    yield "independent Gaussians", _independent
    for ridge in RIDGES if 1 < columns <= WIDEST_FULL else ():
        yield "full Gaussian", lambda x, ridge=ridge: _full(x, ridge)
    for factors in FACTORS:
        if factors < columns <= WIDEST:
            yield "factor analysis", lambda x, factors=factors: _factor_analysis(x, factors)
    for classes in _classes(rows):
        for kind, products in (("diag", 10 * columns), ("full", columns**2)):
            if columns <= WIDEST and classes * rows * products <= LARGEST:
                yield "Gaussian mixture", lambda x, k=classes, kind=kind: _mixture(x, k, kind)


def bits(columns: int, rows: int) -> Iterator[tuple[str, Fit]]:
    """Yields models of columns of 0 and 1: independent, and mixtures of independent ones (latent classes)."""
    yield "independent bits", lambda x: Classes(x, [2] * columns, 1)
    for classes in _classes(rows):
        yield "mixture of Bernoullis", lambda x, k=classes: Classes(x, [2] * columns, k)


def levels(count: int) -> Iterator[tuple[str, Fit]]:
    """Yields models of columns of levels 0 to L - 1: independent, by smoothed counts."""
    for smoothing in SMOOTHING:
        yield "independent levels", lambda x, smoothing=smoothing: _levels(x, count, smoothing)


def words(columns: int) -> Iterator[tuple[str, Fit]]:
    """Yields models of documents as counts of words, without the multinomial coefficient: unigram and topics (LDA)."""
    yield "unigram", unigram
    for count in TOPICS if columns <= COLUMNS else ():
        yield "topics (LDA)", lambda x, count=count: topics(x, count)


def mixed(levels: list[int], rows: int) -> Iterator[tuple[str, Fit]]:
    """Yields models of columns of numbers (levels 0) and of categories, with holes: independent, and latent classes."""
    yield "independent columns", lambda x: Classes(x, levels, 1)
    for classes in _classes(rows):
        yield "latent classes", lambda x, k=classes: Classes(x, levels, k)


def _classes(rows: int) -> list[int]:
    return [classes for classes in CLASSES if rows / classes >= FEWEST]


def _standard(x: Array) -> tuple[Array, Array]:
    scale = x.std(0)
    return x.mean(0), np.where(scale > 0, scale, 1.0)


def _independent(x: Array) -> Density:
    mean, scale = _standard(x)
    return Density(
        lambda rows: -0.5 * (((rows - mean) / scale) ** 2 + np.log(2 * math.pi * scale**2)).sum(-1),
        lambda count, generator: generator.normal(mean, scale, (count, len(mean))),
    )


def _full(x: Array, ridge: float) -> Density:
    from scipy.linalg import solve_triangular

    mean, scale = _standard(x)
    covariance = np.cov(((x - mean) / scale).T, bias=True).reshape(x.shape[1], -1)
    factor = np.linalg.cholesky((1 - ridge) * covariance + ridge * np.eye(len(covariance)))
    constant = np.log(np.diag(factor)).sum() + np.log(scale).sum() + 0.5 * len(mean) * math.log(2 * math.pi)

    def score(rows: Array) -> Array:
        noise = solve_triangular(factor, ((rows - mean) / scale).T, lower=True)
        return -0.5 * (noise**2).sum(0) - constant

    return Density(score, lambda count, noise: mean + scale * (noise.standard_normal((count, len(mean))) @ factor.T))


def _factor_analysis(x: Array, factors: int) -> Density:
    from sklearn.decomposition import FactorAnalysis

    mean, scale = _standard(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not yet at the optimum
        found = FactorAnalysis(factors, max_iter=min(1000, CELLS // x.shape[1] // 2), random_state=0)
        found.fit((x[: max(2000, CELLS // x.shape[1])] - mean) / scale)
    # of columns that others determine the density has no upper bound: the least noise is that of the least ridge
    found.noise_variance_ = np.maximum(found.noise_variance_, RIDGES[0])

    def draw(count: int, generator: np.random.Generator) -> Array:
        z, noise = generator.standard_normal((count, factors)), generator.standard_normal((count, len(mean)))
        return mean + scale * (found.mean_ + z @ found.components_ + noise * np.sqrt(found.noise_variance_))

    return Density(lambda rows: found.score_samples((rows - mean) / scale) - np.log(scale).sum(), draw)


def _mixture(x: Array, classes: int, kind: str) -> Density:
    from sklearn.mixture import GaussianMixture

    mean, scale = _standard(x)
    ridge = 1e-3 if kind == "diag" else 1e-2
    found = GaussianMixture(classes, covariance_type=kind, reg_covar=ridge, random_state=0)  # pyright: ignore[reportArgumentType]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer distinct rows than classes, or not yet at the optimum
        found.fit((x - mean) / scale)

    def draw(count: int, generator: np.random.Generator) -> Array:
        found.random_state = int(generator.integers(2**31))
        return mean + scale * found.sample(count)[0]

    return Density(lambda rows: found.score_samples((rows - mean) / scale) - np.log(scale).sum(), draw)


def _levels(x: Array, count: int, smoothing: float) -> Density:
    columns, codes = x.shape[1], x.astype(int)
    counts = np.stack([np.bincount(codes[:, d], minlength=count) for d in range(columns)]).astype(np.float64)
    shared = counts.sum(0) + 1.0
    logs = np.log(counts + smoothing * shared / shared.sum()) - math.log(len(x) + smoothing)
    return Density(
        lambda rows: logs[np.arange(columns), rows.astype(int)].sum(-1),
        lambda many, generator: chosen(np.broadcast_to(logs, (many, columns, count)), generator).astype(np.float64),
    )
