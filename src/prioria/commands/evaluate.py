"""The command that measures a run."""

from __future__ import annotations

import os
import shlex
import textwrap
from pathlib import Path

from torch import Tensor, distributed

from prioria import evaluate as estimators
from prioria import hub
from prioria.commands.opened import DataPlace, ModelPlace, Opened, has_units
from prioria.data import Dataset
from prioria.data.base import SplitName
from prioria.report.evaluation import Evaluation, digest
from prioria.train import Run
from prioria.train.run import exists

SAMPLES, STEPS = 5000, 500
ANNOUNCE = 10.0  # seconds; a shorter evaluation need not be announced


def evaluate(
    run: ModelPlace,
    *,
    method: estimators.Method = "importance",
    num_samples: int | None = None,
    num_steps: int | None = None,
    limit: int | None = None,
    split: SplitName = "test",
    seed: int = 0,
    curve: bool = False,
    certify: int = 0,
    data: DataPlace = None,
    baselines: bool = True,
    precision: estimators.Precision = "full",
    synthetic: bool = False,
) -> None:
    """Measure log-likelihood, ELBO and active units of a run, and write RUN/evaluation.json.

    Under torchrun every process takes its share of the examples: torchrun --nproc-per-node 2 -m prioria evaluate RUN

    Of a model alone, such as model.zip, it measures the rows of --data, and writes beside the model.

    Args:
        method: of the log-likelihood. ais anneals and owes nothing to the encoder, at several times the cost;
            quadrature is for one or two latents, and free of noise.
        num_samples: importance samples for each example [5000].
        num_steps: temperatures of ais and of --certify [500]: the more, the tighter.
        limit: so many examples only, at even distances.
        split: of the data set.
        seed: of the random numbers.
        curve: also the bound for 1, 5, 10, 50, ... samples, from the same draws, and whether it has come to rest.
        certify: so many examples to simulate from the model, to bracket their log-likelihood by annealing to and fro;
            0 for none.
        baselines: fit classical models to the training rows (Gaussians and their mixtures, latent classes, topics), and
            say how far the run is ahead of each on the same rows.
        precision: of importance samples. screened decodes in half precision and the heaviest samples again in full; the
            error that is left stands in the Monte-Carlo error.
        synthetic: also how samples differ from the validation and test rows of a table, beside those of the classical
            models: distances of columns and correlations, whether a classifier knows them, and whether they are copies.
    """
    _check_given(method, certify, num_samples, num_steps)
    _check_precision(precision, method, curve)
    num_samples = SAMPLES if num_samples is None else num_samples
    num_steps = STEPS if num_steps is None else num_steps
    _check(method, curve=curve, certify=certify, num_samples=num_samples, num_steps=num_steps)
    first = _join_processes()
    opened, folder = _opened(run, data, split)
    if first:
        Evaluation.check_place(folder)
    weights, baselines = digest(folder), baselines and opened.path is not None
    _check_rows(len(getattr(opened.data, split)), split, limit)
    if first and method == "importance":
        _announce(opened, split, num_samples, limit)
    found, pointwise = measure(
        opened,
        split=split,
        method=method,
        num_samples=num_samples,
        num_steps=num_steps,
        limit=limit,
        seed=seed,
        curve=curve,
        certify=certify,
        baselines=baselines and first,
        precision=precision,
        synthetic=synthetic and first,
    )
    if first:
        say(run.resolve().name, found)  # before it is written: what was measured is never lost
        columns = opened.data.protocol.kind == "columns"
        if (note := opened.data.protocol.note) and not (columns and has_units(opened.model)):
            print(f"  note            {note}", flush=True)
        found.write(folder, pointwise, weights=weights)  # those that were measured, though training may have gone on
        after = f"prioria report {shlex.quote(str(run))}" if opened.path else f"prioria ui {shlex.quote(str(run))}"
        print(f"Written: {folder / 'evaluation.json'}\nNext: {after}")


def _opened(place: Path, data: str | None, split: SplitName) -> tuple[Run, Path]:
    """Returns a run, or a model alone with the rows that are given, and the folder of its evaluation."""
    if exists(place) or hub.name_of(place) is None and not place.exists():
        return Run.load(place, data=data), place
    found = Opened.of(place)
    if data is None:
        raise ValueError(f"{place} is a model without rows; say which to evaluate it on by --data FILE")
    if split != "test":
        raise ValueError(f"--split {split} is of a run; {place} is a model alone, and --data has its rows")
    rows = found.rows(data).split
    name = place.resolve()
    folder = name if name.is_dir() else Path(f"{name.stem}-evaluation")
    return Run(found.model, Dataset(found.protocol, rows, rows, rows), []), folder


