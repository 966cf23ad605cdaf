"""How well a model fills in what is missing, beside what is commonly used."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prioria.data.base import Dataset, evenly
from prioria.data.schema import NAMES, Schema
from prioria.evaluate.record import known
from prioria.evaluate.sampling import measuring
from prioria.model import VAE

Array = NDArray[np.float64]
OURS, ITERATIVE, NEIGHBORS, MEAN = "model", "iterative", "k nearest neighbors", "mean"
COVERED = 0.9
REPEATS = 20  # tables that scikit-learn draws: its intervals go from the first of 20 to the last, about


@dataclass(frozen=True)
class ColumnErrors:
    """Errors of one column.

    Attributes:
        name: of the column.
        entries: how many were hidden.
        names: whether it holds names, whose error is the share of wrong ones; of numbers it is the root of the mean
            squared error in units of x, for most columns standard deviations of the training rows.
        errors: by method.
        coverage: share of hidden numbers in the 90 % interval, by method; none of names.
    """

    name: str
    entries: int
    names: bool
    errors: Mapping[str, float]
    coverage: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Imputation:
    """Errors of hidden entries, by column and by method.

    Attributes:
        columns: those of which entries were hidden.
        rule: which entries were.
        few: share of the rows with fewer than ten effective samples.
        seed: of what was hidden and of all noise.
    """

    columns: tuple[ColumnErrors, ...]
    rule: str
    few: float
    seed: int

    def mean_error(self, method: str, *, names: bool) -> float:
        """Returns the mean error of the columns of names, or of those of numbers; nan where there is none."""
        found = [column.errors[method] for column in self.columns if column.names == names]
        return float(np.mean(found)) if found else float("nan")

    def coverage(self, method: str) -> float:
        """Returns the share of all hidden numbers that a method's 90 % intervals cover; nan where there is none."""
        kept = [column for column in self.columns if method in column.coverage]
        total = sum(column.entries for column in kept)
        return sum(column.coverage[method] * column.entries for column in kept) / total if total else float("nan")

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(self.columns[0].errors)

    def __str__(self) -> str:
        width = max(len("mean share of wrong names"), *(len(column.name) for column in self.columns)) + 2
        lines = ["".join([" " * width, *(f"{name:>22}" for name in self.methods)])]
        lines += [self._line(column.name, column.errors, width) for column in self.columns]
        for title, names in (("mean error of numbers", False), ("mean share of wrong names", True)):
            if any(column.names == names for column in self.columns):
                lines.append(self._line(title, {m: self.mean_error(m, names=names) for m in self.methods}, width))
        covered = {method: self.coverage(method) for method in (OURS, ITERATIVE)}
        if any(column.coverage for column in self.columns):
            lines.append(self._line("in the 90 % interval", covered, width))
        doubt = f"; {self.few:.0%} of the rows have fewer than 10 effective samples" if self.few else ""
        return "\n".join([*lines, f"hidden: {self.rule}, seed {self.seed}{doubt}"])

    def _line(self, title: str, values: Mapping[str, float], width: int) -> str:
        cells = [f"{values[name]:22.3f}" if name in values else " " * 22 for name in self.methods]
        return "".join([f"{title:<{width}}", *cells]).rstrip()

    def to_json(self) -> dict[str, Any]:
        """Returns every number as JSON values."""
        columns = [
            {
                "name": each.name,
                "entries": each.entries,
                "names": each.names,
                "errors": {name: known(value) for name, value in each.errors.items()},
                "coverage": {name: known(value) for name, value in each.coverage.items()},
            }
            for each in self.columns
        ]
        return {"columns": columns, "rule": self.rule, "few": self.few, "seed": self.seed}


