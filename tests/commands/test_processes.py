"""Two processes on one evaluation, as a launcher starts them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from prioria.cli import main


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_one(tmp_path: Path) -> None:
    small = ["--network.hidden", "16", "16", "--latents", "3", "--epochs", "1", "--out", str(tmp_path / "run")]
    arguments = ["evaluate", str(tmp_path / "run"), "--num-samples", "40", "--limit", "35"]
    for command in (["train", "digits", "--prior", "vamp", "--prior.components", "5", *small], arguments):
        with pytest.raises(SystemExit):
            main(command)
    alone = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "prioria"]
    ended = subprocess.run([*launcher, *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout.count("Written:") == 1
    together = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    for number in ("value", "standard_error", "monte_carlo_error", "bias", "ess"):
        assert together["log_likelihood"][number] == pytest.approx(alone["log_likelihood"][number], rel=1e-5)
    assert together["active_units"] == alone["active_units"]
