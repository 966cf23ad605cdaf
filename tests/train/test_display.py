"""What is seen while training."""

from __future__ import annotations

import re

import pytest

from prioria import objectives
from prioria.train import fit
from tests.train.small import OPTIONS, digits, elbo, vamp


class Multiplied(objectives.ELBO):
    def status(self) -> dict[str, float | str]:
        return {"beta": 0.25, "phase": "initial"}

    def verdict(self, terms: object) -> str | None:
        return "the target is met"


def test_away_from_a_terminal_each_epoch_is_one_line(capsys: pytest.CaptureFixture) -> None:
    run = fit(vamp(), Multiplied(), digits(), **(OPTIONS | {"progress": True}))
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("epoch ")]
    assert out == "" and len(lines) == 4
    last = {
        split: next(line for line in reversed(run.history) if line["split"] == split)
        for split in ("train", "validation")
    }
    assert lines[3] == (
        f"epoch 4/4  training loss {last['train']['loss']:.4g}  validation loss {last['validation']['loss']:.4g}"
        "  beta 0.25  phase initial  best"
    )
    assert err.splitlines()[-1] == "best weights: epoch 4; the target is met"
    assert "z: (2,)" in err  # the table of shapes
    assert last["train"]["beta"] == 0.25 and last["train"]["phase"] == "initial"


def test_nothing_is_said_unless_asked_for(capsys: pytest.CaptureFixture) -> None:
    fit(vamp(), elbo(), digits(), **OPTIONS)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_a_bar_says_epoch_speed_and_bound(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "120", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    run = fit(vamp(), elbo(), digits(), **(OPTIONS | {"progress": True}))
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err).replace("\r", "\n").splitlines()
    last = next(line for line in reversed(lines) if "steps/s" in line)
    best = run.best
    assert best is not None
    bound = -(best["distortion"] + best["rate"])
    assert last.startswith("epoch 4/4 ") and re.search(r"[\d.e+]+ steps/s", last) and "0:00:00" in last
    assert f"best {bound:.4g} ({best['epoch']})" in last
    assert len(last) <= 120 and not any(line.startswith("epoch") and "training loss" in line for line in lines)
