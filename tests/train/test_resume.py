"""A run killed at any moment and resumed ends bit for bit as one that was not."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import safetensors.torch
import torch
from filelock import FileLock

from prioria import objectives, storage
from prioria.atomic import write_atomically
from prioria.train import Run, checkpoint, fit, log, loop, resume, validation
from prioria.train.run import read_specification, write_specification
from prioria.train.step import Step
from tests.train.small import OPTIONS, assert_same_run, digits, elbo, images, vamp


def train(out: Path, **options: object) -> None:
    fit(vamp(), elbo(), digits(), out=out, trackers=(), **(OPTIONS | options))


def go_on(out: Path) -> None:
    resume(out, data=digits(), trackers=(), progress=False)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    train(folder, checkpoint_every="2 steps")
    return folder


def killed(action: Callable[[], None]) -> int | None:
    """Runs an action in a process of its own and returns how it ended."""
    process = multiprocessing.get_context("fork").Process(target=action)
    process.start()
    process.join()
    return process.exitcode


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(number: int, call: Callable, instead: Callable = die) -> Callable:
    """Wraps a function so that its call of that number, counted from one, is another's."""
    calls = iter(range(1, 10**6))

    def wrapped(*args: object, **kwargs: object) -> object:
        return (instead if next(calls) == number else call)(*args, **kwargs)

    return wrapped


