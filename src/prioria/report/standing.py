"""How a run stands: beside classical models, in its training, and for its size, in sentences."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from prioria.evaluate import ActiveUnits, Baselines
from prioria.evaluate.diagnosis import Finding
from prioria.report.evaluation import Evaluation
from prioria.train import Run
from prioria.train.log import Line

ROWS_PER_LATENT = 10  # training rows below which a latent is hardly determined


def standing(run: Run, units: ActiveUnits | None, evaluation: Evaluation | None) -> list[Finding]:
    """Returns what a run's history, size and baselines say, the worst first.

    Args:
        run: the run.
        units: of its latents, where they were measured.
        evaluation: of these weights, where there is one.
    """
    found = [
        _diverged(run.history),
        _below(run, None if evaluation is None else evaluation.baselines),
        _few_rows(len(run.data.train), units),
        _unfinished(run),
        _informative(units),
    ]
    return [each for each in found if each is not None]


def _validations(history: Sequence[Line]) -> list[Line]:
    return [line for line in history if line["split"] == "validation" and "epoch" in line]


def _diverged(history: Sequence[Line]) -> Finding | None:
    lines = _validations(history)
    if len(lines) < 2:
        return None
    first, last = lines[0]["loss"], lines[-1]["loss"]
    if last is not None and (first is None or last <= first):
        return None
    now = "is no number" if last is None else f"is {last:,.1f} nats, after {first:,.1f} in the first epoch"
    return Finding(
        "the ELBO diverged",
        "fault",
        f"The ELBO diverged: the validation loss of epoch {lines[-1]['epoch']} {now}.",
        "Lower the learning rate (--learning-rate), warm beta up (--objective.warmup '100 epochs'), or bound the scale "
        "of the likelihood; the best weights so far were kept.",
    )


def _below(run: Run, baselines: Baselines | None) -> Finding | None:
    if baselines is None or not baselines.models or (difference := baselines.best.difference) is None:
        return None
    if difference.value >= -2 * difference.standard_error:
        return None
    longer = f"Train longer: {_longer(run)}. " if _best_is_last(run) else ""
    return Finding(
        "below a classical model",
        "warning",
        f"The run is {baselines.verdict}: that model needs seconds, and no latents or fewer.",
        f"{longer}Give the networks more units (--network.hidden), standardize real numbers (--standardize), learn the "
        "scale of a Gaussian likelihood (--likelihood.variance global), or try a learned prior (--prior vamp).",
    )


def _few_rows(rows: int, units: ActiveUnits | None) -> Finding | None:
    latents = 0 if units is None else sum(each.numel() for each in units.variances.values())
    if rows >= ROWS_PER_LATENT * latents:
        return None
    return Finding(
        "few rows",
        "note",
        f"There are {rows:,} training rows for {latents} latents.",
        f"Take fewer (--latents {max(1, rows // ROWS_PER_LATENT)}), or more rows.",
    )


def _best_is_last(run: Run) -> bool:
    lines = _validations(run.history)
    return len(lines) > 1 and run.best is not None and run.best.get("epoch") == lines[-1]["epoch"]


def _longer(run: Run) -> str:
    folder = "RUN" if run.path is None else shlex.quote(str(run.path))
    return f"prioria train --resume {folder} --epochs +200"


def _unfinished(run: Run) -> Finding | None:
    if not _best_is_last(run):
        return None
    return Finding(
        "best epoch is the last one",
        "note",
        f"The best epoch is the last one, {_validations(run.history)[-1]['epoch']}: the run was still improving.",
        f"Train longer: {_longer(run)}",
    )


def _informative(units: ActiveUnits | None) -> Finding | None:
    if units is None:
        return None
    total, active = sum(each.numel() for each in units.variances.values()), sum(units.counts.values())
    if active == total:
        return None
    return Finding(
        "informative latents",
        "note",
        f"{active} of {total} latents carry the information: the posterior means of the others vary by less than "
        f"{units.threshold:g} over the data.",
        f"Nothing need be done; --latents {max(1, active)} would say as much.",
    )
