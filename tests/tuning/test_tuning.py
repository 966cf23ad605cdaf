"""A search for options: pruned by the median, gone on with after a kill, and each trial what one command does."""

from __future__ import annotations

import importlib.util
import inspect
import shlex
import signal
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from prioria.cli import FAMILIES, _app, main, shorthand
from prioria.data import load
from prioria.data.reading import Reading
from prioria.train import Run
from prioria.train.step import Step
from prioria.tuning import Suggestion, Tuned, search, space, tune
from prioria.tuning.search import STARTUP, Task
from tests.commands.test_commands import call
from tests.train.test_resume import at_call, killed

pytest.importorskip("optuna")
TRIALS, EPOCHS = 9, 3


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("data") / "rows.csv"
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 4)) @ rng.normal(size=(4, 4))
    pd.DataFrame(x, columns=list("abcd")).to_csv(place, index=False)
    return place


@pytest.fixture(scope="module")
def folder(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("search") / "study"


@pytest.fixture(scope="module")
def found(table: Path, folder: Path) -> Tuned:
    return tune(table, out=folder, trials=TRIALS, epochs=EPOCHS)


def what(found: Tuned) -> set[tuple[Any, ...]]:
    return {(each.options, each.state, each.bound) for each in found.trials}


def weights(run: Path) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in load_file(run / "best" / "model.safetensors").items()}


def test_a_search_reads_data_by_the_options_of_training(table: Path, tmp_path: Path) -> None:
    taken = {each.name for each in fields(Reading)} - {"kind"} | {"kinds"}
    assert taken == set(inspect.signature(load).parameters) - {"source", "root", "levels", "parts", "seed"}
    reading = Reading(ignore=("d",), kind=("a=real", "b=real"))
    found = tune(table, reading, out=tmp_path, trials=1, epochs=1)
    model = Run.load(found.best.run).model
    assert [each.name for each in model.protocol.schema.features] == ["a", "b", "c"]
    assert "--ignore d --kind a=real --kind b=real" in found.command()
    function, bound, _ = _app().parse_args(
        shorthand(shlex.split(found.command())[1:], FAMILIES), exit_on_error=False, print_error=False
    )
    assert Reading(**vars(bound.arguments["reading"])) == reading


@pytest.mark.slow
def test_the_best_run_is_what_its_command_makes(found: Tuned, folder: Path, tmp_path: Path, capsys) -> None:
    bounds = [each.bound for each in found.trials if each.state == "complete"]
    assert len(found.trials) == TRIALS and bounds == sorted(bounds, reverse=True)
    assert found.best.run == folder / "trials" / f"{found.best.number:03}"
    typed = shlex.split(found.command(str(tmp_path / "again")))
    assert typed[:2] == ["prioria", "train"]
    call(*typed[1:])
    mine, again = weights(found.best.run), weights(tmp_path / "again")
    assert mine.keys() == again.keys() and all(np.array_equal(mine[name], again[name]) for name in mine)
    assert f"epoch {found.best.epochs}/{found.best.epochs}" in capsys.readouterr().err


