"""Commands that say why samples are bad, and repair them without touching the encoder."""

# pyright: reportInvalidTypeForm=false
# (the records of options are generated from constructors)

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from prioria import build
from prioria.commands.opened import DataPlace
from prioria.commands.options import chosen, record
from prioria.report import write_diagnosis
from prioria.train import Run
from prioria.train import refit_prior as refit

PriorOptions = record(build.PRIORS)
Prior = Annotated[PriorOptions, Parameter(group="The new prior")]
REALNVP = PriorOptions(kind="realnvp")


def diagnose(run: Path, *, out: Path | None = None, data: DataPlace = None, seed: int = 0) -> None:
    """Say what is wrong with a run and which option to try, as a page with pictures and as JSON beside it.

    Args:
        run: folder of a run.
        out: the .html file, RUN/diagnosis.html by default.
        seed: of all draws.
    """
    page = out or run / "diagnosis.html"
    write_diagnosis(Run.load(run, data=data), page, seed=seed, say=partial(print, flush=True))
    print(f"Page: {page}\nNumbers: {page.with_suffix('.json')}")


def refit_prior(
    run: Path,
    *,
    prior: Prior = REALNVP,
    out: Path | None = None,
    data: DataPlace = None,
    steps: int = 3000,
    batch_size: int = 500,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> None:
    """Fit another prior to the frozen encoder of a run, and report before and after.

    Args:
        run: folder of a run.
        out: folder of the new run, RUN-PRIOR by default.
        steps: of Adam.
        batch_size: draws of the posteriors in a step.
        learning_rate: of Adam.
        seed: of the prior's starting values and the draws.
    """
    opened, folder = Run.load(run, data=data), out or run.resolve().with_name(f"{run.resolve().name}-{prior.kind}")
    new = build.prior(opened.model, opened.data, chosen(prior) or "standard", seed=seed)
    found = refit(opened, new, steps=steps, batch_size=batch_size, learning_rate=learning_rate, seed=seed, out=folder)
    typed = shlex.quote(str(folder))
    print(f"{found}\nNew run: {folder}\nNext: prioria diagnose {typed}   or   prioria report {typed}")
