"""What a published table is: rows that build models, the data sets of its columns, and the printed numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from prioria.data import Dataset, Split
from prioria.data import load as load_data
from prioria.model import VAE
from prioria.objectives import Objective
from prioria.report.listing import Page
from prioria.storage import read_json
from prioria.train import Run

Result = Mapping[str, Any]
RESULT = "result.json"


@dataclass(frozen=True)
class Budget:
    """How much a run may cost; it is written beside every number.

    Attributes:
        epochs: most epochs of training.
        steps: of training, where a paper counts these instead of epochs.
        warmup: warm-up of the objective, as in "100 epochs".
        patience: epochs without a better validation bound before training stops.
        batch_size: examples in a step.
        num_samples: importance samples of the likelihood.
        limit: test examples, at even distances; None for all.
        train_limit: training examples; None for all.
        sets: data sets that are run where none are named, the first ones; None for all.
    """

    epochs: int = 0
    warmup: str | None = None
    patience: int | None = None
    batch_size: int = 100
    num_samples: int = 5000
    limit: int | None = None
    train_limit: int | None = None
    sets: int | None = None
    steps: int | None = None

    def epochs_on(self, data: Dataset) -> int:
        """Returns the whole epochs that hold the steps, where these are given: training ends with an epoch."""
        return self.epochs if self.steps is None else math.ceil(self.steps * self.batch_size / len(data.train))


SMOKE = Budget(steps=2, batch_size=8, num_samples=10, limit=8, train_limit=16, sets=1)


@dataclass(frozen=True)
class Row:
    """One row: a model, its objective and how it is trained; where there is nothing to run, ``absent`` says why.

    Attributes:
        name: what ``--rows`` calls it.
        title: what the page calls it.
        build: data set -> model.
        objective: data set and budget -> objective.
        training: arguments of ``fit`` that the paper prescribes.
        fit: how to train where one call of ``fit`` is not enough: (cell, data) -> run.
        also: names of further likelihood estimates -> what makes their model of the run.
        budgets: of this row alone, where they differ from the table's.
        on_request: names of budgets under which it is run only where ``--rows`` names it.
        absent: why only its published number is shown; empty where it can be run.
    """

    name: str
    title: str
    build: Callable[[Dataset], VAE] | None = None
    objective: Callable[[Dataset, Budget], Objective] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    fit: Callable[[Any, Dataset], Run] | None = None
    also: Mapping[str, Callable[[Run], VAE]] = field(default_factory=dict)
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    on_request: tuple[str, ...] = ()
    absent: str = ""


@dataclass(frozen=True)
class Beside:
    """Numbers of another paper on the same data and models.

    Attributes:
        name: of the paper, in a word or two.
        source: the paper and where in it.
        protocol: how it got its numbers.
        cells: data set -> row -> value.
    """

    name: str
    source: str
    protocol: str
    cells: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Published:
    """Published numbers of a table.

    Attributes:
        title: of the page.
        source: the paper and where in it.
        protocol: how the paper got its numbers.
        unit: of the numbers.
        cells: data set -> row -> value, or the values of several columns.
        notes: what must be known to read them.
        epochs: how long the paper trained, in words; empty where it does not say.
        others: numbers of other papers on the same rows.
    """

    title: str
    source: str
    protocol: str
    unit: str
    cells: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...] = ()
    epochs: str = ""
    others: tuple[Beside, ...] = ()

    def others_of(self, data: str, row: str) -> dict[str, float]:
        """Returns numbers of other papers on the same data and model: name of the paper -> value."""
        return {each.name: each.cells[data][row] for each in self.others if row in each.cells.get(data, {})}

    @classmethod
    def read(cls, name: str) -> Published:
        """Reads ``published/<name>.json``."""
        text = resources.files("prioria.papers").joinpath("published", f"{name}.json").read_text(encoding="utf-8")
        stored = json.loads(text)
        others = tuple(Beside(**each) for each in stored.pop("others", ()))
        return cls(**{**stored, "notes": tuple(stored.get("notes", ())), "others": others})


@dataclass(frozen=True)
class Table:
    """Rows, data sets, budgets and published numbers of one table, and how its cells become a page.

    Attributes:
        name: what the command calls it.
        rows: in the order of the page.
        data: names of the data sets.
        budgets: name -> budget.
        published: numbers beside ours.
        measure: trains what is still to be trained of a cell, and returns its numbers as JSON values.
        page: table, folder of the results, cells whose runs are at hand for figures -> the page of all results.
    """

    name: str
    rows: tuple[Row, ...]
    data: tuple[str, ...]
    budgets: Mapping[str, Budget]
    published: Published
    measure: Callable[[Cell], Result]
    page: Callable[[Table, Path, Sequence[Cell]], Page]

    def select(self, names: Sequence[str] | None) -> list[Row]:
        """Returns the rows of these names, all by default.

        Raises:
            ValueError: a name is unknown.
        """
        known = {row.name: row for row in self.rows}
        return [known[name] for name in self._known("rows", names or list(known), known)]

    def budget(self, name: str) -> Budget:
        """Returns the budget of this name.

        Raises:
            ValueError: it is unknown.
        """
        return self.budgets[self._known("budget", [name], self.budgets)[0]]

    def sets(self, names: Sequence[str] | None, budget: str) -> Sequence[str]:
        """Returns the names of the data sets to run, by default as many as the budget says.

        Raises:
            ValueError: a name is unknown.
        """
        return self._known("data", names or self.data[: self.budget(budget).sets], self.data)

    def place(self, data: str, row: str, budget: str, seed: int) -> Path:
        """Returns where a run and its result are, below the folder of the runs and that of the results."""
        return Path(self.name, data, row, f"{budget}-seed-{seed}")

    def results(self, out: Path) -> list[Result]:
        """Reads all results below a folder."""
        return [read_json(path) for path in sorted((out / self.name).rglob("*.json"))]

    def _known(self, what: str, names: Sequence[str], known: Collection[str]) -> Sequence[str]:
        for name in names:
            if name not in known:
                raise ValueError(f"{what}={name!r} is not in table {self.name}; it has {', '.join(known)}")
        return names


@dataclass(frozen=True)
class Cell:
    """Where a run of one row on one data set with one seed lives, and what it may cost."""

    table: Table
    row: Row
    data: str
    seed: int
    budget_name: str
    runs: Path
    out: Path

    @property
    def budget(self) -> Budget:
        return self.row.budgets.get(self.budget_name, self.table.budgets[self.budget_name])

    @property
    def name(self) -> Path:
        """Its place below a folder."""
        return self.table.place(self.data, self.row.name, self.budget_name, self.seed)

    @property
    def folder(self) -> Path:
        """The run's folder: what it holds decides what is still to do."""
        return self.runs / self.name

    @property
    def attached(self) -> Path:
        """The folder of the files that belong to the result."""
        return self.folder / "result"

    @property
    def result(self) -> Result | None:
        """The stored result; None where the cell was not run to its end."""
        return read_json(self.folder / RESULT) if (self.folder / RESULT).exists() else None

    @property
    def state(self) -> str:
        """What is still to do, in a word or two."""
        if self.result is not None:
            return "done"
        return "begun" if (self.folder / "run.json").exists() else "to do"

    @property
    def dataset(self) -> Dataset:
        """Its data, as much of them as the budget allows."""
        return shortened(loaded(self.data), self.budget)


@lru_cache(maxsize=2)
def loaded(name: str) -> Dataset:
    """Returns a data set, which the next cell will want too."""
    return load_data(name)


def shortened(data: Dataset, budget: Budget) -> Dataset:
    """Returns the data with the first training and validation examples only, where the budget says so."""
    if budget.train_limit is None:
        return data
    return replace(
        data, train=_first(data.train, budget.train_limit), validation=_first(data.validation, budget.train_limit)
    )


def _first(split: Split, count: int) -> Split:
    labels = None if split.labels is None else split.labels[:count]
    if split.members is not None:
        return replace(split, members=split.members[:count], labels=labels)
    return replace(split, rows=split.rows[np.arange(min(count, len(split)))], labels=labels)
