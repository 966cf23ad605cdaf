"""What "auto" chooses: by rule, once, and written down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from prioria.train import choice, fit, processes
from prioria.train.options import Options
from tests.train.small import OPTIONS, assert_same_run, digits, elbo, vamp


@pytest.mark.parametrize(
    ("gain", "batch_size", "processes", "expected"),
    [(2.5, 100, 1, "bf16"), (1.9, 100, 1, "float32"), (9.0, 49, 1, "float32"), (9.0, 50, 2, "float32")],
)
def test_bf16_where_it_is_twice_as_fast_and_the_batch_is_large(
    gain: float, batch_size: int, processes: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(choice, "speed_of_bf16", lambda *shape: asked.append(shape) or gain)
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    options = Options(epochs=1, batch_size=batch_size, precision="auto")
    assert choice.with_precision(options, vamp()).precision == expected
    assert set(asked) <= {(batch_size, 64, 24)}  # both halves of the gate of 12 units; pseudo-inputs are no layer


def test_the_speed_is_measured_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    choice.speed_of_bf16.cache_clear()
    kinds, plain = [], choice.seconds
    monkeypatch.setattr(choice, "seconds", lambda call: kinds.append(call().dtype) or plain(call))
    assert choice.speed_of_bf16(64, 30, 20) == choice.speed_of_bf16(64, 30, 20) > 0
    assert kinds.count(torch.bfloat16) == kinds.count(torch.float32) == 4


def test_what_was_chosen_is_written_and_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auto = OPTIONS | {"precision": "auto", "batch_size": 60}
    monkeypatch.setattr(choice, "speed_of_bf16", lambda *_: 3.0)
    fit(vamp(), elbo(), digits(), out=tmp_path / "run", trackers=(), **(auto | {"epochs": 2}))
    assert json.loads((tmp_path / "run/run.json").read_text())["options"]["precision"] == "bf16"
    monkeypatch.setattr(choice, "speed_of_bf16", lambda *_: 1 / 0)
    fit(vamp(), elbo(), digits(), out=tmp_path / "run", trackers=(), resume=True, **auto)
    fit(vamp(), elbo(), digits(), out=tmp_path / "said", trackers=(), **(auto | {"precision": "bf16"}))
    assert_same_run(tmp_path / "run", tmp_path / "said")


def test_a_short_run_is_not_compiled_and_the_step_that_was_timed_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "compiled", lambda *_: 1 / 0)
    for name, compile in (("auto", "auto"), ("plain", False)):
        fit(vamp(), elbo(), digits(), out=tmp_path / name, trackers=(), compile=compile, **OPTIONS)
    assert_same_run(tmp_path / "auto", tmp_path / "plain")


def test_a_long_run_is_compiled_in_batches_of_one_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    monkeypatch.setattr(choice, "WORTHWHILE", 0.0)
    monkeypatch.setattr(processes, "compiled", lambda step, _: lambda x, at: sizes.append(len(x)) or step(x, at))
    options = OPTIONS | {"batch_size": 70, "epochs": 1}
    fit(vamp(), elbo("1 epoch"), digits(238), out=tmp_path / "run", trackers=(), compile="auto", **options)
    assert sizes == [59] * 5  # once to try it, and in four steps; two of 238 rows are left out
    assert json.loads((tmp_path / "run/run.json").read_text())["options"]["compile"] is True


def test_what_cannot_be_compiled_is_trained_all_the_same_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no such header\nand a long trace")

    monkeypatch.setattr(choice, "WORTHWHILE", 0.0)
    monkeypatch.setattr(processes, "compiled", lambda *_: refuse)
    options = OPTIONS | {"progress": True}
    for name, compile in (("auto", "auto"), ("plain", False)):
        fit(vamp(), elbo("1 epoch"), digits(), out=tmp_path / name, trackers=(), compile=compile, **options)
    lines = [line for line in capsys.readouterr().err.splitlines() if "compile=" in line]
    assert lines == ["compile='auto': plain steps, as they cannot be compiled here (no such header)"]
    assert_same_run(tmp_path / "auto", tmp_path / "plain")
