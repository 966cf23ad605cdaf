"""What a table of likelihoods measures of a run, beside what it cost."""

from __future__ import annotations

import time
from typing import Any

from prioria import evaluate
from prioria.recipes.cell import Cell, trained
from prioria.recipes.table import Result
from prioria.storage import read_json
from prioria.train import Run, checkpoint
from prioria.train.structure import PROBABILITIES


def measure(cell: Cell) -> Result:
    """Returns the likelihood of a cell's test set with its protocol, the bound, active units, and what the run cost."""
    run, budget = trained(cell), cell.budget
    start, x = time.perf_counter(), run.data.test.tensor(budget.limit)
    estimate = evaluate.log_likelihood(run.model, x, num_samples=budget.num_samples, seed=0)
    found: dict[str, Any] = {
        "headline": f"{estimate} nats",
        "log_likelihood": estimate.to_json(),
        "also": _also(cell, run),
        "elbo": evaluate.elbo(run.model, x, seed=0).to_json(),
        "active_units": evaluate.active_units(run.model, x).to_json(),
        "structure": read_json(cell.folder / PROBABILITIES) if (cell.folder / PROBABILITIES).exists() else None,
        "split": f"test, {len(x):,} examples",
        "selection": "best validation bound at beta = 1",
        "device": str(next(run.model.parameters()).device),
    }
    return found | cost(run, start)


def cost(run: Run, start: float) -> dict[str, Any]:
    """Returns the size of a run, its epochs, and the seconds that it took.

    Args:
        run: a finished one.
        start: when its evaluation began, by ``time.perf_counter``.
    """
    assert run.path is not None
    return {
        "epochs_run": len([line for line in run.history if line["split"] == "validation"]),
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "seconds": {
            "training": round(checkpoint.read_state(run.path)["seconds"]),
            "evaluation": round(time.perf_counter() - start),
        },
    }


def _also(cell: Cell, run: Run) -> dict[str, Any]:
    x, samples = run.data.test.tensor(cell.budget.limit), cell.budget.num_samples
    return {
        name: evaluate.log_likelihood(other(run), x, num_samples=samples, seed=0).to_json()
        for name, other in cell.row.also.items()
    }
