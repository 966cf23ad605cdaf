"""Gaussian mixtures of scikit-learn: the best of them, and each as a mixture of factor analysers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from prioria.starts.factors import Array, FactorMixture, Rows, Settings, canonical, exact_factors, improve

CLASSES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
ALL_KINDS = (
    *(("full", ridge) for ridge in (1e-6, 1e-3, 1e-2, 1e-1)),
    ("tied", 1e-6),
    ("tied", 1e-2),
    ("diag", 1e-6),
    ("diag", 1e-2),
)
STALE = 3  # numbers of classes in a row that are no better, after which no more are tried
FEWEST = 8  # rows to a class


def from_gaussians(rows: Rows, mixture: object, floor: Array) -> FactorMixture:
    """Returns a scikit-learn GaussianMixture of the real columns as a mixture of factor analysers, exactly.

    With G - 1 factors and the noise of each class at its least eigenvalue any covariance is held. The two broad classes
    take about one row's share. Discrete columns and counts have the tables of the mixture's own classes.
    """
    means, covariances = mixture.means_, _covariances(mixture)  # pyright: ignore[reportAttributeAccessIssue]
    size, classes = means.shape[1], len(means)
    shares = mixture.predict_proba(rows.real)  # pyright: ignore[reportAttributeAccessIssue]
    settings = Settings(classes, max(size - 1, 0))
    found = improve(rows, settings, floor, shares, iterations=1, tolerance=0.0)
    factors, noise = np.zeros((classes, 1, 0)), covariances[:, 0]
    if size > 1:
        factors, noise = exact_factors(covariances, floor)
    found.mean[:classes], found.factors[:classes], found.noise[:classes] = means, canonical(factors, noise), noise
    kept = np.log1p(-np.exp(found.log_shares[classes:]).sum())
    found.log_shares[:classes] = np.log(mixture.weights_) + kept  # pyright: ignore[reportAttributeAccessIssue]
    return found


def _covariances(mixture: object) -> Array:
    values, kind = mixture.covariances_, mixture.covariance_type  # pyright: ignore[reportAttributeAccessIssue]
    count, size = mixture.means_.shape  # pyright: ignore[reportAttributeAccessIssue]
    match kind:
        case "full":
            return values
        case "tied":
            return np.broadcast_to(values, (count, size, size))
        case "diag":
            return np.stack([np.diag(each) for each in values])
        case _:
            return np.stack([each * np.eye(size) for each in values])


def best_gaussians(
    train: Array,
    validation: Array,
    *,
    classes: Sequence[int] = CLASSES,
    seed: int = 0,
    most: float = 4e5,
    grid: Sequence[tuple[str, float]] = ALL_KINDS,
    steps: int = 100,
) -> object | None:
    """Returns scikit-learn's GaussianMixture of the best validation score, over sizes, covariances and ridges."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    size, best = train.shape[1], (-np.inf, None)
    if size == 0:
        return None
    for kind, ridge in grid:
        top, stale = -np.inf, 0
        for count in classes:
            if stale == STALE:
                break
            if (count > 1 and len(train) / count < FEWEST) or (kind == "full" and count * size * size > most):
                continue
            found = GaussianMixture(count, covariance_type=kind, reg_covar=ridge, random_state=seed, max_iter=steps)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    score = found.fit(train).score(validation)
            except ValueError:  # a covariance that lost its rank at this ridge
                continue
            top, stale = max(top, score), 0 if score > top else stale + 1
            if score > best[0]:
                best = (score, found)
    return best[1]
