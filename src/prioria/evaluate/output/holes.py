"""How well a model fills in what is missing, beside what is commonly used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prioria.data.base import Dataset, evenly
from prioria.data.schema import NAMES, Column, Schema
from prioria.distributions.spread import dequantize
from prioria.evaluate.difference import Difference
from prioria.evaluate.output import imputers
from prioria.evaluate.output.imputers import ITERATIVE, NEIGHBORS
from prioria.evaluate.record import known
from prioria.evaluate.sampling import measuring
from prioria.model import VAE

Array = NDArray[np.float64]
OURS = "model"
COVERED = 0.9
AT_ONCE = 20_000  # samples of all rows of a block
RESAMPLED = 500  # tables of test rows drawn anew, for standard errors


@dataclass(frozen=True)
class ColumnErrors:
    """Errors of one column.

    Attributes:
        name: of the column.
        entries: how many were hidden.
        names: whether it holds names, whose error is the share of wrong ones; of numbers it is the root of the mean
            squared error in standard deviations of the training rows.
        errors: by method.
        coverage: share of hidden numbers in the 90 % interval, by method; none of names.
        log_likelihood: log p(entry | what is observed of its row), mean over the hidden entries in nats, by method;
            a density of x for numbers.
    """

    name: str
    entries: int
    names: bool
    errors: Mapping[str, float]
    coverage: Mapping[str, float] = field(default_factory=dict)
    log_likelihood: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Imputation:
    """Errors of hidden entries, by column and by method.

    Attributes:
        columns: those of which entries were hidden.
        rule: which entries were.
        few: share of the rows with fewer than ten effective samples.
        seed: of what was hidden and of all noise.
        differences: by method, the model's number minus that one's, paired by row: "numbers" and "names" of the mean
            errors, "log_likelihood" of the mean over hidden entries.
    """

    columns: tuple[ColumnErrors, ...]
    rule: str
    few: float
    seed: int
    differences: Mapping[str, Mapping[str, Difference]] = field(default_factory=dict)

    def mean_error(self, method: str, *, names: bool) -> float:
        """Returns the mean error of the columns of names, or of those of numbers; nan where there is none."""
        found = [column.errors[method] for column in self.columns if column.names == names]
        return float(np.mean(found)) if found else float("nan")

    def coverage(self, method: str) -> float:
        """Returns the share of all hidden numbers that a method's 90 % intervals cover; nan where there is none."""
        kept = [column for column in self.columns if method in column.coverage]
        total = sum(column.entries for column in kept)
        return sum(column.coverage[method] * column.entries for column in kept) / total if total else float("nan")

    def log_likelihood(self, method: str) -> float:
        """Returns log p(entry | what is observed of its row), mean over all hidden entries; nan where unknown."""
        kept = [column for column in self.columns if method in column.log_likelihood]
        total = sum(column.entries for column in kept)
        return sum(each.log_likelihood[method] * each.entries for each in kept) / total if total else float("nan")

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
        measured = (OURS, ITERATIVE, NEIGHBORS)
        if any(column.coverage for column in self.columns):
            lines.append(self._line("in the 90 % interval", {each: self.coverage(each) for each in measured}, width))
        if any(column.log_likelihood for column in self.columns):
            lines.append(self._line("log p, nats per entry", {m: self.log_likelihood(m) for m in measured}, width))
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
                "log_likelihood": {name: known(value) for name, value in each.log_likelihood.items()},
            }
            for each in self.columns
        ]
        differences = {
            method: {what: each.to_json() for what, each in found.items()} for method, found in self.differences.items()
        }
        return {
            "columns": columns,
            "rule": self.rule,
            "few": self.few,
            "seed": self.seed,
            "differences": differences,
        }


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
    95 % quantile, and its log-likelihood is log sum_s w_s p(x_d | z_s) over the samples z_s of q(z | observed) with
    their importance weights w. Beside it stand the mean (the most frequent level), nearest neighbors (five for values,
    20 for what draws are needed for) and the chained equations of scikit-learn's IterativeImputer (van Buuren and
    Groothuis-Oudshoorn, 2011), whose intervals and densities are of 20 tables that it draws. All are fitted to the
    training rows, with a bit for each level of names but the first. For log-likelihoods the hidden numbers are spread
    over the cells of the grid that they lie on, as :func:`prioria.starts.dequantize` does.

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
    if (schema := data.protocol.schema) is None or data.protocol.kind != "columns":
        raise ValueError(f"data={data.name!r} is no table of columns of kinds; hidden entries are for tables")
    if not 0 < rate <= 0.5:
        raise ValueError(f"rate={rate} must be above 0 and at most 0.5")
    train = data.train.tensor().double().numpy()
    x = data.test.batch(evenly(len(data.test), limit)).double().numpy()
    gone = removed(x, schema, rate, depends_on, seed=seed)
    if not gone.any():
        raise ValueError(f"rate={rate} hid none of {x.size} entries; give more rows, or a higher rate")
    seen, truth = np.where(gone, np.nan, x), np.where(gone, x, np.nan)
    spread = np.where(gone, dequantize(x, schema, seed=seed), np.nan)
    with measuring(model):
        torch.manual_seed(seed)
        rows = torch.from_numpy(seen).float()
        found = model.conditional(rows, num_draws, num_samples=num_samples)
        densities = {OURS: _log_densities(model, rows, torch.from_numpy(spread).float(), num_samples)}
    densities[OURS] += schema.log_volumes(spread)  # as the others: of x
    theirs = imputers.draws(train, seen, schema, seed=seed)
    draws = {OURS: found.draws.double().numpy()} | theirs
    points = {OURS: _center(draws[OURS], schema)} | imputers.points(train, seen, schema, seed=seed)
    densities |= {method: imputers.log_densities(each, spread, schema) for method, each in theirs.items()}
    spreads = np.nanstd(train, 0)
    off = {method: _off(each, truth, schema, spreads) for method, each in points.items()}
    columns = [
        _column(column, truth[:, d], *({k: v[..., d] for k, v in of.items()} for of in (off, draws, densities)))
        for d, column in enumerate(schema.features)
        if gone[:, d].any()
    ]
    rule = f"{rate:.0%} of the entries" + ("" if depends_on is None else f", the more the higher {depends_on}")
    few = float(found.few[torch.from_numpy(gone.any(1))].double().mean())
    return Imputation(tuple(columns), rule, few, seed, _differences(off, densities, gone, schema, seed))


