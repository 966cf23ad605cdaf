"""One cell of a table: train what is missing, resume what was cut off, evaluate, and keep the result beside the run."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

import prioria
from prioria import evaluate
from prioria.data import Dataset
from prioria.recipes.table import Budget, Row, Table
from prioria.storage import read_json, write_json
from prioria.train import Run, checkpoint, fit, resume
from prioria.train.log import NAME as METRICS
from prioria.train.structure import PROBABILITIES

RESULT = "result.json"


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
        return self.table.budgets[self.budget_name]

    @property
    def name(self) -> Path:
        """Its place below a folder."""
        return Path(self.table.name, self.data, self.row.name, f"{self.budget_name}-seed-{self.seed}")

    @property
    def folder(self) -> Path:
        """The run's folder: what it holds decides what is still to do."""
        return self.runs / self.name

    @property
    def result(self) -> dict[str, Any] | None:
        """The stored result; None where the cell was not run to its end."""
        return read_json(self.folder / RESULT) if (self.folder / RESULT).exists() else None


def compute(cell: Cell, data: Dataset) -> dict[str, Any]:
    """Returns the result of a cell, doing only what is still to do."""
    result = cell.result
    if result is None:
        run = trained(cell, data)
        result = evaluated(cell, run)
        write_json(cell.folder / RESULT, result)
    result = result | {"curve": curve(cell.folder)}
    write_json(cell.out / cell.name.with_suffix(".json"), result)
    return result


def curve(folder: Path) -> dict[str, list[float]]:
    """Returns the validation loss, distortion and rate of a run after each epoch."""
    lines = [json.loads(line) for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()]
    kept = [line for line in lines if line["split"] == "validation"]
    return {term: [round(line[term], 4) for line in kept] for term in ("loss", "distortion", "rate")}


def trained(cell: Cell, data: Dataset) -> Run:
    """Returns the finished run: resumed where there is a checkpoint, else trained from the start."""
    if cell.row.fit is not None:
        return cell.row.fit(cell, shortened(data, cell.budget))
    if (cell.folder / "run.json").exists():
        return resume(cell.folder, epochs=cell.budget.epochs, data=shortened(data, cell.budget))
    if cell.row.build is None or cell.row.objective is None:
        raise ValueError(f"row={cell.row.name!r} cannot be run: {cell.row.absent}")
    torch.manual_seed(cell.seed)
    model, budget = cell.row.build(data), cell.budget
    return fit(
        model,
        cell.row.objective(data, budget),
        shortened(data, budget),
        epochs=budget.epochs,
        batch_size=budget.batch_size,
        patience=budget.patience,
        seed=cell.seed,
        out=cell.folder,
        **cell.row.training,
    )


def evaluated(cell: Cell, run: Run) -> dict[str, Any]:
    """Returns what a table says of a run: the likelihood, its protocol, and what it cost."""
    budget, start = cell.budget, time.perf_counter()
    x = run.data.test.tensor(budget.limit)
    estimate = evaluate.log_likelihood(run.model, x, num_samples=budget.num_samples, seed=0)
    bound = evaluate.elbo(run.model, x, seed=0)
    units = evaluate.active_units(run.model, x)
    return {
        "row": cell.row.name,
        "data": cell.data,
        "seed": cell.seed,
        "log_likelihood": estimate.to_json(),
        "also": {
            name: evaluate.log_likelihood(other(run), x, num_samples=budget.num_samples, seed=0).to_json()
            for name, other in cell.row.also.items()
        },
        "elbo": bound.to_json(),
        "active_units": units.to_json(),
        "structure": read_json(cell.folder / PROBABILITIES) if (cell.folder / PROBABILITIES).exists() else None,
        "split": f"test, {len(x):,} examples",
        "selection": "best validation bound at beta = 1",
        "budget": {"name": cell.budget_name, **asdict(budget)},
        "epochs_run": len([line for line in run.history if line["split"] == "validation"]),
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "seconds": {
            "training": round(checkpoint.read_state(cell.folder)["seconds"]),
            "evaluation": round(time.perf_counter() - start),
        },
        "machine": f"{platform.machine()}, {torch.get_num_threads()} thread(s), {_device(run)}",
        "version": {"prioria": prioria.__version__, "torch": torch.__version__},
    }


def shortened(data: Dataset, budget: Budget) -> Dataset:
    """Returns the data with the first training and validation examples only, where the budget says so."""
    if budget.train_limit is None:
        return data
    return replace(
        data, train=_first(data.train, budget.train_limit), validation=_first(data.validation, budget.train_limit)
    )


def _first(split: Any, count: int) -> Any:
    labels = None if split.labels is None else split.labels[:count]
    return replace(split, rows=split.rows[:count], labels=labels)


def _device(run: Run) -> str:
    return str(next(run.model.parameters()).device)
