"""A short run that proposes a reconstruction target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prioria.data import Split
from prioria.data import load as load_data
from prioria.evaluate.sampling import device_of, measuring, seed_generators
from prioria.model import VAE
from prioria.objectives import ELBO, Target
from prioria.train.fitting import fit
from prioria.train.options import takes_options

SLACK = 0.05  # of C: the target is 1.05 C where C is positive
ROWS = 10_000  # training rows that C is averaged over, at even distances


@dataclass(frozen=True)
class Suggestion:
    """A target, and what it was made from.

    Attributes:
        target: the proposal; ``str(target)`` is what GECO, REWO and the command line read.
        cost: C that the pilot ended with.
        deviation: standard deviation of the moving average of C that a constraint looks at.
    """

    target: Target
    cost: float
    deviation: float

    def __str__(self) -> str:
        return f"{self.target} ({self.target.shown(self.cost)} reached at beta = 1)"


@takes_options
def suggest_target(
    model: VAE,
    data: Any,
    *,
    unit: str | None = None,
    epochs: int = 5,
    batch_size: int = 100,
    learning_rate: float = 5e-4,
    average: float = 0.99,
    seed: int = 0,
    progress: bool = True,
    **options: Any,
) -> Suggestion:
    """Trains at beta = 1 for a short while, and asks for 1.05 times the cost C that this reaches.

    kappa^2 = C + max(0.05 |C|, sd(C_t)),  sd(C_t) = sd(C(x)) / sqrt(batch_size) sqrt((1 - a) / (1 + a)) for decay a.

    With less margin than the noise of the average the constraint would be missed half of the time, and beta stop short
    of 1. The model is trained by the pilot: build a new one for the run itself.

    Args:
        model: a new model.
        data: what :func:`prioria.fit` takes.
        unit: "nats", "nats-per-dim", "rmse" or "psnr"; by default RMSE where p(x|z) has a mean to measure it on,
            else nats per dimension.
        epochs: of the pilot.
        batch_size: of the pilot and of the run.
        learning_rate: of the pilot.
        average: decay of the moving average of the constraint in the run.
        seed: of the pilot.
        progress: show it.
        **options: other options of :func:`prioria.fit`, such as ``optimizer`` or ``precision``, as in the run.

    Raises:
        ValueError: an unknown unit, or one that means nothing for the likelihood.
    """
    unit = unit or _unit_of(model)
    Target(1.0, unit).check(model)
    dataset = load_data(data)
    options |= {"batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    fit(model, ELBO(), dataset, epochs=epochs, progress=progress, **options)
    costs = _costs(model, dataset.train, unit, seed)
    cost = costs.mean().item()
    deviation = costs.std().item() / math.sqrt(batch_size) * math.sqrt((1 - average) / (1 + average))
    return Suggestion(Target.of_cost(cost + max(SLACK * abs(cost), deviation), unit), cost, deviation)


def _unit_of(model: VAE) -> str:
    try:
        Target(1.0, "rmse").check(model)
    except ValueError:
        return "nats-per-dim"
    return "rmse"


def _costs(model: VAE, split: Split, unit: str, seed: int) -> Tensor:
    with measuring(model):
        seed_generators(device_of(model), (seed,))
        rows = split.tensor(ROWS).to(device_of(model)).split(1000)
        return torch.cat([Target(1.0, unit).cost(model.draw(x)).cpu().double() for x in rows])
