"""Mixtures of factor analysers with discrete columns, fitted by EM."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

Array = NDArray[np.float64]
LOG_2PI = np.log(2 * np.pi)
BACKGROUND = (9.0, 100.0)  # covariances of two broad classes, times that of the rows: tails that stay finite
PSEUDO_ROWS = 2.0  # of the whole table's shares, added to those of every class
LEAST_SHARE = 1e-9
NEGLIGIBLE = 1e-9  # share of a row that a class's covariance does without


@dataclass(frozen=True)
class Rows:
    """Rows in the form that EM reads.

    Attributes:
        real: standardized real columns (N, G).
        bits: one bit for each level of each discrete column (N, C), none set where it is missing.
        sizes: levels of each discrete column; they add up to C.
        counts: counts (N, Q), nan where missing.
        constant: what is added to each row's log-density whatever the class (N,).
    """

    real: Array
    bits: Array
    sizes: tuple[int, ...]
    counts: Array
    constant: Array
    _broad: dict[int, tuple[Array, Array]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.real)

    def take(self, places: NDArray) -> Rows:
        """Returns some rows, by their places or a mask."""
        parts = {name: getattr(self, name)[places] for name in ("real", "bits", "counts", "constant")}
        return replace(self, **parts)

    def broad(self, latents: int, floor: Array) -> tuple[Array, Array]:
        """Returns W (G, L) and psi (G,) of one factor analysis of all rows; it is kept for the next fit."""
        if latents not in self._broad:
            size = self.real.shape[1]
            covariance = np.cov(self.real.T, bias=True).reshape(size, size) + 1e-6 * np.eye(size)
            diagonal, least = np.diag(covariance), min(latents, max(size - 1, 0))
            floor = np.maximum(floor, 1e-2 * diagonal)
            factors, noise = factorize(covariance, 0.5 * diagonal, least, floor, 4)
            self._broad[latents] = np.pad(factors, ((0, 0), (0, latents - least))), noise
        return self._broad[latents]

    def join(self, other: Rows) -> Rows:
        """Returns these rows and others of the same columns below them."""
        names = ("real", "bits", "counts", "constant")
        return replace(self, **{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in names})


@dataclass(frozen=True)
class Settings:
    """Size and regularization of a mixture.

    Attributes:
        classes: K, without the two broad ones.
        latents: L factors in each.
        shrinkage: rows of the pooled covariance added to that of each class.
        ridge: added to every variance.
    """

    classes: int
    latents: int
    shrinkage: float = 0.3
    ridge: float = 0.0


@dataclass
class FactorMixture:
    r"""p(x) = sum_k pi_k N(real; m_k, W_k W_k' + diag psi_k) prod_d p_kd(x_d): K classes, then two broad ones.

    Attributes:
        log_shares: log pi (K + 2,).
        mean: m (K + 2, G).
        factors: W (K + 2, G, L), in the rotation where W' diag(psi)^-1 W is diagonal: given the class, the posterior of
            the factors is then diagonal too.
        noise: psi (K + 2, G).
        tables: log-probabilities of the levels (K + 2, C).
        counts: log-mean and log-dispersion of the counts (K + 2, Q, 2).
    """

    settings: Settings
    log_shares: Array
    mean: Array
    factors: Array
    noise: Array
    tables: Array
    counts: Array
    history: list[float] = field(default_factory=list)

    @property
    def latents(self) -> int:
        return self.factors.shape[2]

    def log_joint(self, rows: Rows) -> Array:
        """Returns log p(x, c) (N, K + 2) in nats."""
        real = gaussians(rows.real, self.mean, self.factors, self.noise)
        joint = real + rows.bits @ self.tables.T + self.log_shares + rows.constant[:, None]
        if rows.counts.shape[1] == 0:
            return joint
        return joint + np.stack([negative_binomial(rows.counts, each) for each in self.counts], 1)

    def log_prob(self, rows: Rows) -> Array:
        """Returns log p(x) (N,) in nats."""
        return np.asarray(logsumexp(self.log_joint(rows), 1))


def gaussians(x: Array, mean: Array, factors: Array, noise: Array) -> Array:
    """Returns log N(x; m_k, W_k W_k' + diag psi_k) (N, K)."""
    unit = np.sqrt(noise)
    loadings = factors / unit[..., None]
    root = np.linalg.cholesky(np.eye(factors.shape[-1]) + loadings.swapaxes(-1, -2) @ loadings)
    explaining = np.linalg.solve(root, loadings.swapaxes(-1, -2))  # (K, L, G)
    constant = np.log(unit).sum(-1) + np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(-1)
    found = np.empty((len(x), len(mean)))
    for k in range(len(mean)):
        y = (x - mean[k]) / unit[k]
        explained = y @ explaining[k].T
        found[:, k] = -0.5 * (np.einsum("ng,ng->n", y, y) - np.einsum("nl,nl->n", explained, explained))
    return found - constant - 0.5 * mean.shape[1] * LOG_2PI


def negative_binomial(counts: Array, parameters: Array) -> Array:
    """Returns sum_q log NB(v_q; log-mean, log-dispersion) (N,), nan adding nothing."""
    log_mean, log_r = parameters.T
    r, log_total = np.exp(log_r), np.logaddexp(log_mean, log_r)
    log_p = gammaln(counts + r) - gammaln(r) - gammaln(counts + 1) + r * (log_r - log_total)
    return np.nansum(log_p + counts * (log_mean - log_total), 1)


def factorize(covariance: Array, noise: Array, latents: int, floor: Array, steps: int) -> tuple[Array, Array]:
    """Returns W (..., G, L) and psi (..., G) of factor analyses of covariances, by fixed-point steps from a first psi.

    Each step is the maximum-likelihood W given psi (Joreskog, 1967): the largest eigenvalues of psi^-1/2 S psi^-1/2.
    """
    diagonal = np.diagonal(covariance, axis1=-2, axis2=-1)
    if latents == 0:
        return np.zeros((*diagonal.shape, 0)), np.maximum(diagonal, floor)
    factors = np.zeros((*diagonal.shape, latents))
    for step in range(steps):
        root = np.sqrt(noise)
        values, vectors = np.linalg.eigh(covariance / (root[..., :, None] * root[..., None, :]))
        values, vectors = values[..., ::-1][..., :latents], vectors[..., ::-1][..., :latents]
        factors = root[..., None] * vectors * np.sqrt(np.maximum(values - 1, 1e-8))[..., None, :]
        if step < steps - 1:
            noise = np.maximum(diagonal - (factors**2).sum(-1), np.maximum(floor, 1e-3 * diagonal))
    return factors, noise


def exact_factors(covariance: Array, floor: Array) -> tuple[Array, Array]:
    """Returns W (..., G, G - 1) and psi with W W' + diag psi = S, psi the floor and what else S has in all directions.

    Where S has less than the floor in some direction, that is filled up.
    """
    values, vectors = np.linalg.eigh(covariance - np.diag(floor))
    least = np.maximum(values[..., :1], 0.0)
    spread = np.sqrt(np.maximum(values[..., :0:-1] - least, 1e-12))
    return vectors[..., :, :0:-1] * spread[..., None, :], floor + least


def canonical(factors: Array, noise: Array) -> Array:
    """Returns W (..., G, L) in the rotation where W' diag(psi)^-1 W is diagonal, the largest first."""
    if factors.shape[-1] < 2:
        return factors
    _, vectors = np.linalg.eigh(factors.swapaxes(-1, -2) @ (factors / noise[..., None]))
    return factors @ vectors[..., ::-1]


def fit(
    rows: Rows, settings: Settings, floor: Array, labels: NDArray, *, iterations: int = 60, tolerance: float = 2e-3
) -> FactorMixture:
    """Fits a mixture by EM from first labels (N,) in 0..K-1, until a step gains less than ``tolerance``.

    Args:
        rows: training rows.
        settings: size and regularization.
        floor: least noise variance of each real column (G,).
        labels: first classes.
        iterations: of EM, at most.
        tolerance: nats per row.
    """
    shares = np.eye(settings.classes)[labels]
    return improve(rows, settings, floor, shares, iterations=iterations, tolerance=tolerance)


def improve(
    rows: Rows, settings: Settings, floor: Array, shares: Array, *, iterations: int, tolerance: float
) -> FactorMixture:
    """Runs EM from first shares (N, K) of the classes in each row."""
    maximize = _Maximization(rows, settings, floor)
    shares = np.c_[shares, np.zeros((len(rows), len(BACKGROUND)))]
    history: list[float] = []
    model = maximize(shares)
    for step in range(iterations):
        model = maximize(shares) if step else model
        joint = model.log_joint(rows)
        top = joint.max(1)
        shares = np.exp(joint - top[:, None])
        total = shares.sum(1)
        shares /= total[:, None]
        history.append(float((top + np.log(total)).mean()))
        if len(history) > 1 and abs(history[-1] - history[-2]) < tolerance:
            break
    return replace(model, factors=canonical(model.factors, model.noise), history=history)


class _Maximization:
    """The M step, which remembers each class's noise as the next one's start."""

    def __init__(self, rows: Rows, settings: Settings, floor: Array) -> None:
        self.rows, self.settings, self.floor = rows, settings, floor
        self.size = rows.real.shape[1]
        self.saturated = settings.latents >= max(self.size - 1, 1)
        self.noise: Array | None = None
        self.pooled = (rows.bits.sum(0) + 0.5) / _per_level(rows.bits.sum(0) + 0.5, rows.sizes)
        self.center = rows.real.mean(0)
        factors, noise = rows.broad(settings.latents, floor)
        self.background = [(factors * wide**0.5, noise * wide) for wide in BACKGROUND]

    def __call__(self, shares: Array) -> FactorMixture:
        rows, classes = self.rows, self.settings.classes
        weights = shares[:, :classes].sum(0) + LEAST_SHARE
        mean = shares[:, :classes].T @ rows.real / weights[:, None]
        factors, noise = self._covariances(shares, weights, mean)
        prior = np.r_[np.ones(classes), 0.5, 0.25]
        return FactorMixture(
            settings=self.settings,
            log_shares=np.log((shares.sum(0) + prior) / (len(rows) + prior.sum())),
            mean=np.r_[mean, [self.center] * len(BACKGROUND)],
            factors=np.concatenate([factors, [each for each, _ in self.background]]),
            noise=np.concatenate([noise, [each for _, each in self.background]]),
            tables=self._tables(shares),
            counts=self._counts(shares),
        )

    def _covariances(self, shares: Array, weights: Array, mean: Array) -> tuple[Array, Array]:
        """Returns W (K, G, L) and psi (K, G) of the classes."""
        scatter = np.stack([self._scatter(shares[:, k], mean[k]) for k in range(len(weights))])
        pooled = scatter.sum(0) / max(weights.sum(), 1) + 1e-5 * np.eye(self.size)
        shrinkage = self.settings.shrinkage
        shrunk = (scatter + shrinkage * pooled) / (weights + shrinkage)[:, None, None]
        shrunk += self.settings.ridge * np.eye(self.size)
        if self.saturated and self.settings.latents and self.size > 1:
            return exact_factors(shrunk, self.floor)
        first = self.noise is None
        noise = np.tile(0.5 * np.diag(pooled), (len(weights), 1)) if self.noise is None else self.noise
        latents = min(self.settings.latents, self.size)
        factors, self.noise = factorize(shrunk, noise, latents, self.floor, 8 if first else 2)
        return factors, self.noise

    def _scatter(self, share: Array, mean: Array) -> Array:
        near = np.flatnonzero(share > NEGLIGIBLE)
        centered = self.rows.real[near] - mean
        return (centered * share[near, None]).T @ centered

    def _tables(self, shares: Array) -> Array:
        observed = shares.T @ self.rows.bits
        total = _per_level(observed, self.rows.sizes)
        table = (observed + PSEUDO_ROWS * self.pooled) / (total + PSEUDO_ROWS)
        flat = 0.5 * self.pooled + 0.5 / _per_level(np.ones_like(self.pooled), self.rows.sizes)
        table[self.settings.classes :] = flat
        return np.log(table)

    def _counts(self, shares: Array) -> Array:
        if self.rows.counts.shape[1] == 0:
            return np.zeros((shares.shape[1], 0, 2))
        counts, seen = np.nan_to_num(self.rows.counts), ~np.isnan(self.rows.counts)
        shares = np.c_[shares[:, : self.settings.classes], np.ones((len(counts), len(BACKGROUND)))]
        overall = counts.sum(0) / np.maximum(seen.sum(0), 1)
        weight = shares.T @ seen
        mean = (shares.T @ counts + 0.5 * overall + 1e-3) / (weight + 0.5)
        second = np.stack([share @ ((counts - m) ** 2 * seen) for share, m in zip(shares.T, mean, strict=True)])
        variance = (second + 0.5 * (overall + 1e-3)) / (weight + 0.5)
        dispersion = np.clip(mean**2 / np.maximum(variance - mean, 1e-9), 1e-2, 1e5)
        dispersion[self.settings.classes :] = np.minimum(dispersion[self.settings.classes :], 0.5)
        return np.log(np.stack([mean, dispersion], -1))


def _per_level(values: Array, sizes: tuple[int, ...]) -> Array:
    """Returns, for each level, the sum of values (..., C) over the levels of its column."""
    if not sizes:
        return values
    starts = np.r_[0, np.cumsum(sizes)[:-1]]
    return np.repeat(np.add.reduceat(values, starts, -1), sizes, -1)
