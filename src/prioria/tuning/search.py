"""A search for the options of a plain training, by Optuna: one run for each trial, resumable, on any number of workers.

The study is a journal in the folder, which all workers append to; trials that do worse than the median at their epoch
are pruned. Every trial is what one command of ``prioria train`` does.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from prioria import workers
from prioria.data import Dataset
from prioria.data.reading import Reading
from prioria.train import Epoch, processes
from prioria.train.origin import fingerprint
from prioria.tuning.found import Tried, Tuned
from prioria.tuning.space import WARM_UPS, Suggestion

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

STUDY, JOURNAL, TRIALS = "tune", "journal.log", "trials"
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}  # Optuna's and ours, the best first
STARTUP = 5  # trials before one is pruned
AS_IT_IS = Reading()
PATIENCE = 20  # epochs without a better bound


@dataclass(frozen=True)
class Task:
    """A place for one trial: what a worker needs.

    Attributes:
        data: a name, or a path.
        reading: how they are read.
        out: folder of the study.
        epochs: of each trial, at most.
        seed: of weights, of training, and with the number of the task of what is suggested.
        number: of the task.
        deadline: when no trial is begun any more and those under way end, in seconds since 1970; None for never.
    """

    data: str
    reading: Reading
    out: Path
    epochs: int
    seed: int
    number: int = 0
    deadline: float | None = None

    @property
    def late(self) -> bool:
        """Whether time is up."""
        return self.deadline is not None and time.time() >= self.deadline

    def dataset(self) -> Dataset:
        """What it trains on, read once in a process."""
        return _dataset(self.data, self.reading)

    def study(self) -> Study:
        """The study, as far as it is."""
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        return optuna.create_study(
            study_name=STUDY,
            storage=JournalStorage(JournalFileBackend(str(self.out / JOURNAL))),
            sampler=optuna.samplers.TPESampler(seed=self.seed + self.number),
            pruner=optuna.pruners.MedianPruner(STARTUP, n_warmup_steps=round(self.epochs * max(WARM_UPS))),
            direction="maximize",
            load_if_exists=True,
        )


@functools.lru_cache(maxsize=1)
def _dataset(data: str, reading: Reading) -> Dataset:
    return reading.load(data)


def tune(
    data: str | Path,
    reading: Reading = AS_IT_IS,
    *,
    out: str | Path,
    trials: int = 40,
    minutes: float | None = None,
    epochs: int = 50,
    seed: int = 0,
    jobs: int = 1,
    cluster: str | None = None,
) -> Tuned:
    """Searches for the options of a training whose validation bound is best.

    The tree-structured Parzen estimator (Bergstra et al., 2011) suggests; the median rule prunes. With one job the
    same trials come from the same seed; with several, what is suggested depends on what has ended by then.

    Args:
        data: a name that prioria knows, or a path.
        reading: how it is read: the columns of a table, the size of pictures and their like.
        out: folder of the study; one that is there is gone on with, and trials that were cut off go on where they were.
        trials: how many end in all, at most.
        minutes: after which none is begun any more, and those under way end with what they have.
        epochs: of each trial, at most; one ends after 20 without a better bound.
        seed: of all that is random.
        jobs: as for :func:`prioria.workers.each`.
        cluster: as for :func:`prioria.workers.each`.

    Raises:
        ValueError: Optuna is not installed, a number out of range, another study in the folder, or another process
            that works on it.
    """
    _check(trials, minutes, epochs)
    workers.check(jobs, cluster)
    folder = processes.place(out)
    source = str(Path(data).absolute()) if Path(data).exists() else str(data)
    given = reading if reading.schema is None else replace(reading, schema=Path(reading.schema).absolute())
    with processes.alone(folder):
        deadline = None if minutes is None else time.time() + 60 * minutes
        task = Task(source, given, folder.absolute(), epochs, seed, deadline=deadline)
        study = task.study()
        _check_same(study, task)
        for trial in study.get_trials(deepcopy=False):
            if trial.state.name == "RUNNING":  # of a search that was cut off
                _again(study, trial)
        tasks = [replace(task, number=number) for number in range(len(_ended(study)), trials)]
        for _ in workers.each(work, tasks, key=lambda each: f"{each.out} {each.number}", jobs=jobs, cluster=cluster):
            pass
        typed = [str(data), *reading.arguments(), "--seed", f"{seed}"]
        return Tuned(_tried(study, task, Path(out)), typed)


def work(task: Task) -> None:
    """Makes one trial, unless time is up: asks the study for one, trains, and tells what came of it."""
    from optuna.trial import TrialState

    if task.late:
        return
    study = task.study()
    for other in study.get_trials(deepcopy=False):
        if other.state == TrialState.RUNNING and other.user_attrs.get("task") == task.number:
            _again(study, other)  # the worker that had this task before has died
    trial = study.ask()
    place = trial.user_attrs.get("run", f"{trial.number:03}")
    for name, value in {"task": task.number, "run": place}.items():
        trial.set_user_attr(name, value)
    pruned = False

    def judge(epoch: Epoch) -> None:
        nonlocal pruned
        loss = epoch.validation["selection"]
        trial.report(math.nan if loss is None else -loss, epoch.number)
        pruned = bool(trial.should_prune())
        if pruned or task.late:
            epoch.stop()

    try:
        data = task.dataset()
        options = Suggestion.suggest(trial, data, task.epochs)
        where = {"out": task.out / TRIALS / place, "resume": True, "trackers": (), "progress": False}
        run = options.train(data, task.epochs, seed=task.seed, patience=PATIENCE, callbacks=(judge,), **where)
        if run.best is None:
            raise ValueError("no validation was finite")
    except (ValueError, ArithmeticError, OSError) as error:
        trial.set_user_attr("error", str(error))
        study.tell(trial, state=TrialState.FAIL)
        return
    trial.set_user_attr("epochs", run.last_epoch)
    value = None if pruned else -run.best["selection"]
    study.tell(trial, value, state=TrialState.PRUNED if pruned else TrialState.COMPLETE)


def _check(trials: int, minutes: float | None, epochs: int) -> None:
    for name, number in (("trials", trials), ("epochs", epochs)):
        if number < 1:
            raise ValueError(f"{name}={number} must be at least 1")
    if minutes is not None and not minutes > 0:
        raise ValueError(f"minutes={minutes} must be above 0; leave it out for no limit")
    if importlib.util.find_spec("optuna") is None:
        raise ValueError("tune needs Optuna, which is not installed; pip install 'prioria[tune]'")


def _check_same(study: Study, task: Task) -> None:
    now = {"data": fingerprint(task.dataset()), "epochs": task.epochs, "seed": task.seed}
    before = study.user_attrs.get("about", now)
    for name, value in now.items():
        if before[name] != value:
            raise ValueError(
                f"out={str(task.out)!r} holds a study of other {name} ({before[name]}, now {value}); choose another "
                "folder, or remove it"
            )
    study.set_user_attr("about", now)


def _again(study: Study, trial: FrozenTrial) -> None:
    """Ends a trial whose process has died, and lets another go on with its run."""
    from optuna.trial import TrialState

    study.tell(trial.number, state=TrialState.FAIL)
    if "run" in trial.user_attrs:
        study.enqueue_trial(trial.params, user_attrs={"run": trial.user_attrs["run"]})


def _ended(study: Study) -> list[FrozenTrial]:
    """The trials that count: those that were cut off have failed without an error, and others go on with them."""
    trials = study.get_trials(deepcopy=False)
    return [each for each in trials if each.state.is_finished() and (each.state.name != "FAIL" or _error(each))]


def _error(trial: FrozenTrial) -> str:
    return trial.user_attrs.get("error", "")


def _tried(study: Study, task: Task, out: Path) -> list[Tried]:
    found = [_of(trial, task, out) for trial in _ended(study)]
    order = [*STATES.values()]
    return sorted(found, key=lambda each: (order.index(each.state), -(each.bound or -math.inf), each.number))


def _of(trial: FrozenTrial, task: Task, out: Path) -> Tried:
    values = trial.intermediate_values.values() if trial.value is None else [trial.value]
    try:
        options = Suggestion.suggest(trial, task.dataset(), task.epochs)
    except ValueError:  # it failed before it had chosen all
        options = None
    return Tried(
        trial.number,
        STATES[trial.state.name],
        max(values, default=None),
        trial.user_attrs.get("epochs", 0),
        out / TRIALS / trial.user_attrs["run"],
        options,
        _error(trial),
    )