def removed(x: Array, schema: Schema, rate: float, depends_on: str | None, *, seed: int) -> NDArray[np.bool_]:
    """Returns which known entries of rows (N, D) a rule takes away; see :func:`imputation`.

    Raises:
        ValueError: the column is unknown.
    """
    chance, noise = np.full(x.shape, rate), np.random.default_rng(seed)
    if depends_on is not None:
        names = [column.name for column in schema.features]
        if depends_on not in names:
            raise ValueError(f"depends_on={depends_on!r} is unknown; the columns are {', '.join(names)}")
        rank = np.nan_to_num(x[:, names.index(depends_on)], nan=-np.inf).argsort(kind="stable").argsort(kind="stable")
        chance = np.repeat(2 * rate * (rank[:, None] + 0.5) / len(x), x.shape[1], 1)
        chance[:, names.index(depends_on)] = 0
    return (noise.random(x.shape) < chance) & ~np.isnan(x)


def _log_densities(model: VAE, seen: Tensor, truth: Tensor, num_samples: int) -> Array:
    """Returns log p(x_d | observed) (N, D) of the true entries that are no NaN, each for itself; 0 of the others."""
    found = []
    size = max(1, AT_ONCE // num_samples)
    for rows, hidden in zip(seen.split(size), truth.split(size), strict=True):
        draw = model.draw(rows, num_samples)
        log_w, px = draw.log_w.double().log_softmax(0), model.decode(draw.z)
        columns = torch.eye(rows.shape[1], dtype=torch.bool)  # a row with one entry has the density of that one
        alone = [px.log_prob(hidden.where(column, torch.nan)).double() for column in columns]
        found.append(torch.stack([(log_w + each).logsumexp(0) for each in alone], -1).masked_fill(hidden.isnan(), 0.0))
    return torch.cat(found).numpy()


def _off(found: Array, truth: Array, schema: Schema, spreads: Array) -> Array:
    """Squared errors (N, D) in training deviations, of names whether they are wrong; NaN where nothing was hidden."""
    names = np.array([column.kind in NAMES for column in schema.features])
    off = found - truth
    return np.where(names & ~np.isnan(off), off != 0, (off / np.where(spreads > 0, spreads, 1.0)) ** 2)


def _column(
    column: Column, truth: Array, off: Mapping[str, Array], draws: Mapping[str, Array], densities: Mapping[str, Array]
) -> ColumnErrors:
    """What is said of one column: true values (N,), errors (N,), draws (M, N), log-densities (N,)."""
    hidden, names = ~np.isnan(truth), column.kind in NAMES
    squares = {method: float(found[hidden].mean()) for method, found in off.items()}
    errors = squares if names else {method: value**0.5 for method, value in squares.items()}
    coverage = {}
    for method, found in draws.items() if not names else ():
        # with these quantiles M draws of the true conditional cover it with probability .9 exactly, whatever M
        low, high = np.quantile(found[:, hidden], [(1 - COVERED) / 2, (1 + COVERED) / 2], 0, method="weibull")
        coverage[method] = float(((low <= truth[hidden]) & (truth[hidden] <= high)).mean())
    likely = {method: float(found[hidden].mean()) for method, found in densities.items()}
    return ColumnErrors(column.name, int(hidden.sum()), names, errors, coverage, likely)


def _differences(
    off: Mapping[str, Array], densities: Mapping[str, Array], gone: NDArray, schema: Schema, seed: int
) -> dict[str, dict[str, Difference]]:
    """What the model is ahead of each method, with the standard deviation over rows drawn anew (Efron, 1979)."""
    rows = np.flatnonzero(gone.any(1))
    weights = np.random.default_rng(seed).multinomial(len(rows), np.full(len(rows), 1 / len(rows)), RESAMPLED)
    weights = np.r_[np.ones((1, len(rows)), int), weights]
    count = weights @ gone[rows]
    names = np.array([column.kind in NAMES for column in schema.features])

    def errors(found: Array, kept: NDArray) -> Array:
        mean = weights @ np.nan_to_num(found[rows]) / np.maximum(count, 1)
        there = (count > 0) & kept
        total = np.where(there, mean if kept is names else np.sqrt(mean), 0.0).sum(1)
        return np.where(there.any(1), total / np.maximum(there.sum(1), 1), np.nan)

    def likely(found: Array) -> Array:
        return weights @ found[rows].sum(1) / count.sum(1)

    found: dict[str, dict[str, Difference]] = {}
    for method in off.keys() - {OURS}:
        each = found[method] = {}
        for what, kept in (("numbers", ~names), ("names", names)):
            if (kept & gone.any(0)).any():
                each[what] = _resampled(errors(off[OURS], kept) - errors(off[method], kept), len(rows))
        if method in densities:
            each["log_likelihood"] = _resampled(likely(densities[OURS]) - likely(densities[method]), len(rows))
    return {method: found[method] for method in off if method != OURS}


def _resampled(values: Array, rows: int) -> Difference:
    known = values[1:][np.isfinite(values[1:])]  # rows drawn anew may be without an entry of a kind
    return Difference(float(values[0]), float(known.std()), rows)


def _center(draws: Array, schema: Schema) -> Array:
    """The mean of draws (M, N, D), of names the most frequent level (N, D)."""
    found = draws.mean(0)
    for d, column in enumerate(schema.features):
        if column.kind in NAMES:
            found[:, d] = np.stack([(draws[:, :, d] == code).sum(0) for code in range(column.categories)]).argmax(0)
    return found
