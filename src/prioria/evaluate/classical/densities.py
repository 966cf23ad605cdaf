"""Classical densities of rows x (N, D), each fitted to training rows and scored in nats."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Score = Callable[[Array], Array]  # rows (N, D) -> log p(x) (N,)
Fit = Callable[[Array], Score]  # training rows -> a density

CLASSES = (2, 4, 8, 16, 32)
FACTORS = (1, 2, 4, 8, 16)
RIDGES = (1e-6, 1e-3, 1e-2, 1e-1)  # of standardized columns
PSEUDO = 0.5  # counts added to each cell: Jeffreys
WIDEST = 400  # columns up to which covariances are fitted
FEWEST = 8  # rows to a component
TOPICS = (5, 10, 20, 50)


def gaussians(columns: int, rows: int) -> Iterator[tuple[str, Fit]]:
    """Yields models of real columns: independent, full with shrinkage, factor analysis, mixtures."""
    yield "independent Gaussians", _independent
    if columns == 1 or columns > WIDEST:
        return
    for ridge in RIDGES:
        yield "full Gaussian", lambda x, ridge=ridge: _full(x, ridge)
    for factors in FACTORS:
        if factors < columns:
            yield "factor analysis", lambda x, factors=factors: _factor_analysis(x, factors)
    for classes in CLASSES:
        if rows / classes >= FEWEST:
            for kind in ("diag", "full"):
                yield "Gaussian mixture", lambda x, k=classes, kind=kind: _mixture(x, k, kind)


def bits(rows: int) -> Iterator[tuple[str, Fit]]:
    """Yields models of columns of 0 and 1: independent, and mixtures of independent ones (latent classes)."""
    yield "independent bits", lambda x: _classes(x, [2] * x.shape[1], 1)
    for classes in CLASSES:
        if rows / classes >= FEWEST:
            yield "mixture of Bernoullis", lambda x, k=classes: _classes(x, [2] * x.shape[1], k)


def words() -> Iterator[tuple[str, Fit]]:
    """Yields models of documents as counts of words, without the multinomial coefficient: unigram and topics (LDA)."""
    yield "unigram", _unigram
    for topics in TOPICS:
        yield "topics (LDA)", lambda x, topics=topics: _topics(x, topics)


def mixed(levels: list[int], rows: int) -> Iterator[tuple[str, Fit]]:
    """Yields models of columns of numbers (levels 0) and of categories, with holes: independent, and latent classes."""
    yield "independent columns", lambda x: _classes(x, levels, 1)
    for classes in CLASSES:
        if rows / classes >= FEWEST:
            yield "latent classes", lambda x, k=classes: _classes(x, levels, k)


def _standard(x: Array) -> tuple[Array, Array]:
    scale = x.std(0)
    return x.mean(0), np.where(scale > 0, scale, 1.0)


def _normal(x: Array, mean: Array, variance: Array) -> Array:
    return -0.5 * ((x - mean) ** 2 / variance + np.log(2 * math.pi * variance))


def _independent(x: Array) -> Score:
    mean, scale = _standard(x)
    return lambda rows: _normal(rows, mean, scale**2).sum(-1)


def _full(x: Array, ridge: float) -> Score:
    from scipy.linalg import solve_triangular

    mean, scale = _standard(x)
    covariance = np.cov(((x - mean) / scale).T, bias=True).reshape(x.shape[1], -1)
    factor = np.linalg.cholesky((1 - ridge) * covariance + ridge * np.eye(len(covariance)))
    constant = np.log(np.diag(factor)).sum() + np.log(scale).sum() + 0.5 * len(mean) * math.log(2 * math.pi)

    def score(rows: Array) -> Array:
        noise = solve_triangular(factor, ((rows - mean) / scale).T, lower=True)
        return -0.5 * (noise**2).sum(0) - constant

    return score


def _factor_analysis(x: Array, factors: int) -> Score:
    from sklearn.decomposition import FactorAnalysis

    mean, scale = _standard(x)
    found = FactorAnalysis(factors, random_state=0).fit((x - mean) / scale)
    return lambda rows: found.score_samples((rows - mean) / scale) - np.log(scale).sum()


def _mixture(x: Array, classes: int, kind: str) -> Score:
    from sklearn.mixture import GaussianMixture

    mean, scale = _standard(x)
    ridge = 1e-3 if kind == "diag" else 1e-2
    found = GaussianMixture(classes, covariance_type=kind, reg_covar=ridge, random_state=0)  # pyright: ignore[reportArgumentType]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer distinct rows than classes, or not yet at the optimum
        found.fit((x - mean) / scale)
    return lambda rows: found.score_samples((rows - mean) / scale) - np.log(scale).sum()


def _unigram(x: Array) -> Score:
    share = x.sum(0) + PSEUDO
    logs = np.log(share / share.sum())
    return lambda rows: rows @ logs


def _topics(x: Array, topics: int) -> Score:
    """Latent Dirichlet allocation fitted by scikit-learn; a document is scored by importance sampling its shares."""
    from sklearn.decomposition import LatentDirichletAllocation

    found = LatentDirichletAllocation(topics, learning_method="batch", max_iter=30, random_state=0).fit(x)
    words = found.components_ / found.components_.sum(1, keepdims=True)
    return lambda rows: _log_documents(rows, found.transform(rows), words, found.doc_topic_prior_)


def _log_documents(rows: Array, shares: Array, words: Array, prior: float, draws: int = 100) -> Array:
    """Log (1/S) sum_s p(w|theta_s) p(theta_s) / q(theta_s), theta_s from the variational Dirichlet: low on average."""
    from scipy.special import gammaln

    topics, generator = len(words), np.random.default_rng(0)
    gamma = shares * (topics * prior + rows.sum(1, keepdims=True))  # of which shares are the mean
    terms = np.empty((draws, len(rows)))
    for s in range(draws):
        theta = generator.standard_gamma(gamma)
        theta = np.maximum(theta / theta.sum(1, keepdims=True), 1e-300)
        log_p = gammaln(topics * prior) - topics * gammaln(prior) + (prior - 1) * np.log(theta).sum(1)
        log_q = gammaln(gamma.sum(1)) - gammaln(gamma).sum(1) + ((gamma - 1) * np.log(theta)).sum(1)
        terms[s] = (rows * np.log(theta @ words)).sum(1) + log_p - log_q
    return np.logaddexp.reduce(terms, 0) - math.log(draws)


def _classes(x: Array, levels: list[int], classes: int, steps: int = 100) -> Score:
    """A mixture of independent columns by EM: Gaussian where levels are 0, else categorical; NaN is no evidence."""
    numbers, named = [d for d, count in enumerate(levels) if not count], [d for d, count in enumerate(levels) if count]
    generator = np.random.default_rng(0)
    mean, scale = np.nanmean(x[:, numbers], 0), np.nanstd(x[:, numbers], 0)
    scale = np.where(scale > 0, scale, 1.0)
    shares = generator.dirichlet(np.ones(classes), len(x)) if classes > 1 else np.ones((len(x), 1))
    model = _Classes(numbers, named, levels, mean, scale)
    before = -np.inf
    for _ in range(steps if classes > 1 else 1):
        model.maximize(x, shares)
        joint = model.joint(x)
        total = np.logaddexp.reduce(joint, 1)
        shares = np.exp(joint - total[:, None])
        if total.mean() - before < 1e-5:
            break
        before = total.mean()
    return lambda rows: np.logaddexp.reduce(model.joint(rows), 1)


class _Classes:
    def __init__(self, numbers: list[int], named: list[int], levels: list[int], center: Array, scale: Array) -> None:
        self.numbers, self.named, self.levels, self.center, self.scale = numbers, named, levels, center, scale

    def maximize(self, x: Array, shares: Array) -> None:
        weight = shares.sum(0) + PSEUDO
        self.log_weights = np.log(weight / weight.sum())
        z = (x[:, self.numbers] - self.center) / self.scale
        seen = ~np.isnan(z)
        count = shares.T @ seen + 1e-2
        self.mean = (shares.T @ np.nan_to_num(z)) / count
        square = (shares.T @ np.nan_to_num(z) ** 2 + 1e-2) / count  # a hundredth of a row of unit variance
        self.variance = np.maximum(square - self.mean**2, 1e-3)
        self.log_levels = [self._table(x[:, d], self.levels[d], shares) for d in self.named]

    def _table(self, column: Array, levels: int, shares: Array) -> Array:
        seen = ~np.isnan(column)
        codes = np.eye(levels)[np.nan_to_num(column).astype(int)] * seen[:, None]
        table = shares.T @ codes + PSEUDO
        return np.log(table / table.sum(1, keepdims=True))

    def joint(self, x: Array) -> Array:
        z = (x[:, self.numbers] - self.center) / self.scale
        joint = np.tile(self.log_weights, (len(x), 1))
        for k in range(len(self.log_weights)):
            density = _normal(z, self.mean[k], self.variance[k]) - np.log(self.scale)
            joint[:, k] += np.nansum(density, 1)
        for d, table in zip(self.named, self.log_levels, strict=True):
            seen = ~np.isnan(x[:, d])
            joint += table[:, np.nan_to_num(x[:, d]).astype(int)].T * seen[:, None]
        return joint
