"""Compiled steps draw what plain ones do. In processes of their own: the checks of shapes here cannot be compiled."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from prioria import fit
from tests.train.small import digits, elbo, vamp

VAMP = ("--prior", "vamp", "--prior.components", "5")
WARM_UP = ("--objective.warmup", "2 epochs")


def losses(folder: Path, *options: str) -> list[float]:
    rows = folder.parent / "digits.npy"  # 1000 for training make ten batches of one size
    np.save(rows, (load_digits().data[:1250] > 7).astype(np.float32))
    command = [sys.executable, "-m", "prioria", "train", str(rows), "--epochs", "2", "--latents", "2", *options]
    subprocess.run([*command, "--network.hidden", "12", "--out", str(folder)], check=True, capture_output=True)
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles steps on the CPU with g++, which is not here")
def test_compiled_training_has_the_losses_of_plain_training(tmp_path: Path) -> None:
    """Warm-up included: nothing that changes between steps is frozen in."""
    plain = losses(tmp_path / "plain", *VAMP, *WARM_UP)
    assert losses(tmp_path / "compiled", *VAMP, *WARM_UP, "--compile") == pytest.approx(plain, rel=1e-4)
    assert len(set(plain)) == 4
    assert json.loads((tmp_path / "compiled" / "run.json").read_text())["options"]["compile"] is True


def test_without_a_compiler_the_reason_is_said_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match="compile=True needs a C\\+\\+ compiler, and there is no no-such-compiler"):
        fit(vamp(), elbo("1 epoch"), digits(), epochs=1, compile=True, progress=False)
