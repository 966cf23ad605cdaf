"""What a table of likelihoods measures of a run, beside what it cost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from prioria import drawing, evaluate
from prioria.evaluate import Estimate
from prioria.papers.cell import epochs, scored, trained
from prioria.papers.table import Cell, Result
from prioria.report import pictures
from prioria.storage import write_atomically, write_tensors
from prioria.train import Run, checkpoint

POINTWISE, SAMPLES = "log-likelihood.safetensors", "samples.png"
TRAINING, SIDE = 250, 8  # training examples for the train-test gap, at most; samples in a row of the sheet


def measure(cell: Cell) -> Result:
    """Returns the likelihood of a cell's test set with its protocol, the bound, active units, and what the run cost.

    The likelihood of each example and a sheet of samples are attached to the result.
    """
    run, budget = trained(cell), cell.budget
    start, (x, split) = time.perf_counter(), scored(cell)
    estimate = evaluate.log_likelihood(run.model, x, num_samples=budget.num_samples, seed=0)
    write_tensors(cell.attached / POINTWISE, {"pointwise": estimate.pointwise})
    _draw_samples(run, cell.attached / SAMPLES)
    found: dict[str, Any] = {
        "headline": f"{estimate} nats",
        "log_likelihood": estimate.to_json(),
        "training": _of_training(run, min(TRAINING, len(x)), budget.num_samples).to_json(),
        "also": _also(cell, run),
        "elbo": evaluate.elbo(run.model, x, seed=0).to_json(),
        "active_units": evaluate.active_units(run.model, x).to_json(),
        "split": split,
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
    trained_here = (run.path / checkpoint.NAME).exists()  # not where only a prior was replaced
    return {
        "epochs_run": len(epochs(run.path)),
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "seconds": {
            "training": round(checkpoint.read_state(run.path)["seconds"]) if trained_here else 0,
            "evaluation": round(time.perf_counter() - start),
        },
    }


def _also(cell: Cell, run: Run) -> dict[str, Any]:
    (x, _), samples = scored(cell), cell.budget.num_samples
    return {
        name: evaluate.log_likelihood(other(run), x, num_samples=samples, seed=0).to_json()
        for name, other in cell.row.also.items()
    }


def _of_training(run: Run, count: int, num_samples: int) -> Estimate:
    """Estimates the likelihood of training examples as that of the test set; fresh bits are drawn once."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = run.data.train.tensor(count)
    return evaluate.log_likelihood(run.model, x, num_samples=num_samples, seed=0)


def _draw_samples(run: Run, path: Path) -> None:
    """Writes a square of means of p(x|z), z from the prior; nothing where the data are no pictures."""
    protocol = run.data.protocol
    if len(protocol.shape) == 3:
        means = evaluate.generated_images(run.model, num_samples=SIDE * SIDE)
        content = pictures.png(pictures.mosaic(drawing.tiles(means, protocol), SIDE))
        write_atomically(path, lambda file: _write(file, content))


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)
