"""Which mixture of factor analysers: size, ridge and shrinkage by the validation rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prioria.starts.factors import Array, FactorMixture, Rows, Settings, improve
from prioria.starts.gaussians import CLASSES, FEWEST, best_gaussians, from_gaussians

LATENTS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
RIDGES = (0.0, 1e-6, 1e-4, 3e-4, 1e-3, 1e-2, 5e-2)
SHRINKAGES = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
BUDGET = 1e11  # multiplications, about: a count, not a clock, so that the same rows give the same mixture
SCREENING = 0.4  # share of it that sizes are compared with, on some rows and with few steps
SCREENED, CELLS = 2000, 60_000  # rows on which sizes are compared, and about how many of their entries
STEPS, LAST_STEPS = 20, 300  # of EM where sizes are compared, and of the mixtures that come last
FEW, FOLDS = 200, 5  # validation rows below which folds of all rows judge in their place
FINALISTS = 4
UNLIKELY = 50.0  # half widths below the median, from which a row is like no other
LADDER = (1, 2, 4, 8, 16, 32)  # numbers of classes of scikit-learn's mixtures
KINDS = (("full", 1e-3), ("full", 1e-2), ("tied", 1e-3), ("diag", 1e-3))  # their covariances and ridges

Candidate = Callable[[Rows], FactorMixture]


class Search:
    """Fits mixtures and finds the best by the log-likelihood of rows that they were not fitted to.

    Sizes are compared on some of the rows; the best of them, and scikit-learn's best Gaussian mixture, are then fitted
    to all training rows, and the validation rows say which is kept. Where these are few, cross-validation over training
    and validation rows says it.

    Args:
        train: training rows.
        validation: validation rows.
        floor: least noise variance of each real column (G,).
        classes: numbers of classes that are tried.
        seed: of first classes and folds.
        budget: multiplications, about.
    """

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
        self.left, self.reserve = SCREENING * budget, (1 - SCREENING) * budget
        self.found: dict[Settings, tuple[float, FactorMixture]] = {}
        self.size = train.real.shape[1]
        top = max(self.size - 1, 0)
        self.latents = sorted({each for each in (*LATENTS, top) if each <= top})
        self.folds: tuple[Rows, NDArray] | None = None
        if len(validation) < FEW:
            every = train.join(validation)
            places = np.random.default_rng(seed).permutation(len(every))
            self.folds = every, places % FOLDS
            fitted, held = every.take(places % 10 >= 3), every.take(places % 10 < 3)
        else:
            fitted, held = train, validation
        most = min(SCREENED, max(600, CELLS // max(self.size, 1)))
        self.few, self.held = _some(fitted, most), _some(held, most)
        self.classes = [each for each in sorted(classes) if each == 1 or len(train) / each >= FEWEST] or [min(classes)]
        self._labels: dict[int, NDArray] = {}

    @property
    def score(self) -> float:
        """The best mean log-likelihood that :meth:`screen` has found."""
        return self.found[self._top()][0] if self.found else -np.inf

    def screen(self) -> Search:
        """Compares sizes on some rows, with few steps of EM."""
        self._scan()
        for _ in range(3):
            before = self._top()
            self._vary()
            if self._top() == before:
                break
        if not self.found:
            raise ValueError("no mixture could be fitted to these rows; are all their columns constant?")
        return self

    def finish(self) -> tuple[FactorMixture, float]:
        """Returns the best of the finalists, fitted to the training rows, and its score."""
        best: tuple[float, Candidate, FactorMixture | None] | None = None
        self.left = self.reserve
        for candidate in self._candidates():
            if best is not None and self.left <= 0:
                break
            try:
                score, model = self._judged(candidate)
            except (np.linalg.LinAlgError, ValueError):  # a covariance that lost its rank at this ridge
                continue
            if np.isfinite(score) and (best is None or score > best[0]):
                best = score, candidate, model
        if best is None:
            raise ValueError("no mixture could be fitted to these rows; are all their columns constant?")
        return best[2] or best[1](self.train), best[0]

    def _judged(self, candidate: Candidate) -> tuple[float, FactorMixture | None]:
        if self.folds is None:
            model = candidate(self.train)
            return _score(model.log_prob(self.validation)), model
        every, fold = self.folds
        scores = [candidate(every.take(fold != k)).log_prob(every.take(fold == k)) for k in range(FOLDS)]
        return _score(np.concatenate(scores)), None

    def _candidates(self) -> Iterator[Candidate]:
        """The best of the sizes, each with its own classes or factors, other first classes, and scikit-learn's best."""
        ranked = sorted(self.found, key=lambda each: -self.found[each][0])
        first = {(each.classes, each.latents): each for each in reversed(ranked)}
        finalists = sorted(first.values(), key=ranked.index)[:FINALISTS]
        single = next((each for each in ranked if each.classes == 1), None)
        for settings in [*finalists, *({single} - {None, *finalists})]:
            yield partial(self._fitted, settings)
        gaussians: Any = best_gaussians(
            self.few.real, self.held.real, classes=self._ladder(), seed=self.seed, grid=KINDS, steps=STEPS
        )
        if gaussians is not None:
            yield partial(self._gaussians, gaussians)
        if finalists[0].classes > 1:
            for seed in (1, 2) if self.folds is None else ():
                yield partial(self._fitted, finalists[0], seed=self.seed + seed)

    def _ladder(self) -> list[int]:
        fewest, most = self.classes[0], self.classes[-1]
        return [each for each in LADDER if fewest <= each <= most] or self.classes

    def _gaussians(self, mixture: Any, rows: Rows) -> FactorMixture:
        from sklearn.base import clone

        again: Any = clone(mixture)
        steps = self.reserve / 2 / (2 * again.n_components * len(rows) * self.size**2)
        again.set_params(max_iter=int(np.clip(steps, 5, 100)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # not yet at the optimum
            again.fit(rows.real)
        self.left -= 2 * again.n_components * len(rows) * self.size**2 * again.n_iter_
        return from_gaussians(rows, again, self.floor)

    def _fitted(self, settings: Settings, rows: Rows, seed: int | None = None) -> FactorMixture:
        """Fits to rows, from the classes that the comparison ended with where these may be known."""
        if self.folds is None and seed is None:
            shares = _shares(self.found[settings][1], rows)
        else:
            shares = np.eye(settings.classes)[_grouped(rows, settings.classes, self.seed if seed is None else seed)]
        steps = self.reserve / 4 / self._per_step(settings, len(rows))
        return self._run(settings, rows, shares, iterations=int(np.clip(steps, 5, LAST_STEPS)), tolerance=2e-4)

    def attempt(self, settings: Settings, near: Settings | None = None) -> float:
        """Fits one setting to the few rows, once, while the budget lasts; from the classes of one like it, or anew."""
        if settings not in self.found and self.left > 0:
            if near in self.found and near.classes == settings.classes:
                shares = _shares(self.found[near][1], self.few)
            else:
                shares = np.eye(settings.classes)[self._grouped(settings.classes)]
            try:
                model = self._run(
                    settings, self.few, shares, iterations=STEPS, tolerance=2e-3 * max(1.0, self.size / 5)
                )
            except np.linalg.LinAlgError:  # a covariance that lost its rank at this ridge
                return -np.inf
            score = _score(model.log_prob(self.held))
            self.found[settings] = score if np.isfinite(score) else -np.inf, model
        return self.found[settings][0] if settings in self.found else -np.inf

    def _run(self, settings: Settings, rows: Rows, shares: Array, **options: Any) -> FactorMixture:
        model = improve(rows, settings, self.floor, shares, **options)
        self.left -= self._per_step(settings, len(rows)) * len(model.history)
        return model

    def _per_step(self, settings: Settings, rows: int) -> float:
        width = self.size * (self.size + settings.latents) + self.train.bits.shape[1] + 10 * self.train.counts.shape[1]
        return float(settings.classes * (rows * (width + 5) + 10 * self.size**3))

    def _grouped(self, classes: int) -> NDArray:
        if classes not in self._labels:
            self._labels[classes] = _grouped(self.few, classes, self.seed)
        return self._labels[classes]

    def _scan(self) -> None:
        for classes in sorted({1, 2, 4, 8} & set(self.classes)):
            for ridge in (0.0, 3e-4, 1e-2):
                self.attempt(Settings(classes, self.latents[-1], 0.1, ridge), Settings(classes, self.latents[-1], 0.1))
        for latents in self.latents:
            self.attempt(Settings(self.classes[0], latents))
        ends = {self.latents[0], self.latents[min(2, len(self.latents) - 1)], self.latents[-1]}
        if self.found:
            ends |= {self._top().latents}
        for latents in sorted(ends):
            best, stale = -np.inf, 0
            for classes in self.classes:
                score = self.attempt(Settings(classes, latents))
                stale = 0 if score > best else stale + 1
                best = max(best, score)
                if stale == 2:
                    break

    def _vary(self) -> None:
        top = self._top()
        near: list[Callable[[Settings], list[Settings]]] = [
            lambda s: [Settings(s.classes, s.latents, s.shrinkage, each) for each in RIDGES],
            lambda s: [Settings(s.classes, each, s.shrinkage, s.ridge) for each in _around(self.latents, top.latents)],
            lambda s: [Settings(each, s.latents, s.shrinkage, s.ridge) for each in _around(self.classes, top.classes)],
            lambda s: [Settings(s.classes, s.latents, each, s.ridge) for each in SHRINKAGES],
        ]
        for options in near:
            top_now = self._top()
            for settings in options(top_now):
                self.attempt(settings, top_now)

    def _top(self) -> Settings:
        return max(self.found, key=lambda each: self.found[each][0])


def _score(log_p: Array) -> float:
    """The mean, to which a row counts as no farther below the median than 50 times half of the middle half's width.

    One row that is unlike all others would else choose alone.
    """
    low, median, high = np.quantile(log_p, (0.25, 0.5, 0.75))
    return float(np.maximum(log_p, median - UNLIKELY * (high - low) / 2).mean())


def _some(rows: Rows, count: int) -> Rows:
    """Rows at even distances, so many at most."""
    return rows if len(rows) <= count else rows.take(np.linspace(0, len(rows) - 1, count).round().astype(int))


def _grouped(rows: Rows, classes: int, seed: int) -> NDArray:
    """Returns first classes (N,) by k-means."""
    from sklearn.cluster import KMeans

    if classes == 1:
        return np.zeros(len(rows), int)
    features = np.c_[rows.real, 0.7 * rows.bits, np.sqrt(np.nan_to_num(rows.counts)) / 3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer distinct rows than classes
        return KMeans(min(classes, len(rows)), n_init=2, random_state=seed).fit_predict(features)  # pyright: ignore[reportArgumentType]


def _shares(model: FactorMixture, rows: Rows) -> Array:
    """Returns the shares (N, K) of a mixture's classes in rows, the broad ones left out."""
    joint = model.log_joint(rows)[:, : model.settings.classes]
    shares = np.exp(joint - joint.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def _around(values: list[int], value: int) -> list[int]:
    place = values.index(value)
    return values[max(0, place - 1) : place + 2]
