"""Synthetic rows: how samples differ from held-out rows, and whether they are copies of training rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prioria.data.base import Dataset, evenly
from prioria.data.carried import lengths
from prioria.data.column import NAMES
from prioria.data.schema import Schema
from prioria.distributions import has_length
from prioria.evaluate.classical.fitted import densities_of
from prioria.evaluate.classical.problem import problem_of
from prioria.evaluate.record import Record, plus_minus
from prioria.evaluate.sampling import measuring
from prioria.model import VAE

Array = NDArray[np.float64]

MODEL, REAL, INDEPENDENT = "model", "training rows", "columns drawn alone"
WIDEST, NEIGHBORS = 400, 20_000  # columns, and training rows among which the nearest is looked for
FOLDS, TREES, LEAF = 5, 200, 3
SAME = 1e-4  # distance of standardized rows that single precision and grids may make
COPIED = 0.6  # samples nearer to training rows than so many of the pairs with held-out rows are suspect


@dataclass(frozen=True)
class Fidelity:
    """How one set of rows differs from held-out rows.

    Attributes:
        name: what drew the rows.
        columns: distance of each column from 0 to 1: Kolmogorov and Smirnov's of numbers, total variation of names.
        correlation: mean absolute difference of rank correlations, of names of those of each level.
        auc: of a random forest that tells the rows from held-out rows, cross-validated; 0.5 is chance.
        auc_error: its standard error (Hanley and McNeil, 1982).
        nearer: chance that a row lies nearer to a training row than a held-out row does; 1 of copies, 0.5 of new rows.
        copies: share of rows that are training rows, to the last digit.
    """

    name: str
    columns: dict[str, float]
    correlation: float
    auc: float
    auc_error: float
    nearer: float
    copies: float

    @property
    def distance(self) -> float:
        """The mean distance over columns."""
        return float(np.mean(list(self.columns.values())))

    @property
    def cells(self) -> tuple[str, ...]:
        """Its numbers as a table shows them."""
        numbers = (self.distance, self.correlation, self.auc, self.nearer, self.copies)
        return tuple(f"{value:.3f}" for value in numbers)

    @classmethod
    def _taken(cls, found: Any, place: str) -> Fidelity:
        record = Record(found, place)
        columns = record.inner("columns")
        read = cls(
            record.text("name"),
            columns.each(columns.number),
            **{name: record.number(name) for name in ("correlation", "auc", "auc_error", "nearer", "copies")},
        )
        record.close()
        return read


@dataclass(frozen=True)
class Synthetic:
    """How samples of a model differ from held-out rows, beside those of classical models.

    Attributes:
        model: of the samples of the model.
        beside: of as many training rows, which differ by chance alone; of columns drawn from the training rows one by
            one; and of draws of the classical models, the best by the validation rows first.
        rows: held-out rows, and rows of every set.
    """

    model: Fidelity
    beside: tuple[Fidelity, ...]
    rows: int

    @property
    def verdict(self) -> str:
        """In words, whether a classifier knows samples from rows, and whether samples are copies."""
        others = [each for each in self.beside if each.name not in (REAL, INDEPENDENT)]
        best = min(others, key=lambda each: each.auc, default=None)
        beside = "" if best is None else f"; those of the best classical model ({best.name}) {best.auc:.2f}"
        auc = plus_minus(self.model.auc, error=self.model.auc_error)
        said = f"a classifier knows samples from held-out rows with AUC {auc}"
        far = "no nearer to training rows than held-out rows are"
        near = "NEARER to training rows than held-out rows are: look for copies"
        nearer = near if self.model.nearer > COPIED else far
        return f"{said}{beside} (0.50 is chance); they lie {nearer} ({self.model.nearer:.2f}, 0.50 is new)"

    def __str__(self) -> str:
        heads = ("", "columns", "correlations", "AUC", "nearer", "copies")
        lines = [heads, *((each.name, *each.cells) for each in (self.model, *self.beside))]
        widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
        table = ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([self.verdict, *(line.rstrip() for line in table), self.worst])

    @property
    def worst(self) -> str:
        """The columns that differ most, in words."""
        found = sorted(self.model.columns.items(), key=lambda item: -item[1])[:3]
        return "columns that differ most: " + ", ".join(f"{name} ({value:.2f})" for name, value in found)

    def to_json(self) -> dict[str, Any]:
        """Returns JSON values."""
        return {"model": asdict(self.model), "beside": [asdict(each) for each in self.beside], "rows": self.rows}

    @classmethod
    def from_json(cls, found: Any, place: str = "synthetic") -> Synthetic:
        """Returns what :meth:`to_json` wrote.

        Raises:
            ValueError: a name is missing or unknown, or a value of another type or not finite.
        """
        record = Record(found, place)
        beside = [Fidelity._taken(each, f"{place}.beside[{i}]") for i, each in enumerate(record.entries("beside"))]
        read = cls(Fidelity._taken(record.take("model"), f"{place}.model"), tuple(beside), record.integer("rows"))
        record.close()
        return read


def synthetic(model: VAE, data: Dataset, *, limit: int = 2000, seed: int = 0) -> Synthetic:
    """Compares samples of a model with held-out rows of a table, and does the same with those of classical models.

    Held-out are the validation and test rows, of which as many are drawn from each model. A sample gets the holes of a
    held-out row at random, and is put on the grids of the columns. That samples lie no nearer to training rows than
    held-out rows do is no proof of privacy: it finds a model that copies, no more.

    Args:
        model: of the data.
        data: rows that are no pictures or series, of at most 400 columns.
        limit: held-out rows, at even distances.
        seed: of samples, folds and forests.

    Raises:
        ValueError: pictures, series, or too many columns, or fewer than ten held-out rows.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from prioria import build, data
        >>> iris = data.load(load_iris(as_frame=True).data)
        >>> found = synthetic(build.model(iris, seed=0), iris)
        >>> found.rows, found.model.auc > 0.7
        (30, True)
    """
    protocol, schema = data.protocol, data.protocol.schema
    if len(data.shape) > 1 or data.dimensions > WIDEST:
        raise ValueError(
            f"data={data.name!r} has rows of shape {data.shape}: samples are compared with tables only, of at most "
            f"{WIDEST} columns"
        )
    generator = np.random.default_rng(seed)
    held = np.concatenate([_rows(part) for part in (data.validation, data.test)])
    held = held[evenly(len(held), limit).numpy()]
    train = _rows(data.train)
    if len(held) < 2 * FOLDS:
        raise ValueError(f"data={data.name!r} has {len(held)} held-out rows; at least {2 * FOLDS} are needed")
    columns = schema if protocol.kind == "columns" else None
    compare = _Comparison(train, held, columns, _names(data), seed)
    sets = {MODEL: _samples(model, data, len(held), seed)} | dict(_beside(model, data, train, held, generator))
    holes = np.isnan(held)[generator.permutation(len(held))]
    found = [compare(name, np.where(holes, np.nan, _put(x, columns))) for name, x in sets.items()]
    return Synthetic(found[0], tuple(found[1:]), len(held))


def _rows(part: Any) -> Array:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)  # of bits that are drawn
        return part.tensor().double().numpy()


def _names(data: Dataset) -> list[str]:
    schema = data.protocol.schema
    if schema is not None and len(schema.features) == data.dimensions:
        return [column.name for column in schema.features]
    return [f"x{number}" for number in range(data.dimensions)]


def _put(x: Array, schema: Schema | None) -> Array:
    """Rows as they are after they were written into a table and read again."""
    return x if schema is None else schema.encode(schema.decode(x)).astype(np.float64)


def _samples(model: VAE, data: Dataset, count: int, seed: int) -> Array:
    with measuring(model):
        torch.manual_seed(seed)
        px = model.generate(count).px
        if has_length(px):
            px = px.of_length(lengths(model.protocol or data.protocol, count))
        return px.sample()[0].double().cpu().numpy()


def _beside(
    model: VAE, data: Dataset, train: Array, held: Array, generator: np.random.Generator
) -> Iterator[tuple[str, Array]]:
    count = len(held)
    yield REAL, train[generator.choice(len(train), count, replace=len(train) < count)]
    alone = [generator.choice(known if len(known := x[~np.isnan(x)]) else [0.0], count) for x in train.T]
    yield INDEPENDENT, np.stack(alone, 1)
    with measuring(model):
        px = model.generate(1).px
    try:
        problem = problem_of(data.protocol, (train, held, held), px)
    except ValueError:  # no classical model of such values: the others are there
        return
    for name, (_, density) in densities_of(problem).items():
        yield name, density.draw(count, generator)


class _Comparison:
    """Compares sets of rows (N, D) with held-out rows.

    Args:
        train: training rows.
        held: held-out rows.
        schema: of the columns of a table; None for numbers.
        names: of the columns.
        seed: of folds and forests.
    """

    def __init__(self, train: Array, held: Array, schema: Schema | None, names: list[str], seed: int) -> None:
        from sklearn.neighbors import NearestNeighbors

        self.held, self.names, self.seed = held, names, seed
        self.levels = [0] * len(names) if schema is None else [
            column.categories if column.kind in NAMES else 0 for column in schema.features
        ]  # fmt: skip
        train = train[evenly(len(train), NEIGHBORS).numpy()]
        scale = np.nanstd(train, 0)
        self.center, self.scale = np.nan_to_num(np.nanmean(train, 0)), np.where(scale > 0, scale, 1.0)
        self.nearest = NearestNeighbors(n_neighbors=1).fit(self._wide(train))
        self.near = self._distances(held)
        self.correlations = self._correlations(held)

    def __call__(self, name: str, rows: Array) -> Fidelity:
        """Returns how rows (N, D) differ from the held-out rows."""
        auc = self._auc(rows)
        own = self._distances(rows)
        nearer = (own[:, None] < self.near).mean() + 0.5 * (own[:, None] == self.near).mean()
        apart = np.abs(self._correlations(rows) - self.correlations)
        return Fidelity(
            name,
            {each: self._distance(rows[:, d], self.held[:, d], self.levels[d]) for d, each in enumerate(self.names)},
            correlation=float(np.nan_to_num(np.nanmean(apart) if np.isfinite(apart).any() else 0.0)),
            auc=auc,
            auc_error=_auc_error(auc, len(rows), len(self.held)),
            nearer=float(nearer),
            copies=float((own == 0).mean()),
        )

    def _wide(self, rows: Array) -> Array:
        """Rows with numbers standardized and 1 / sqrt 2 in the place of each level; a missing value is a mean."""
        parts = []
        for d, levels in enumerate(self.levels):
            x = rows[:, d, None]
            value = (x == np.arange(levels)) / np.sqrt(2) if levels else (x - self.center[d]) / self.scale[d]
            parts.append(np.nan_to_num(value))
        return np.concatenate(parts, 1)

    def _distances(self, rows: Array) -> Array:
        found = self.nearest.kneighbors(self._wide(rows))[0][:, 0]
        return np.where(found < SAME, 0.0, found)

    def _correlations(self, rows: Array) -> Array:
        """Rank correlations of numbers and of bits of levels, NaN between two levels of one column."""
        import pandas as pd

        parts = [
            np.where(np.isnan(x := rows[:, d, None]), np.nan, x == np.arange(levels)) if levels else rows[:, d, None]
            for d, levels in enumerate(self.levels)
        ]
        of = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
        found = pd.DataFrame(np.concatenate(parts, 1)).rank().corr().fillna(0.0).to_numpy()
        return np.where(of[:, None] == of, np.nan, found)

    @staticmethod
    def _distance(x: Array, other: Array, levels: int) -> float:
        x, other = x[~np.isnan(x)], other[~np.isnan(other)]
        if not len(x) or not len(other):
            return 0.0
        if levels:
            shares = [np.bincount(each.astype(int), minlength=levels) / len(each) for each in (x, other)]
            return float(np.abs(shares[0] - shares[1]).sum() / 2)
        from scipy.stats import ks_2samp

        return float(ks_2samp(x, other, method="asymp").statistic)  # pyright: ignore[reportAttributeAccessIssue]

    def _auc(self, rows: Array) -> float:
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import StratifiedKFold, cross_val_predict

        x = np.concatenate([rows, self.held]).astype(np.float32)
        y = np.repeat([1, 0], [len(rows), len(self.held)])
        forest = RandomForestClassifier(TREES, min_samples_leaf=LEAF, random_state=self.seed)
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=self.seed)
        probabilities = np.asarray(cross_val_predict(forest, x, y, cv=folds, method="predict_proba"))
        return float(roc_auc_score(y, probabilities[:, 1]))


def _auc_error(auc: float, positive: int, negative: int) -> float:
    """The standard error of an area under the curve (Hanley and McNeil, 1982, eq. 1)."""
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positive - 1) * (one - auc**2) + (negative - 1) * (two - auc**2)
    return float(np.sqrt(variance / (positive * negative)))
