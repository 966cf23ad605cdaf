"""The command that searches for the options of a training."""

# pyright: reportInvalidTypeForm=false
# (the record of options is generated)

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import pandas as pd
from cyclopts import Parameter

from prioria.commands.opened import check_outside
from prioria.commands.options import flags
from prioria.data.reading import Reading
from prioria.tuning import Tried, Tuned
from prioria.tuning import tune as search

ReadingOptions = flags(Reading, without=frozenset({"relaxed"}))  # that is of a likelihood, which is not searched for
READING = ReadingOptions()
SHOWN = 10  # trials in the table


def tune(
    data: str,
    *,
    out: Path | None = None,
    trials: int = 40,
    minutes: float | None = None,
    epochs: int = 50,
    seed: int = 0,
    jobs: int = 1,
    cluster: str | None = None,
    reading: Annotated[ReadingOptions, Parameter(name="*")] = READING,
) -> None:
    """Search for the latents, widths, prior, learning rate and warm-up whose validation bound is best, with Optuna.

    Each trial is a run, which other commands read; trials below the median are pruned. The same command goes on with a
    search that was stopped. It ends with a table, the best run, and the command that makes it.

    Args:
        data: a data set's name, or a file or folder, as for prioria train, and read by the same options.
        out: folder of the search; by default runs/ with the name of the data and -tune.
        trials: how many end in all, at most.
        minutes: after which none is begun any more, and those under way end with what they have.
        epochs: of each trial, at most; one ends after 20 without a better bound.
        seed: of weights, training and what is suggested.
        jobs: trials at the same time on this machine, by a local Dask cluster with one thread for each.
        cluster: address of a Dask scheduler, tcp://host:8786, whose workers see the same folders and data.
    """
    folder = Path("runs") / f"{Path(data).absolute().stem}-tune" if out is None else out
    check_outside(folder, Path(data), "tune")
    options = {"trials": trials, "minutes": minutes, "epochs": epochs, "seed": seed}
    found = search(data, Reading(**vars(reading)), out=folder, jobs=jobs, cluster=cluster, **options)
    print(_table(found))
    best = found.best
    print(f"Best: {best.run}, bound {best.bound:.2f} nats on validation rows")
    print(f"Made by: {found.command()}")
    print(f"Next: prioria evaluate {shlex.quote(str(best.run))}")


def _table(found: Tuned) -> str:
    rows = pd.DataFrame([_row(each) for each in found.trials[:SHOWN]])
    count = ", ".join(f"{number} {state}" for state, number in _states(found).items())
    return f"{rows.to_string(index=False)}\n{len(found.trials)} trials: {count}"


def _states(found: Tuned) -> dict[str, int]:
    states = [each.state for each in found.trials]
    return {state: states.count(state) for state in dict.fromkeys(states)}


def _row(tried: Tried) -> dict[str, str]:
    options = tried.options
    chosen = {} if options is None else vars(options) | {"hidden": " ".join(map(str, options.hidden))}
    bound = "" if tried.bound is None else f"{tried.bound:.2f}"
    numbers = {"trial": f"{tried.number}", "state": tried.state, "bound": bound, "epochs": f"{tried.epochs}"}
    return numbers | {name: f"{value}" for name, value in chosen.items()}
