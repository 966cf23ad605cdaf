"""The command that measures a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from torch import Tensor, distributed

from prioria import evaluate as estimators
from prioria.report.evaluation import Evaluation
from prioria.train import Run

ANNOUNCE = 10.0  # seconds; a shorter evaluation need not be announced
Part = Literal["test", "validation", "train"]


def evaluate(
    run: Path,
    *,
    num_samples: int = 5000,
    limit: int | None = None,
    split: Part = "test",
    seed: int = 0,
    curve: bool = False,
    certify: int = 0,
    certify_steps: int = 500,
) -> None:
    """Measure log-likelihood, ELBO and active units of a run, and write RUN/evaluation.json.

    Under torchrun every process takes its share of the examples: torchrun --nproc-per-node 2 -m prioria evaluate RUN

    Args:
        run: folder of a run, as prioria train wrote it.
        num_samples: importance samples for each example.
        limit: so many first examples only; mnist-static, for one, is sorted by class.
        split: of the data set.
        seed: of the random numbers.
        curve: also the bound for 1, 5, 10, 50, ... samples, from the same draws, and whether it has come to rest.
        certify: so many examples to simulate from the model, to bracket their log-likelihood by annealing to and fro;
            0 for none.
        certify_steps: temperatures of the annealing: the more, the narrower the bracket.
    """
    if "RANK" in os.environ and (curve or certify):
        raise ValueError("--curve and --certify run in one process; leave torchrun out")
    first = _join_processes()
    opened = Run.load(run)
    rows = getattr(opened.data, split)
    seconds = estimators.expected_seconds(opened.model, rows, num_samples, limit=limit)
    if first and seconds > ANNOUNCE:
        examples = len(rows) if limit is None else min(limit, len(rows))
        print(f"{examples:,} examples with {num_samples:,} samples each: about {_duration(seconds)}", flush=True)
    found, pointwise = measure(
        opened,
        split=split,
        num_samples=num_samples,
        limit=limit,
        seed=seed,
        curve=curve,
        certify=certify,
        certify_steps=certify_steps,
    )
    if first:
        found.write(run, pointwise)
        say(run.name, found)
        print(f"Written: {run / 'evaluation.json'}\nNext: prioria report {run}")


def measure(
    run: Run,
    *,
    split: Part,
    num_samples: int,
    limit: int | None,
    seed: int,
    curve: bool = False,
    certify: int = 0,
    certify_steps: int = 500,
) -> tuple[Evaluation, dict[str, Tensor]]:
    """Measures a run, and returns the values of single examples beside."""
    model, rows = run.model, getattr(run.data, split)
    bounds = estimators.bound_curve(model, rows, _counts(num_samples), seed, limit=limit) if curve else None
    if bounds is None:
        likelihood = estimators.divided_log_likelihood(model, rows.tensor(limit), num_samples, seed)
    else:
        likelihood = bounds.estimates[-1]
    certificate = None
    if certify:
        certificate = estimators.certify(model, certify, seed, num_steps=certify_steps, num_samples=num_samples)
    found = Evaluation.of(
        likelihood,
        estimators.parts(model, rows, seed=seed, limit=limit),
        estimators.active_units(model, rows, seed=seed, limit=limit),
        data=run.data.name,
        split=split,
        limit=limit,
        curve=bounds,
        certificate=certificate,
    )
    return found, {"log_likelihood": likelihood.pointwise}


def _counts(num_samples: int) -> list[int]:
    return [count for count in estimators.COUNTS if count < num_samples] + [num_samples]


def _join_processes() -> bool:
    """Joins the processes of a launcher, if there is one, and says whether this is the first of them."""
    if "RANK" not in os.environ:
        return True
    distributed.init_process_group("gloo")
    return distributed.get_rank() == 0


def say(name: str, found: Evaluation) -> None:
    """Prints the numbers of an evaluation with how they were obtained."""
    number = found.log_likelihood
    print(f"{name}: {found.data}, {found.split} split, {number.examples:,} examples")
    print(
        f"  log-likelihood  {number} nats  ({found.estimator}, {number.num_samples:,} samples, ESS {number.ess:,.0f})"
    )
    print(f"  ELBO            {found.elbo} nats")
    print(f"  active units    {found.active_units}")
    if not number.converged:
        print("  not converged: importance weights are heavy-tailed; use more samples, or read it as a lower bound")
    if found.curve is not None:
        values = [f"{each.num_samples:,}: {each.value:.2f}" for each in found.curve.estimates]
        print(f"  bound by K      {', '.join(values)}\n                  {found.curve}")
    if (certificate := found.certificate) is not None:
        print(f"  on simulations  {certificate.lower} to {certificate.upper} nats; importance {certificate.importance}")
        print(f"                  {certificate}")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
