"""Missing entries filled in by what ``prioria train FILE`` leaves, beside what is commonly used, on mixed tables.

One entry in five is taken away from every row, of training and validation rows before anything is fitted and of test
rows afterwards: at random, or the more often the higher another column is. All methods see the same columns, under the
same logarithms, and the same holes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prioria import evaluate, presets
from prioria.evaluate import Difference, Imputation
from prioria.evaluate.output.holes import OURS
from prioria.evaluate.output.imputers import ITERATIVE, MEAN, NEIGHBORS
from prioria.evaluate.record import known
from prioria.papers.columns import OF_A_START, Case, Column, cases, listing
from prioria.papers.mixed_sets import DEPENDS_ON, MIXED, dataset
from prioria.papers.page import compose
from prioria.papers.plots import error_of
from prioria.papers.table import Budget, Cell, Published, Result, Row, Table
from prioria.report.listing import Page

RATE = 0.2
OTHERS = {ITERATIVE: "IterativeImputer", NEIGHBORS: "k nearest neighbors"}
WHAT = {"log_likelihood": "log-likelihood", "numbers": "error of numbers", "names": "share of wrong names"}
EVERY = {**WHAT, "coverage": "coverage of 90 % intervals"}
RANDOM, DEPENDING = "at-random", "depending"
NO_WORSE = 2.0  # standard errors by which a number may be behind, and still be no worse


def measure(cell: Cell) -> Result:
    """Trains without an option on a table with holes, and fills in those of its test rows."""
    depends_on = DEPENDS_ON[cell.data] if cell.row.name == DEPENDING else None
    data = dataset(cell.data, rate=RATE, depends_on=depends_on, seed=cell.seed, limit=cell.budget.train_limit)
    began = time.process_time()
    trained = presets.train(data, "table", seed=cell.seed)
    trained_at = time.process_time()
    found = evaluate.imputation(
        trained.run.model,
        trained.run.data,
        rate=RATE,
        depends_on=depends_on,
        num_samples=cell.budget.num_samples,
        seed=cell.seed,
    )
    judged = {method: _judged(found, method) for method in OTHERS}
    behind = [
        f"{what} than {OTHERS[method]}" for method, each in judged.items() for what, held in each.items() if not held
    ]
    return {
        "headline": f"worse {'; '.join(behind)}" if behind else "no worse",
        "shape": [sum(len(part) for part in (data.train, data.validation, data.test)), data.dimensions],
        "depends_on": depends_on,
        "errors": {what: _errors(found, names=what == "names") for what in ("numbers", "names")},
        "log_likelihood": {method: known(found.log_likelihood(method)) for method in (OURS, *OTHERS)},
        "coverage": {method: known(found.coverage(method)) for method in (OURS, *OTHERS)},
        "differences": found.to_json()["differences"],
        "no_worse": {**judged, "all": not behind},
        "entries": sum(column.entries for column in found.columns),
        "few": found.few,
        "begun": trained.begun,
        "chosen": dict(trained.chosen),
        "kept": trained.kept,
        "gain": {"value": trained.gain, "standard_error": known(trained.standard_error)},
        "split": f"test, {len(data.test):,} rows",
        "seconds": {
            "training": round(trained_at - began),
            "evaluation": round(time.process_time() - trained_at),
        },
    }


def _errors(found: Imputation, *, names: bool) -> dict[str, float | None]:
    return {method: known(found.mean_error(method, names=names)) for method in (OURS, *OTHERS, MEAN)}


def _judged(found: Imputation, method: str) -> dict[str, bool]:
    """Whether each number is no worse than a method's, to two standard errors of what is measured on these rows."""
    judged = {what: _holds(found.differences[method][what], what) for what in WHAT if what in found.differences[method]}
    entries = sum(column.entries for column in found.columns if not column.names)
    allowed = NO_WORSE * math.sqrt(0.9 * 0.1 / entries)
    ours, theirs = (abs(found.coverage(each) - 0.9) for each in (OURS, method))
    return judged | {"coverage": bool(ours <= max(theirs, allowed))}


def _holds(difference: Difference, what: str) -> bool:
    behind = -difference.value if what == "log_likelihood" else difference.value
    return bool(behind <= NO_WORSE * difference.standard_error)


def page(table: Table, out: Path, cells: Sequence[Cell]) -> Page:
    """Returns the page of all results below ``out``."""
    found = cases(table, out)
    made = compose(
        table,
        out,
        [
            listing(row.title, here, COLUMNS, DETAILS)
            for row in table.rows
            if (here := [case for case in found if case.row.name == row.name])
        ],
        errors="After ± is a standard error: over test rows drawn anew, or over seeds where there are several.",
        curve=False,
    )
    lead = [*(_summary(row, found) for row in table.rows), "Made by `prioria reproduce imputation`.", STORY]
    absent = [
        f"{name} {row.title}"
        for row in table.rows
        for name in table.data
        if (name, row.name) not in {(case.data, case.row.name) for case in found}
    ]
    return replace(made, lead=lead, notes=[RULES, BUDGETS, *([f"Not run: {', '.join(absent)}."] if absent else [])])


