"""What a published table is: rows that build models, the data sets of its columns, and the printed numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prioria.data import Dataset
from prioria.model import VAE
from prioria.objectives import Objective
from prioria.storage import read_json
from prioria.train import Run

if TYPE_CHECKING:
    from prioria.papers.cell import Cell
    from prioria.papers.page import Page

Result = Mapping[str, Any]


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
class Published:
    """Published numbers of a table.

    Attributes:
        title: of the page.
        source: the paper and where in it.
        protocol: how the paper got its numbers.
        unit: of the numbers.
        cells: data set -> row -> value, or the values of several columns.
        notes: what must be known to read them.
    """

    title: str
    source: str
    protocol: str
    unit: str
    cells: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, name: str) -> Published:
        """Reads ``published/<name>.json``."""
        text = resources.files("prioria.papers").joinpath("published", f"{name}.json").read_text(encoding="utf-8")
        stored = json.loads(text)
        return cls(**{**stored, "notes": tuple(stored.get("notes", ()))})


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