def half_written(tensors: dict[str, torch.Tensor], file: Path, metadata: dict[str, str]) -> None:
    data = safetensors.torch.save(tensors, metadata)
    Path(file).write_bytes(data[: len(data) // 2])
    die()


KILLS = {
    "before the first step": (Step, "forward", 1, die),
    "inside an epoch": (Step, "forward", 9, die),
    "during the backward pass of the last batch": (torch.optim.Adam, "step", 10, die),
    "during validation": (validation, "_block", 4, die),
    "while a line is logged": (log.Metrics, "append", 5, die),
    "while a checkpoint is half written": (storage, "save_file", 6, half_written),
    "between the checkpoint and the best weights": (validation.Best, "export", 5, die),
}


@pytest.mark.parametrize("place", KILLS)
def test_killed_and_resumed_ends_bit_for_bit(
    place: str, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name, number, instead = KILLS[place]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, at_call(number, getattr(owner, name), instead))
        assert killed(lambda: train(tmp_path / "run", checkpoint_every="2 steps")) == -signal.SIGKILL
    go_on(tmp_path / "run")
    assert_same_run(tmp_path / "run", unbroken)
    left = {path.name for path in (tmp_path / "run").glob(".*")}
    assert left <= {".training.lock"}, "half-written files are swept away"


def test_a_model_in_channels_last_ends_bit_for_bit_and_its_moments_keep_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_images(out: Path) -> None:
        model = images().to(memory_format=torch.channels_last)
        fit(model, elbo(), digits(), out=out, trackers=(), checkpoint_every="2 steps", **OPTIONS)

    train_images(tmp_path / "unbroken")
    with monkeypatch.context() as patch:
        patch.setattr(Step, "forward", at_call(9, Step.forward))
        assert killed(lambda: train_images(tmp_path / "run")) == -signal.SIGKILL
    go_on(tmp_path / "run")
    assert_same_run(tmp_path / "run", tmp_path / "unbroken")


def test_strides_are_kept_and_memory_that_repeats_is_written_out(tmp_path: Path) -> None:
    turned = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    single = torch.rand(2, 1, 4, 5).to(memory_format=torch.channels_last)  # contiguous, and yet of strides of its own
    parts = {"step": {"turned": turned, "single": single, "repeated": torch.rand(1, 3).expand(4, 3)}}
    checkpoint.write(tmp_path, parts, {})
    found = checkpoint.read(tmp_path)[0]["step"]
    assert all(torch.equal(found[name], each) for name, each in parts["step"].items())
    assert found["turned"].stride() == turned.stride() and found["single"].stride() == single.stride()
    assert found["repeated"].is_contiguous()


def test_a_run_is_trained_by_one_process_at_a_time(unbroken: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(folder)
    before = (folder / "metrics.jsonl").read_bytes()
    with FileLock(folder / ".training.lock"), pytest.raises(ValueError, match="is being trained by another process"):
        resume(folder, epochs="+1", data=digits(), progress=False)
    assert (folder / "metrics.jsonl").read_bytes() == before
    resume(folder, epochs="+1", data=digits(), progress=False)


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    (tmp_path / ".gitignore").touch()
    for name in ("checkpoint.safetensors", "best/model.json"):
        assert killed(lambda name=name: write_atomically(tmp_path / name, die)) == -signal.SIGKILL
    assert len(list(tmp_path.rglob(".prioria-*"))) == 2
    (tmp_path / ".prioria-another-host@1-0").mkdir()  # of a machine whose processes nobody here knows
    checkpoint.sweep(tmp_path)
    assert {path.name for path in tmp_path.rglob(".*")} == {".gitignore", ".prioria-another-host@1-0"}


def test_a_full_disk_is_an_os_error_and_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, {"step": {"w": torch.ones(3)}}, {"epoch": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # bytes of a file
    try:
        with pytest.raises(OSError, match=r"cannot be written \(.*File too large.*checkpoint\.safetensors"):
            checkpoint.write(tmp_path, {"step": {"w": torch.ones(1000)}}, {"epoch": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoint.read_state(tmp_path) == {"epoch": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


@pytest.mark.slow
def test_killed_at_random_moments_again_and_again(unbroken: Path, tmp_path: Path) -> None:
    out, moments, kills = tmp_path / "run", random.Random(0), 0

    def for_a_moment(seconds: float) -> None:
        # the default action of this signal ends the process at once; its clock is processor time
        signal.setitimer(signal.ITIMER_PROF, seconds)
        go_on(out) if (out / "run.json").exists() else train(out, checkpoint_every="2 steps")

    while (ended := killed(partial(for_a_moment, moments.uniform(0.03, 0.06) * 1.15**kills))) != 0:
        assert ended == -signal.SIGPROF
        kills += 1
    assert kills >= 3
    assert_same_run(out, unbroken)


def test_where_checkpoints_fall_does_not_matter(unbroken: Path, tmp_path: Path) -> None:
    train(tmp_path / "run", checkpoint_every="60 seconds")
    (tmp_path / "run" / "run.json").write_bytes((unbroken / "run.json").read_bytes())  # the one option that differs
    assert_same_run(tmp_path / "run", unbroken)


def test_ctrl_c_leaves_a_run_and_says_how_to_go_on(
    unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    out, forward = tmp_path / "a run", Step.forward
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it

    def interrupt(*args: object) -> object:
        signal.raise_signal(signal.SIGINT)
        return forward(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Step, "forward", at_call(9, forward, interrupt))
        with pytest.raises(KeyboardInterrupt):
            train(out, checkpoint_every="2 steps", progress=True)
    signal.signal(signal.SIGINT, before)
    assert f"prioria train --resume '{out}'" in capsys.readouterr().err
    assert checkpoint.read_state(out)["step"] == 7  # calls 6 and 7 validate after step 5
    go_on(out)
    assert_same_run(out, unbroken)


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Step.forward

    def interrupt(*args: object) -> object:
        signal.raise_signal(signal.SIGINT)
        return forward(*args)

    monkeypatch.setattr(Step, "forward", at_call(3, forward, interrupt))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a program that was started with nohup
    try:
        train(tmp_path / "run")
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert checkpoint.read_state(tmp_path / "run")["epoch"] == 4


def test_a_run_that_was_killed_is_read_as_its_checkpoint_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Step, "forward", at_call(17, Step.forward, lambda *_: 1 / 0))  # in the third epoch
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "run", checkpoint_every="7 steps")  # the last one in the second
    found, logged = Run.load(tmp_path / "run", data=digits()), (tmp_path / "run" / "metrics.jsonl").read_text()
    assert len(found.history) == checkpoint.read_state(tmp_path / "run")["lines"] < len(logged.splitlines())
    assert found.best is not None and found.best["epoch"] == 1


def test_more_epochs_go_on_from_where_training_ended(tmp_path: Path) -> None:
    train(tmp_path / "short", epochs=2)
    resume(tmp_path / "short", epochs="+2", data=digits(), trackers=(), progress=False)
    train(tmp_path / "long", epochs=4)
    assert_same_run(tmp_path / "short", tmp_path / "long")
    with pytest.raises(ValueError, match="epochs=3 is less than the 4 that are done"):
        resume(tmp_path / "long", epochs=3, data=digits(), trackers=(), progress=False)


def test_what_was_frozen_stays_frozen_and_moments_keep_their_parameters(tmp_path: Path) -> None:
    for name, epochs in (("whole", 2), ("parts", 1)):
        model = vamp()
        model.encoder.requires_grad_(False)
        fit(model, elbo("1 epoch"), digits(), out=tmp_path / name, trackers=(), **(OPTIONS | {"epochs": epochs}))
    resume(tmp_path / "parts", epochs=2, data=digits(), trackers=(), progress=False)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    with pytest.raises(ValueError, match=r"frozen=\[\] but the run .* has \['model.encoder"):
        again = OPTIONS | {"epochs": 3}
        fit(vamp(), elbo("1 epoch"), digits(), out=tmp_path / "parts", trackers=(), resume=True, **again)
    specification = read_specification(tmp_path / "parts")
    write_specification(tmp_path / "parts", specification | {"frozen": []})
    with pytest.raises(ValueError, match="moments of other parameters than are trained now"):
        resume(tmp_path / "parts", epochs=3, data=digits(), trackers=(), progress=False)


def test_more_epochs_after_patience_has_ended_a_run_are_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validate, folder = loop.validate, tmp_path / "run"
    # no epoch is better than the first
    monkeypatch.setattr(loop, "validate", lambda *args: validate(*args) | {"selection": torch.tensor(1.0)})
    train(folder, epochs=9, patience=2)
    ended = checkpoint.read_state(folder)
    assert (ended["epoch"], ended["stale"]) == (4, 2)  # the warm-up ends with the second, and two more are no better
    go_on(folder)
    assert checkpoint.read_state(folder)["epoch"] == 4  # none was asked for
    resume(folder, epochs="+1", data=digits(), trackers=(), progress=False)
    assert checkpoint.read_state(folder)["epoch"] == 5


def test_an_objective_that_learned_n_from_the_data_goes_on(tmp_path: Path) -> None:
    for name, epochs in (("whole", 2), ("parts", 1)):
        objective = objectives.BetaTC(2.0, tc=objectives.Stratified())
        fit(vamp(), objective, digits(), out=tmp_path / name, trackers=(), **(OPTIONS | {"epochs": epochs}))
    resume(tmp_path / "parts", epochs=2, data=digits(), trackers=(), progress=False)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_tensorboard_shows_each_line_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def run() -> None:
        fit(vamp(), elbo(), digits(), out=tmp_path / "run", checkpoint_every="7 steps", **OPTIONS)

    with monkeypatch.context() as patch:
        patch.setattr(Step, "forward", at_call(17, Step.forward, lambda *_: 1 / 0))  # ten steps, four blocks, two more
        with pytest.raises(ZeroDivisionError):
            run()
    final = resume(tmp_path / "run", data=digits(), progress=False)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    for split in ("train", "validation"):
        lines = {line["step"]: line["loss"] for line in final.history if line["split"] == split}
        shown = {event.step: event.value for event in events.Scalars(f"{split}/loss")}
        assert len(events.Scalars(f"{split}/loss")) == len(shown)
        assert shown == pytest.approx(lines, rel=1e-6)
