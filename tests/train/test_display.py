"""What is seen while training."""

from __future__ import annotations

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
