"""Networks on top of a start, kept only where validation rows say that they help."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prioria.data import load as load_data
from prioria.model import VAE
from prioria.objectives import Enumerated
from prioria.train.fitting import fit
from prioria.train.order import steps_per_epoch
from prioria.train.run import Run

STEPS, BATCH, CLASSES, DRAWS = 3000, 128, 4, 20


@dataclass(frozen=True)
class Improvement:
    """What training gained over the start on the validation rows, in nats per row.

    Attributes:
        run: the training; its model holds the weights that were kept. A folder, where there is one, has those of the
            training: ``run.model.save(path)`` writes the kept ones.
        gain: mean difference of log p(x) between the trained model and the start.
        standard_error: of that paired difference, over rows.
    """

    run: Run
    gain: float
    standard_error: float

    @property
    def kept(self) -> bool:
        """Whether the networks were kept: their gain exceeds its standard error."""
        return self.gain > self.standard_error

    def __str__(self) -> str:
        found = f"{self.gain:+.2f} ± {self.standard_error:.2f} nats per validation row"
        if self.kept:
            return f"networks improve on the mixture that they started from: {found}"
        return f"networks did not improve on the mixture that they started from: {found}; the start is kept"


def improve(
    model: VAE, data: Any, *, steps: int = STEPS, seed: int = 0, out: str | Path | None = None, **options: Any
) -> Improvement:
    """Trains a model that begins at a start, and puts the start back where the validation rows gain nothing.

    Args:
        model: what :func:`prioria.starts.build` returned; it holds the better weights afterwards.
        data: the data set.
        steps: of training, at most.
        seed: of training.
        out: folder of the run.
        **options: of :func:`prioria.fit`, in place of those chosen here.
    """
    dataset = load_data(data)
    start = {name: value.detach().clone() for name, value in model.state_dict().items()}
    rows = dataset.validation.tensor()
    before = _log_likelihood(model, rows)
    epochs = max(1, math.ceil(steps / steps_per_epoch(len(dataset.train), BATCH)))
    chosen = dict(
        epochs=epochs,
        batch_size=BATCH,
        learning_rate=1e-3,
        schedule="cosine",
        gradient_clip=10.0,
        ema=0.99,
        patience=max(10, epochs // 5),
        progress=False,
    )
    run = fit(model, Enumerated(CLASSES), dataset, seed=seed, out=out, **(chosen | options))
    gained = _log_likelihood(run.model, rows) - before
    found = Improvement(run, float(gained.mean()), float(gained.std() / math.sqrt(len(gained))))
    if not found.kept:
        run.model.load_state_dict(start)
    return found


@torch.no_grad()
def _log_likelihood(model: VAE, rows: Tensor) -> Tensor:
    """Estimates log p(x) (N,) with every class summed, the noise of the same seed each time."""
    objective = Enumerated(num_samples=DRAWS)
    found = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for tile in rows.split(50):
            found.append(-objective(objective.draw(model, tile)).per_example)
    return torch.cat(found).double()
