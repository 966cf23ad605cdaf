"""The command that trains."""

# pyright: reportInvalidTypeForm=false
# (the records of options are generated from constructors)

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
from cyclopts import Parameter

from prioria import data as data_sets
from prioria.commands.assemble import (
    ConstraintOptions,
    LikelihoodOptions,
    NetworkOptions,
    ObjectiveOptions,
    PosteriorOptions,
    PriorOptions,
    TotalCorrelationOptions,
    model,
    objective,
)
from prioria.commands.options import Options
from prioria.train import Run, Suggestion, fit, resume, suggest_target

PARTS = "Parts of the model"
Prior = Annotated[PriorOptions, Parameter(group=PARTS)]
Posterior = Annotated[PosteriorOptions, Parameter(group=PARTS)]
Likelihood = Annotated[LikelihoodOptions, Parameter(group=PARTS)]
Objective = Annotated[ObjectiveOptions, Parameter(group=PARTS)]
TotalCorrelation = Annotated[TotalCorrelationOptions, Parameter(group=PARTS)]
Constraint = Annotated[ConstraintOptions, Parameter(group=PARTS)]
Network = Annotated[NetworkOptions, Parameter(group=PARTS)]
PRIOR, POSTERIOR, LIKELIHOOD, OBJECTIVE = PriorOptions(), PosteriorOptions(), LikelihoodOptions(), ObjectiveOptions()
TC, CONSTRAINT, NETWORK = TotalCorrelationOptions(), ConstraintOptions(), NetworkOptions()


def train(
    data: str | None = None,
    *,
    out: Path | None = None,
    resume_run: Annotated[Path | None, Parameter(name="--resume")] = None,
    epochs: str | None = None,
    prior: Prior = PRIOR,
    posterior: Posterior = POSTERIOR,
    likelihood: Likelihood = LIKELIHOOD,
    objective_options: Annotated[Objective, Parameter(name="--objective")] = OBJECTIVE,
    tc: TotalCorrelation = TC,
    constraint: Constraint = CONSTRAINT,
    network: Network = NETWORK,
    latents: int = 40,
    levels: int = 1,
    batch_size: int = 100,
    learning_rate: float = 5e-4,
    optimiser: Literal["adam", "adam-normalised"] = "adam",
    schedule: Literal["constant", "cosine"] = "constant",
    gradient_clip: float | None = None,
    ema: float | None = None,
    patience: int | None = 50,
    precision: Literal["float32", "bf16"] = "float32",
    binarise: Literal["dynamic"] | None = None,
    relaxed: bool = False,
    seed: int = 0,
    overwrite: bool = False,
    suggest: Annotated[bool, Parameter(name="--suggest-target", negative="")] = False,
) -> None:
    """Train a model, or go on with a run that was stopped.

    Args:
        data: a data set's name (prioria data list), or a .npy, .npz, .csv or .parquet file, or a folder of images.
        out: folder of the run; by default runs/ with the names of the data and the prior.
        resume_run: folder of a run to go on with, in place of data.
        epochs: how many, 100 by default; with --resume a new total, or "+50" for 50 more.
        latents: latent dimensions (of each level).
        levels: 1, or 2 for the two-level hierarchy.
        batch_size: examples in a step.
        learning_rate: of Adam.
        optimiser: adam, or Adam on per-tensor normalised gradients as in the VampPrior paper's code.
        schedule: of the learning rate: constant, or cosine down to zero at the last step.
        gradient_clip: largest norm of the gradient.
        ema: decay of the moving average of the weights, for instance 0.999.
        patience: epochs without a better validation bound before training stops.
        precision: bf16 runs networks in half precision; densities stay in float32.
        binarise: read grey values as probabilities and draw them afresh for every batch.
        relaxed: allow a Bernoulli likelihood on grey values as they are; the result is no likelihood of the data.
        seed: of everything random.
        overwrite: replace a run that is already in the folder.
        suggest: train a pilot at beta = 1 only, 5 epochs by default, and propose a target for --constraint.
    """
    if (data is None) == (resume_run is None):
        raise ValueError("data: name what to train on, or a run to go on with (prioria train --resume RUN)")
    if resume_run is not None:
        return _finish(resume(resume_run, epochs=_total(epochs)))
    source = data_sets.load(data, binarise=binarise, relaxed=relaxed)
    torch.manual_seed(seed)
    built = model(
        source,
        prior=prior,
        posterior=posterior,
        likelihood=likelihood,
        network=network,
        latents=latents,
        levels=levels,
        relaxed=relaxed,
    )
    if suggest:
        pilot = {"batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
        return _propose(suggest_target(built, source, epochs=int(epochs or 5), **pilot))
    run = fit(
        built,
        objective(objective_options, tc=tc, constraint=constraint, latents=latents),
        source,
        epochs=int(epochs or 100),
        batch_size=batch_size,
        learning_rate=learning_rate,
        optimiser=optimiser,
        gradient_clip=gradient_clip,
        schedule=schedule,
        ema=ema,
        patience=patience,
        precision=precision,
        seed=seed,
        out=out or _folder(source.name, prior),
        overwrite=overwrite,
    )
    return _finish(run)


def _propose(found: Suggestion) -> None:
    print(f"Suggested: {found}\nNext: the same command with   --constraint rewo --constraint.target {found.target}")


def _folder(name: str, prior: Options) -> Path:
    return Path("runs") / f"{Path(name).stem}-{prior.kind}"


def _total(epochs: str | None) -> int | str | None:
    return epochs if epochs is None or epochs.startswith("+") else int(epochs)


def _finish(run: Run) -> None:
    print(f"Trained: {run.path}\nNext: prioria evaluate {run.path}   or   prioria report {run.path}")
