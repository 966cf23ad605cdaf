"""What a published table is: rows that build models, the data sets of its columns, and the printed numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from prioria.data import Dataset
from prioria.model import VAE
from prioria.objectives import Objective
from prioria.train import Run


@dataclass(frozen=True)
class Budget:
    """How much a run may cost; it is written beside every number.

    Attributes:
        epochs: most epochs of training.
        warmup: warm-up of the objective, as in "100 epochs".
        patience: epochs without a better validation bound before training stops.
        batch_size: examples in a step.
        num_samples: importance samples of the likelihood.
        limit: test examples; None for all.
        train_limit: training examples; None for all.
    """

    epochs: int
    warmup: str | None
    patience: int | None
    batch_size: int
    num_samples: int
    limit: int | None = None
    train_limit: int | None = None


@dataclass(frozen=True)
class Row:
    """One row: a model, its objective and how it is trained; without ``build``, only its published number is shown.

    Attributes:
        name: what ``--rows`` calls it.
        title: what the page calls it.
        build: data set -> model.
        objective: data set and budget -> objective.
        training: arguments of ``fit`` that the paper prescribes.
        fit: how to train where one call of ``fit`` is not enough: (cell, data) -> run.
        also: names of further likelihood estimates -> what makes their model of the run.
        absent: why there is nothing to run.
    """

    name: str
    title: str
    build: Callable[[Dataset], VAE] | None = None
    objective: Callable[[Dataset, Budget], Objective] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    fit: Callable[[Any, Dataset], Run] | None = None
    also: Mapping[str, Callable[[Run], VAE]] = field(default_factory=dict)
    absent: str = ""


@dataclass(frozen=True)
class Published:
    """Published numbers of a table.

    Attributes:
        title: of the page.
        source: the paper and where in it.
        protocol: how the paper got its numbers.
        unit: of the numbers.
        cells: data set -> row -> value.
        notes: what must be known to read them.
    """

    title: str
    source: str
    protocol: str
    unit: str
    cells: Mapping[str, Mapping[str, float]]
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, name: str) -> Published:
        """Reads ``published/<name>.json``."""
        text = resources.files("prioria.recipes").joinpath("published", f"{name}.json").read_text(encoding="utf-8")
        stored = json.loads(text)
        return cls(**{**stored, "notes": tuple(stored.get("notes", ()))})


@dataclass(frozen=True)
class Table:
    """Rows, data sets, budgets and published numbers of one table."""

    name: str
    rows: tuple[Row, ...]
    data: tuple[str, ...]
    budgets: Mapping[str, Budget]
    published: Published

    def select(self, names: list[str] | None) -> list[Row]:
        """Returns the rows of these names, all by default.

        Raises:
            ValueError: a name is unknown.
        """
        known = {row.name: row for row in self.rows}
        for name in names or []:
            if name not in known:
                raise ValueError(f"rows={name!r} is not in table {self.name}; it has {', '.join(known)}")
        return [known[name] for name in names or known]