def _summary(row: Row, found: Sequence[Case]) -> str:
    here = [case for case in found if case.row.name == row.name]
    parts = [
        f"{sum(_no_worse(case, what) for case in here)} in {word}"
        for what, word in {**WHAT, "coverage": "coverage of 90 % intervals"}.items()
    ]
    every = sum(_behind(case) == "" for case in here)
    return (
        f"Entries taken away {row.title}: of {len(here)} tables, what `prioria train FILE` leaves is no worse than "
        f"IterativeImputer and nearest neighbors on so many, by number: {', '.join(parts)}; by all on {every}."
    )


def _no_worse(case: Case, what: str) -> bool:
    return all(_mean_holds(case, method, what) for method in OTHERS)


def _mean_holds(case: Case, method: str, what: str) -> bool:
    """Whether the mean over seeds is no worse; one seed is judged by its own standard error."""
    if len(case.runs) == 1 or what == "coverage":
        held = case.values(f"no_worse.{method}.{what}")
        return 2 * sum(held) >= len(held)
    values = case.values(f"differences.{method}.{what}.value")
    if not values:
        return True
    mean = sum(values) / len(values)
    behind = -mean if what == "log_likelihood" else mean
    return behind <= NO_WORSE * error_of(case, f"differences.{method}.{what}.value")


def _behind(case: Case) -> str:
    found = [
        f"{word}, {OTHERS[method]}"
        for what, word in EVERY.items()
        for method in OTHERS
        if not _mean_holds(case, method, what)
    ]
    return "; ".join(found)


def _ahead(what: str, method: str) -> Column:
    def text(case: Case) -> str:
        values = case.values(f"differences.{method}.{what}.value")
        if not values:
            return ""
        return f"{sum(values) / len(values):+.3f} ± {error_of(case, f'differences.{method}.{what}.value'):.3f}"

    return Column(f"{WHAT[what]}: ours minus {OTHERS[method]}", text)


COLUMNS = (
    Column("table", lambda case: f"{case.data} ({case.budget})"),
    Column("log p per entry", f"log_likelihood.{OURS}", ".3f"),
    Column("iterative", f"log_likelihood.{ITERATIVE}", ".3f"),
    Column("neighbors", f"log_likelihood.{NEIGHBORS}", ".3f"),
    Column("error of numbers", f"errors.numbers.{OURS}", ".3f"),
    Column("iterative", f"errors.numbers.{ITERATIVE}", ".3f"),
    Column("neighbors", f"errors.numbers.{NEIGHBORS}", ".3f"),
    Column("mean", f"errors.numbers.{MEAN}", ".3f"),
    Column("wrong names", f"errors.names.{OURS}", ".3f"),
    Column("iterative", f"errors.names.{ITERATIVE}", ".3f"),
    Column("neighbors", f"errors.names.{NEIGHBORS}", ".3f"),
    Column("most frequent", f"errors.names.{MEAN}", ".3f"),
    Column("coverage", f"coverage.{OURS}", ".3f"),
    Column("iterative", f"coverage.{ITERATIVE}", ".3f"),
    Column("neighbors", f"coverage.{NEIGHBORS}", ".3f"),
    Column("worse in", _behind),
)
DETAILS = (
    Column("rows x columns", lambda case: " x ".join(f"{each:,}" for each in case.runs[0]["shape"])),
    Column("entries taken away depend on", "depends_on"),
    Column("hidden test entries", "entries", ".0f"),
    *(_ahead(what, method) for what in WHAT for method in OTHERS),
    Column("began as", "begun"),
    Column("share of rows with fewer than 10 effective samples", "few", ".3f"),
    *OF_A_START,
)
STORY = (
    "Rows are permuted by the seed, 1,000 at most, and split 70 / 15 / 15 %. One entry in five is taken away, in every "
    "part; every method is fitted to the training rows as they then are, and judged by what was taken away from the "
    "test rows. Numbers are in standard deviations of the training rows (of logarithms, where the default took them), "
    "names are right or wrong, and log p is that of each missing entry given what its row still has, in nats."
)
RULES = (
    "No worse: behind by at most two standard errors of the paired difference, over rows drawn anew or over seeds. Of "
    "coverage: no farther from 90 % than the other method, or than two standard errors. IterativeImputer's values are "
    "its means, its intervals and densities those of 20 draws (sample_posterior=True); nearest neighbors' values are "
    "of 5, their intervals and densities of 20. A density of draws is Student's t for numbers, on a grid that of the "
    "number spread over its cell, and the share of draws, half a draw more for each level, for names."
)
BUDGETS = (
    "`cpu` and `gpu`: the same training, 1,000 and 4,000 samples of the posterior of each row. `smoke`: 60 rows of the "
    "first table. Seconds are of one CPU, which others may have shared."
)
PUBLISHED = Published(
    title="Missing values: filled in, with a likelihood and an interval",
    source="nowhere",
    protocol="",
    unit="nats per entry",
    cells={},
)
TABLE = Table(
    name="imputation",
    rows=(Row(RANDOM, "at random"), Row(DEPENDING, "depending on another column", on_request=("smoke",))),
    data=tuple(MIXED),
    budgets={
        "smoke": Budget(num_samples=200, train_limit=60, sets=1),
        "cpu": Budget(num_samples=1000),
        "gpu": Budget(num_samples=4000),
    },
    published=PUBLISHED,
    measure=measure,
    page=page,
)