def test_the_command_goes_on_and_prints_the_table(found: Tuned, table: Path, folder: Path, capsys) -> None:
    call("tune", table, "--out", folder, "--trials", TRIALS, "--epochs", EPOCHS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["trial", "state", "bound", "epochs"] and f"{TRIALS} trials: " in lines[TRIALS + 1]
    assert lines[-3] == f"Best: {found.best.run}, bound {found.best.bound:.2f} nats on validation rows"
    assert lines[-2] == f"Made by: {found.command()}"


def test_trials_below_the_median_at_their_epoch_are_pruned(found: Tuned, table: Path, folder: Path) -> None:
    trials = {each.number: each for each in Task(str(table), Reading(), folder, EPOCHS, 0).study().get_trials()}
    pruned = [trials[each.number] for each in found.trials if each.state == "pruned"]
    assert pruned
    for number, trial in trials.items():
        others = [trials[other] for other in range(number) if trials[other].state.name == "COMPLETE"]
        for epoch, value in trial.intermediate_values.items():
            theirs = [each.intermediate_values[epoch] for each in others]
            best = max(v for e, v in trial.intermediate_values.items() if e <= epoch)
            behind = len(theirs) >= STARTUP and best < median(theirs)
            assert behind == (trial in pruned and epoch == max(trial.intermediate_values)), (number, epoch, value)


@pytest.mark.slow
def test_a_search_that_is_killed_within_a_trial_ends_as_if_it_had_not_been(
    found: Tuned, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search() -> Tuned:
        return tune(table, out=tmp_path / "study", trials=TRIALS, epochs=EPOCHS)

    with monkeypatch.context() as patch:
        patch.setattr(Step, "forward", at_call(14, Step.forward))  # six in a trial: 80 rows and 10, three times
        assert killed(search) == -signal.SIGKILL
    task = Task(str(table), Reading(), tmp_path / "study", EPOCHS, 0)
    assert [trial.state.name for trial in task.study().get_trials()].count("RUNNING") == 1
    assert what(search()) == what(found)
    assert len(list((tmp_path / "study" / "trials").iterdir())) == TRIALS  # the one that was cut off went on


def test_workers_share_a_study(table: Path, tmp_path: Path, cluster: str) -> None:
    found = tune(table, out=tmp_path / "study", trials=4, epochs=1, cluster=cluster)
    assert [each.state for each in found.trials] == ["complete"] * 4
    assert len({each.options for each in found.trials}) == 4  # each has its own seed
    alone = tune(table, out=tmp_path / "alone", trials=4, epochs=1)
    assert what(alone) == what(found)  # suggestions are random at first, and none is pruned


def test_a_worker_that_dies_has_its_trial_taken_over(table: Path, tmp_path: Path) -> None:
    task = Task(str(table), Reading(), tmp_path / "study", 1, 0, number=3)
    (tmp_path / "study").mkdir()
    study = task.study()
    trial = study.ask()
    options = Suggestion.suggest(trial, task.dataset(), 1)
    for name, value in {"task": 3, "run": "000"}.items():
        trial.set_user_attr(name, value)
    search.work(task)
    first, second = study.get_trials()
    assert (first.state.name, second.state.name) == ("FAIL", "COMPLETE") and second.user_attrs["run"] == "000"
    assert Suggestion.suggest(second, task.dataset(), 1) == options


def failing(number: int) -> Callable:
    def fail(*_: object, **__: object) -> None:
        raise ArithmeticError("epoch 1, step 1: the loss is nan")

    return at_call(number, space.fit, fail)


def test_a_trial_that_fails_stops_no_other(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "fit", failing(1))
    found = tune(table, out=tmp_path / "study", trials=2, epochs=1)
    assert [each.state for each in found.trials] == ["complete", "failed"]
    assert found.trials[1].error == "epoch 1, step 1: the loss is nan" and found.trials[1].bound is None
    monkeypatch.setattr(space, "fit", failing(1))
    found = tune(table, out=tmp_path / "other", trials=1, epochs=1)
    with pytest.raises(ValueError, match="none of 1 trials has a bound: epoch 1, step 1: the loss is nan"):
        _ = found.best


def test_what_is_under_way_when_time_is_up_ends_with_what_it_has(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = iter([False, False, True, True])  # before the trial, after each of two epochs, before the next trial
    monkeypatch.setattr(Task, "late", property(lambda _: next(asked)))
    found = tune(table, out=tmp_path / "study", trials=2, minutes=1.0, epochs=9)
    assert [(each.state, each.epochs) for each in found.trials] == [("complete", 2)]
    assert " --epochs 2 " in found.command()


def test_what_a_search_refuses(
    found: Tuned, table: Path, folder: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments, message in {
        (table, "other", "--trials", 0): "trials=0 must be at least 1",
        (table, "other", "--minutes", 0): "must be above 0",
        (table, folder, "--epochs", EPOCHS, "--seed", 1): "holds a study of other seed (0, now 1)",
        (table.parent, table.parent / "study"): f"choose one outside, as in --out {table.parent}-tune",
        (table, "other", "--jobs", 2, "--cluster", "tcp://localhost:1"): "give one of them",
    }.items():
        with pytest.raises(SystemExit, match="2"):
            main([str(each) for each in ("tune", arguments[0], "--out", *arguments[1:])])
        assert message in capsys.readouterr().err
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'prioria\[tune\]'"):
        tune(table, out=tmp_path / "study")
