"""Which mixture of factor analysers: size, ridge and shrinkage by the validation rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prioria.starts.factors import Array, FactorMixture, Rows, Settings, exact_factors, fit, improve

LATENTS = (0, 1, 2, 4, 8, 12, 16, 24, 32, 48, 64)
CLASSES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
RIDGES = (1e-6, 1e-4, 3e-4, 1e-3, 1e-2, 5e-2)
SHRINKAGES = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
STALE = 3  # numbers of classes in a row that are no better, after which no more are tried
FEWEST = 8  # rows to a class
BUDGET = 3e10  # multiplications, about: a count, not a clock, so that the same rows give the same mixture


class Search:
    """Fits mixtures and remembers the best by the mean log-likelihood of the validation rows."""

    def __init__(
        self,
        train: Rows,
        validation: Rows,
        floor: Array,
        *,
        classes: Sequence[int] = CLASSES,
        seed: int = 0,
        budget: float = BUDGET,
    ) -> None:
        self.train, self.validation, self.floor, self.seed = train, validation, floor, seed
        self.left, self.scores = budget, {}
        self.size = train.real.shape[1]
        top = max(self.size - 1, 0)
        self.latents = sorted({each for each in (*LATENTS, top) if each <= top})
        self.classes = [each for each in classes if each == 1 or len(train) / each >= FEWEST]
        self.best: tuple[float, FactorMixture] | None = None
        self._labels: dict[tuple[int, int], NDArray] = {}

    def labels(self, classes: int, seed: int | None = None) -> NDArray:
        """Returns first classes (N,) by k-means."""
        from sklearn.cluster import KMeans

        key = classes, self.seed if seed is None else seed
        if key not in self._labels:
            features = np.c_[self.train.real, 0.7 * self.train.bits, _roots(self.train.counts)]
            if classes == 1:
                self._labels[key] = np.zeros(len(features), int)
            else:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # fewer distinct rows than classes
                    means = KMeans(classes, n_init=2, random_state=key[1])  # pyright: ignore[reportArgumentType]
                    self._labels[key] = means.fit_predict(features)
        return self._labels[key]

    def offer(self, model: FactorMixture) -> float:
        """Scores a mixture, keeps it if it is the best, and returns its score."""
        score = float(model.log_prob(self.validation).mean())
        if np.isfinite(score) and (self.best is None or score > self.best[0]):
            self.best = score, model
        return score if np.isfinite(score) else -np.inf

    def attempt(self, settings: Settings) -> float:
        """Fits one setting, once, while the budget lasts."""
        if settings not in self.scores and self.left > 0:
            self.scores[settings] = self._run(settings)
        return self.scores.get(settings, -np.inf)

    def _run(self, settings: Settings, labels: NDArray | None = None, **options: Any) -> float:
        first = self.labels(settings.classes) if labels is None else labels
        try:
            model = fit(self.train, settings, self.floor, first, **options)
        except np.linalg.LinAlgError:
            return -np.inf
        width = self.size * (self.size + settings.latents) + self.train.bits.shape[1] + 10 * self.train.counts.shape[1]
        per_step = settings.classes * (len(self.train) * (width + 5) + 10 * self.size**3)
        self.left -= per_step * len(model.history)
        return self.offer(model)

    def run(self) -> FactorMixture:
        """Returns the best mixture that the budget finds, its EM continued and begun anew from other classes."""
        self._scan()
        for _ in range(4):
            before = self._top()
            self._vary()
            if self._top() == before:
                break
        settings = self._top()
        for seed in (None, self.seed + 1, self.seed + 2) if settings.classes > 1 else (None,):
            self._run(settings, self.labels(settings.classes, seed), iterations=300, tolerance=2e-4)
        if self.best is None:
            raise ValueError("no mixture could be fitted to these rows; are all their columns constant?")
        return self.best[1]

    def _scan(self) -> None:
        ends = {self.latents[0], self.latents[min(2, len(self.latents) - 1)], self.latents[-1]}
        for latents in sorted(ends):
            best, stale = -np.inf, 0
            for classes in self.classes:
                score = self.attempt(Settings(classes, latents))
                stale = 0 if score > best else stale + 1
                best = max(best, score)
                if stale == 2:
                    break
        for classes in {1, 2, 4, 8} & set(self.classes):
            for ridge in (1e-6, 3e-4, 1e-2):
                self.attempt(Settings(classes, self.latents[-1], 0.1, ridge))

    def _vary(self) -> None:
        top = self._top()
        near: list[Callable[[Settings], list[Settings]]] = [
            lambda s: [Settings(s.classes, s.latents, s.shrinkage, each) for each in RIDGES],
            lambda s: [Settings(s.classes, each, s.shrinkage, s.ridge) for each in _around(self.latents, top.latents)],
            lambda s: [Settings(each, s.latents, s.shrinkage, s.ridge) for each in _around(self.classes, top.classes)],
            lambda s: [Settings(s.classes, s.latents, each, s.ridge) for each in SHRINKAGES],
        ]
        for options in near:
            for settings in options(self._top()):
                self.attempt(settings)

    def _top(self) -> Settings:
        return max(self.scores, key=self.scores.__getitem__)


def _around(values: list[int], value: int) -> list[int]:
    place = values.index(value)
    return values[max(0, place - 1) : place + 2]


def _roots(counts: Array) -> Array:
    return np.sqrt(np.nan_to_num(counts)) / 3


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
    parts = [exact_factors(each) if size > 1 else (np.zeros((1, 0)), each[0]) for each in covariances]
    found.mean[:classes] = means
    found.factors[:classes] = np.stack([each for each, _ in parts])
    found.noise[:classes] = np.stack([each for _, each in parts])
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
    train: Array, validation: Array, *, classes: Sequence[int] = CLASSES, seed: int = 0, most: float = 4e5
) -> object | None:
    """Returns scikit-learn's GaussianMixture of the best validation score, over sizes, covariances and ridges."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    size, best = train.shape[1], (-np.inf, None)
    if size == 0:
        return None
    grid = [("full", ridge) for ridge in (1e-6, 1e-3, 1e-2, 1e-1)]
    grid += [(kind, ridge) for kind in ("tied", "diag") for ridge in (1e-6, 1e-2)]
    for kind, ridge in grid:
        top, stale = -np.inf, 0
        for count in classes:
            if stale == STALE:
                break
            if (count > 1 and len(train) / count < FEWEST) or (kind == "full" and count * size * size > most):
                continue
            found = GaussianMixture(count, covariance_type=kind, reg_covar=ridge, random_state=seed)
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