def measure(
    run: Run,
    *,
    split: SplitName,
    method: estimators.Method = "importance",
    num_samples: int,
    num_steps: int = 500,
    limit: int | None,
    seed: int,
    curve: bool = False,
    certify: int = 0,
    baselines: bool = True,
    precision: estimators.Precision = "full",
    synthetic: bool = False,
) -> tuple[Evaluation, dict[str, Tensor]]:
    """Measures a run, and returns the values of single examples beside."""
    model, rows = run.model, getattr(run.data, split)
    bounds = estimators.bound_curve(model, rows, counts=_counts(num_samples), seed=seed, limit=limit) if curve else None
    if bounds is not None:
        likelihood = bounds.estimates[-1]
    elif method == "importance":
        likelihood = estimators.divided_log_likelihood(
            model, rows, num_samples=num_samples, seed=seed, limit=limit, precision=precision
        )
    else:
        options = {"num_steps": num_steps} if method == "ais" else {}
        likelihood = estimators.log_likelihood(model, rows, seed=seed, method=method, limit=limit, **options)
    certificate = None
    if certify:
        certificate = estimators.certify(
            model, num_examples=certify, seed=seed, num_steps=num_steps, num_samples=num_samples
        )
    beside = estimators.baselines(run.data, model=model, split=split, seed=seed, limit=limit) if baselines else None
    parts = estimators.parts(model, rows, seed=seed, limit=limit)
    found = Evaluation(
        likelihood,
        parts.pop("elbo"),
        estimators.active_units(model, rows, seed=seed, limit=limit),
        data=run.data.name,
        split=split,
        limit=limit,
        parts=parts,
        curve=bounds,
        certificate=certificate,
        baselines=None if beside is None else beside.against(likelihood.pointwise),
        per_value=estimators.per_value(model, rows, log_likelihood=likelihood, limit=limit),
        synthetic=estimators.synthetic(model, run.data, seed=seed) if synthetic else None,
    )
    return found, {"log_likelihood": likelihood.pointwise}


def _check_given(method: estimators.Method, certify: int, num_samples: int | None, num_steps: int | None) -> None:
    """Raises ValueError where a number was given that nothing would read."""
    if num_samples is not None and method != "importance" and not certify:
        raise ValueError(
            f"--num-samples {num_samples} is of importance samples, and --method is {method}; leave it out"
        )
    if num_steps is not None and method != "ais" and not certify:
        raise ValueError(
            f"--num-steps {num_steps} is of --method ais and of --certify; leave it out, or give one of them"
        )


def _check_precision(precision: estimators.Precision, method: estimators.Method, curve: bool) -> None:
    if precision != "full" and (method != "importance" or curve):
        raise ValueError(f"--precision {precision} is of importance samples without --curve; leave one of them out")


def _check(method: estimators.Method, *, curve: bool, certify: int, num_samples: int, num_steps: int) -> None:
    if certify == 1 or certify < 0:
        raise ValueError(f"--certify {certify} has no error over examples; use 0 for none, or at least 2")
    if (certify or method == "ais") and num_steps < 2:
        raise ValueError(f"--num-steps {num_steps} leaves no path to walk; use at least 2, or 500")
    if num_samples < 1:
        raise ValueError(f"--num-samples {num_samples} must be at least 1")
    if "RANK" in os.environ and (curve or certify or method != "importance"):
        raise ValueError(f"--curve, --certify and --method {method} run in one process; leave torchrun out")
    if curve and method != "importance":
        raise ValueError(f"--curve is of importance samples and --method is {method}; leave one of them out")


def _check_rows(count: int, split: SplitName, limit: int | None) -> None:
    if min(count, count if limit is None else limit) < 2:
        raise ValueError(
            f"--split {split} has {count} rows and --limit is {limit}: a variance over examples needs at least 2; use "
            "another split, such as --split train, or a larger limit"
        )


def _announce(run: Run, split: SplitName, num_samples: int, limit: int | None) -> None:
    rows = getattr(run.data, split)
    seconds = estimators.expected_seconds(run.model, rows, num_samples=num_samples, limit=limit)
    if seconds > ANNOUNCE:
        examples = len(rows) if limit is None else min(limit, len(rows))
        print(f"{examples:,} examples with {num_samples:,} samples each: about {_duration(seconds)}", flush=True)


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
    ess = "" if number.ess is None else f", ESS {number.ess:,.0f}"
    print(f"  log-likelihood  {number.statement} nats  ({number.estimator}, {number.num_samples:,} samples{ess})")
    for words, value in found.per_value.items():
        print(f"                  {value:.4g} {words}")
    print(f"  ELBO            {found.elbo.number} nats")
    print(f"  active units    {found.active_units}")
    if number.doubt is not None:
        print(f"  not converged: {number.doubt}")
        remedy = "another --method" if number.ess is None else "more samples (of ais: more steps)"
        print(f"                 try {remedy}")
    if found.curve is not None:
        values = [f"{each.num_samples:,}: {each.number}" for each in found.curve.estimates]
        print(f"  bound by K      {', '.join(values)}\n                  {found.curve.verdict}")
    if (certificate := found.certificate) is not None:
        both = f"{certificate.lower.number} to {certificate.upper.number}"
        print(f"  on simulations  {both} nats; importance {certificate.importance.number}")
        print(f"                  {certificate.verdict}")

    if found.baselines is not None:
        _say_beside(found.baselines)
    if found.synthetic is not None:
        print(textwrap.indent(f"samples beside held-out rows: {found.synthetic}", "  "))


def _say_beside(found: estimators.Baselines) -> None:
    """Prints classical models of the same rows, and the run's value minus that of each, paired over rows."""
    if not found.models:
        print(f"  no baselines    {found.missing}")
        return
    print(f"  beside          {found.verdict}")
    for each in found.models:
        difference = "" if each.difference is None else f"difference {each.difference}"
        print(f"    {each.name:<22} {each.estimate.number:<16} nats  {difference}")
    if found.note:
        print(f"    ({found.note})")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