def imputation(
    model: VAE,
    data: Dataset,
    *,
    rate: float = 0.2,
    depends_on: str | None = None,
    num_draws: int = 200,
    num_samples: int = 1000,
    limit: int | None = None,
    seed: int = 0,
) -> Imputation:
    """Hides entries of test rows that are known, fills them in and compares: by the model and by three others.

    The model's value is the mean of its draws, or their most frequent level, its interval that from their 5 % to their
    95 % quantile. Beside it stand the mean (the most frequent level), five nearest neighbors and the chained equations
    of scikit-learn's IterativeImputer (van Buuren and Groothuis-Oudshoorn, 2011), fitted to the training rows, with a
    bit for each level of names but the first. IterativeImputer's intervals are of 20 tables that it draws.

    Args:
        model: a model of the columns of a table.
        data: the table.
        rate: share of the known entries that are hidden, on average.
        depends_on: a column that is never hidden, and on whose value it depends whether others of the row are: their
            probability rises with its rank from 0 to twice the rate. None: every entry is hidden alike.
        num_draws: of each entry.
        num_samples: of the posterior for each row.
        limit: test rows at even distances; None for all.
        seed: of what is hidden and of all noise.

    Raises:
        ValueError: the data are no table, the column is unknown, a rate is out of range, or nothing was hidden.
    """
    schema = data.protocol.schema
    if schema is None or data.protocol.kind != "columns":
        raise ValueError(f"data={data.name!r} is no table of columns of kinds; hidden entries are for tables")
    if not 0 < rate <= 0.5:
        raise ValueError(f"rate={rate} must be above 0 and at most 0.5")
    train = data.train.tensor().double().numpy()
    x = data.test.batch(evenly(len(data.test), limit)).double().numpy()
    gone = _gone(x, schema, rate, depends_on, np.random.default_rng(seed))
    seen = np.where(gone, np.nan, x)
    with measuring(model):
        torch.manual_seed(seed)
        found = model.conditional(torch.from_numpy(seen).float(), num_draws, num_samples=num_samples)
    draws = {OURS: found.draws.double().numpy()}
    points = {OURS: _center(draws[OURS], schema)} | _others(train, seen, schema, seed)
    draws[ITERATIVE] = _iterative_draws(train, seen, schema, seed)
    truth = np.where(gone, x, np.nan)
    columns = [_column(d, schema, truth, points, draws) for d in range(x.shape[1]) if gone[:, d].any()]
    if not columns:
        raise ValueError(f"rate={rate} hid none of {x.size} entries; give more rows, or a higher rate")
    rule = f"{rate:.0%} of the entries" + ("" if depends_on is None else f", the more the higher {depends_on}")
    few = float(found.few[torch.from_numpy(gone.any(1))].double().mean())
    return Imputation(tuple(columns), rule, few, seed)


def _gone(x: Array, schema: Schema, rate: float, depends_on: str | None, noise: np.random.Generator) -> NDArray:
    chance = np.full(x.shape, rate)
    if depends_on is not None:
        names = [column.name for column in schema.features]
        if depends_on not in names:
            raise ValueError(f"depends_on={depends_on!r} is unknown; the columns are {', '.join(names)}")
        rank = np.nan_to_num(x[:, names.index(depends_on)], nan=-np.inf).argsort(kind="stable").argsort(kind="stable")
        chance = np.repeat(2 * rate * (rank[:, None] + 0.5) / len(x), x.shape[1], 1)
        chance[:, names.index(depends_on)] = 0
    return (noise.random(x.shape) < chance) & ~np.isnan(x)


def _column(d: int, schema: Schema, x: Array, points: Mapping[str, Array], draws: Mapping[str, Array]) -> ColumnErrors:
    column, hidden = schema.features[d], ~np.isnan(x[:, d])
    truth, names = x[hidden, d], column.kind in NAMES
    errors, coverage = {}, {}
    for method, found in points.items():
        off = found[hidden, d] - truth
        errors[method] = float((off != 0).mean() if names else np.sqrt((off**2).mean()))
    for method, found in draws.items() if not names else ():
        # with these quantiles M draws of the true conditional cover it with probability .9 exactly, whatever M
        low, high = np.quantile(found[:, hidden, d], [(1 - COVERED) / 2, (1 + COVERED) / 2], 0, method="weibull")
        coverage[method] = float(((low <= truth) & (truth <= high)).mean())
    return ColumnErrors(column.name, int(hidden.sum()), names, errors, coverage)


def _center(draws: Array, schema: Schema) -> Array:
    """The mean of draws (M, N, D), of names the most frequent level (N, D)."""
    found = draws.mean(0)
    for d, column in enumerate(schema.features):
        if column.kind in NAMES:
            found[:, d] = np.stack([(draws[:, :, d] == code).sum(0) for code in range(column.categories)]).argmax(0)
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
    widths = [column.categories - 1 if each else 1 for column, each in zip(schema.features, names, strict=True)]
    parts = np.split(wide, np.cumsum(widths)[:-1], 1)
    found = [
        np.c_[1 - part.sum(1), part].argmax(1) if each else part[:, 0] for part, each in zip(parts, names, strict=True)
    ]
    return np.stack(found, 1).astype(float)


def _others(train: Array, seen: Array, schema: Schema, seed: int) -> dict[str, Array]:
    from sklearn.impute import KNNImputer, SimpleImputer

    imputers: Sequence[tuple[str, Any]] = (
        (ITERATIVE, _iterative(seed, sample_posterior=False)),
        (NEIGHBORS, KNNImputer(keep_empty_features=True)),
        (MEAN, SimpleImputer(keep_empty_features=True)),
    )
    return {name: _fitted(each, train, schema)(seen) for name, each in imputers}


def _iterative_draws(train: Array, seen: Array, schema: Schema, seed: int) -> Array:
    transform = _fitted(_iterative(seed, sample_posterior=True), train, schema)
    return np.stack([transform(seen) for _ in range(REPEATS)])  # each goes on in the same random numbers


def _iterative(seed: int, **options: Any) -> Any:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    return IterativeImputer(random_state=seed, keep_empty_features=True, **options)


def _fitted(imputer: Any, train: Array, schema: Schema) -> Callable[[Array], Array]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that ten rounds have not converged
        imputer.fit(_wide(train, schema))
    return lambda rows: _narrow(imputer.transform(_wide(rows, schema)), schema)
