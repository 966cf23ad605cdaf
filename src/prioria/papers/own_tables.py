"""What ``prioria train FILE`` does without an option, beside the best classical model of the same rows.

Columns on a grid of width g are spread over its cells, v + U(-g/2, g/2), by the same noise for every model: the density
of a mixture on columns with ties has no upper bound. A name has the density of its probability over the width of its
cell, so that all numbers are log-densities of the same rows, in nats, in the units of the data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prioria import evaluate, presets, starts
from prioria.data import Dataset
from prioria.data.base import Split
from prioria.data.schema import Schema
from prioria.data.treatments import without_logs
from prioria.evaluate import Difference
from prioria.evaluate.classical.densities import gaussians
from prioria.evaluate.classical.words import log_documents, unigram
from prioria.papers.columns import OF_A_START, Case, Column, cases, listing
from prioria.papers.own_sets import CORPORA, TABLES, dataset
from prioria.papers.page import compose
from prioria.papers.plots import error_of
from prioria.papers.table import Budget, Cell, Published, Result, Row, Table
from prioria.report.listing import Page
from prioria.starts.gaussians import best_gaussians

Array = NDArray[np.floating]
Base = tuple[str, Array]  # its name, and log p of the test rows (N,)
DRAWS = 300  # of a document's shares, to score it
TOLERANCE = 0.1  # nats, or two standard errors: what is no worse
LEAST = {  # what the difference must be, where more than that is asked
    "cancer": 3.5,
    "anes96": 2.8,
    "randhie": 5.0,
    "digits-table": 5.0,
    "GunPoint": 15.0,
    "temps24": 4.0,
    "code": 70.0,
    "topics": -1.0,
}


def measure(cell: Cell) -> Result:
    """Trains without an option, and compares with the base that the validation rows choose."""
    data = dataset(cell.data, seed=cell.seed, limit=cell.budget.train_limit)
    corpus, began = cell.data in CORPORA, time.process_time()
    found = presets.train(data, "counts" if corpus else "table", seed=cell.seed)
    trained = time.process_time()
    (name, theirs), ours = (_topics if corpus else _densities)(data, found.run.model, found.run.data, cell)
    difference = Difference.of(torch.from_numpy(ours), torch.from_numpy(theirs))
    asked = LEAST.get(cell.data, -max(TOLERANCE, 2 * difference.standard_error))
    return {
        "headline": f"{difference.value:+.2f} ± {difference.standard_error:.2f} nats over {name}",
        "shape": [sum(len(part) for part in (data.train, data.validation, data.test)), data.dimensions],
        "base": {"name": name, "value": float(theirs.mean())},
        "log_likelihood": {"value": float(ours.mean()), "standard_error": float(ours.std() / len(ours) ** 0.5)},
        "difference": difference.to_json(),
        "asked": asked,
        "holds": bool(difference.value >= asked),
        "begun": found.begun,
        "chosen": dict(found.chosen),
        "kept": found.kept,
        "gain": {"value": found.gain, "standard_error": found.standard_error},
        "split": f"test, {len(data.test):,} rows",
        "seconds": {"training": round(trained - began), "evaluation": round(time.process_time() - trained)},
    }


def _densities(data: Dataset, model: Any, treated: Dataset, cell: Cell) -> tuple[Base, Array]:
    """The best classical model of the spread numbers, and the density that a model has of the same test rows."""
    logged, shown = data.protocol.schema, treated.protocol.schema
    assert logged is not None and shown is not None
    data = without_logs(data, [each.name for each in logged.features])
    schema = data.protocol.schema or logged
    parts = [_Spread(part, schema, seed) for seed, part in enumerate((data.train, data.validation, data.test))]
    base = best_density(*(part.values for part in parts))
    x = _as_read(parts[2].numbers, schema, shown)
    scored = evaluate.log_likelihood(model, torch.from_numpy(x).float(), num_samples=cell.budget.num_samples)
    return base, scored.pointwise.numpy() - np.log(parts[2].cells).sum()


class _Spread:
    """Rows of a split, every column a number that is spread over the cell of its grid."""

    def __init__(self, part: Split, schema: Schema, seed: int) -> None:
        x = part.tensor().double().numpy()
        self.numbers = starts.dequantize(x, schema, seed=seed)
        self.values = schema.unscaled(torch.from_numpy(self.numbers)).numpy()
        noise, cells = np.random.default_rng(100 + seed), []
        for d, column in enumerate(schema.features):
            if column.levels:
                levels = np.array([float(level) for level in column.levels])
                cells.append(np.diff(levels).min())
                self.values[:, d] = levels[x[:, d].astype(int)] + cells[-1] * noise.uniform(-0.5, 0.5, len(x))
        self.cells = np.array(cells)


def _as_read(x: Array, schema: Schema, other: Schema) -> Array:
    """Rows in the units of a schema in those of another one of the same columns."""
    values = schema.unscaled(torch.from_numpy(x)).numpy()
    for d, column in enumerate(other.features):
        least = 1e-3 * column.resolution  # a value of a test row may be smaller than half its cell
        logs = np.log(np.maximum(values[:, d], least)) if column.treatment == "log" else values[:, d]
        values[:, d] = (logs - column.center) / column.scale
    return values


def best_density(train: Array, validation: Array, test: Array) -> Base:
    """Returns the classical density of real columns with the best validation score, and log p of test rows (N,).

    Independent Gaussians, a full one with shrinkage, factor analysis, and scikit-learn's Gaussian mixtures: up to 32
    classes, full, tied and diagonal covariances, several ridges.

    Args:
        train: rows (N, D), without ties.
        validation: rows that choose.
        test: rows that are scored.
    """
    center, scale = train.mean(0), train.std(0)
    fitted, held, scored = ((rows - center) / scale for rows in (train, validation, test))
    found: list[tuple[float, str, Callable[[Array], Array]]] = []
    mixture: Any = best_gaussians(fitted, held)
    if mixture is not None:
        found.append((float(mixture.score(held)), "Gaussian mixture", mixture.score_samples))
    for name, fit in gaussians(*fitted.shape[::-1]):
        try:
            score = fit(fitted)
            found.append((float(score(held).mean()), name, score))
        except (np.linalg.LinAlgError, ValueError):  # a covariance without its rank
            continue
    _, name, score = max((each for each in found if np.isfinite(each[0])), key=lambda each: each[0])
    return name, score(scored) - np.log(scale).sum()


def _topics(data: Dataset, model: Any, treated: Dataset, cell: Cell) -> tuple[Base, Array]:
    """The best of unigram and topics, and the likelihood that a model has of the same documents."""
    train, held, test = (part.tensor().double().numpy() for part in (data.train, data.validation, data.test))
    found = [(float(unigram(train)(held).mean()), "unigram", unigram(train)(test))]
    start = starts.topics(train, held, seed=cell.seed)
    gamma = starts.shares_of(start, torch.from_numpy(test).float())
    shares = (gamma / gamma.sum(-1, keepdim=True)).double().numpy()
    theirs = log_documents(test, shares, start.words, start.concentration, DRAWS)
    found.append((float(start.validation.mean()), f"LDA of {len(start.words)} topics", theirs))
    ours = evaluate.log_likelihood(model, treated.test.tensor(), num_samples=cell.budget.num_samples)
    return max(found, key=lambda each: each[0])[1:], ours.pointwise.numpy()


def page(table: Table, out: Path, cells: Sequence[Cell]) -> Page:
    """Returns the page of all results below ``out``."""
    found = cases(table, out)
    made = compose(
        table,
        out,
        [listing("", found, COLUMNS, OF_A_START)] if found else [],
        errors="After ± is a standard error: over rows, or over seeds where there are several.",
        curve=False,
    )
    lead = [f"{_summary(found)} Made by `prioria reproduce own-tables`.", STORY]
    absent = [name for name in table.data if name not in {case.data for case in found}]
    return replace(made, lead=lead, notes=[BUDGETS, *([f"Not run: {', '.join(absent)}."] if absent else [])])


def _summary(found: Sequence[Case]) -> str:
    ahead = sum(_mean(case, "difference.value") > 2 * error_of(case, "difference.value") for case in found)
    held = sum(_holds(case) == "yes" for case in found)
    return (
        f"Of {len(found)} tables and corpora the default is ahead of the best classical model by more than two "
        f"standard errors on {ahead}, and where it should be on {held}."
    )


def _mean(case: Case, path: str) -> float:
    return float(np.mean(case.values(path)))


def _difference(case: Case) -> str:
    return f"{_mean(case, 'difference.value'):+.2f} ± {error_of(case, 'difference.value'):.2f}"


def _holds(case: Case) -> str:
    return "yes" if _mean(case, "difference.value") >= _mean(case, "asked") else "no"


def _kept(case: Case) -> str:
    kept = case.values("kept")
    return f"{sum(kept)} of {len(kept)}" if len(kept) > 1 else "yes" if kept[0] else "no"


COLUMNS = (
    Column("table", lambda case: f"{case.data} ({case.budget})"),
    Column("rows x columns", lambda case: " x ".join(f"{each:,}" for each in case.runs[0]["shape"])),
    Column("best classical model", "base.name"),
    Column("its nats per row", "base.value"),
    Column("ours", "log_likelihood.value"),
    Column("difference", _difference),
    Column("at least", "asked", "+.2f"),
    Column("holds", _holds),
    Column("began as", "begun"),
    Column("networks kept", _kept),
)
STORY = (
    "Rows are permuted by the seed, 6,000 at most, and split 70 / 15 / 15 %. The best classical model is that of the "
    "best validation score among independent Gaussians, a full one, factor analysis and Gaussian mixtures (of "
    "documents: unigram and topics). Sizes, stopping and whether networks stay are chosen by the validation rows as "
    "well; numbers are of the test rows. Windows and patches overlap between parts, which flatters every model alike."
)
BUDGETS = (
    "`cpu` and `gpu`: the same training, 200 and 1,000 importance samples of the likelihood. `smoke`: 80 rows of the "
    "first table. Seconds are of one CPU, which others may have shared."
)
PUBLISHED = Published(
    title="Tables of one's own: never worse than the best classical model",
    source="nowhere",
    protocol="",
    unit="nats per row",
    cells={},
)
TABLE = Table(
    name="own-tables",
    rows=(Row("default", "prioria train FILE"),),
    data=(*TABLES, *CORPORA),
    budgets={
        "smoke": Budget(num_samples=10, train_limit=80, sets=1),
        "cpu": Budget(num_samples=200),
        "gpu": Budget(num_samples=1000),
    },
    published=PUBLISHED,
    measure=measure,
    page=page,
)
