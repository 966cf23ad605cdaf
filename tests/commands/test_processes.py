"""Two processes on one evaluation, as a launcher starts them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from prioria import fit, objectives
from prioria.cli import main
from tests.train import small


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


def documented(launcher: str) -> list[str]:
    """The training command of the documentation that begins so, of two processes on one machine."""
    text = (Path(__file__).parents[2] / "docs" / "processes.md").read_text(encoding="utf-8")
    found = re.search(rf"^{launcher} .*-m prioria train .*$", text, re.MULTILINE)
    assert found is not None
    return found.group().split()


AT_THE_END = """
import atexit, os

if "RANK" in os.environ:
    from safetensors.torch import save_file
    from torch.optim.optimizer import register_optimizer_step_post_hook

    used = {}
    register_optimizer_step_post_hook(lambda optimizer, *_: used.update(last=optimizer))

    def write():
        weights = [each for group in used["last"].param_groups for each in group["params"]]
        tensors = {str(number): each.detach().clone() for number, each in enumerate(weights)}
        save_file(tensors, os.environ["WEIGHTS"] + "/rank-" + os.environ["RANK"])

    atexit.register(write)
"""  # every Python that starts reads it as sitecustomize.py: the commands are those of the docs, to the letter


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "processes"), [("torchrun", 2), ("accelerate launch", 1)])
def test_the_documented_commands_train_one_model(launcher: str, processes: int, tmp_path: Path) -> None:
    command = documented(launcher)
    command[command.index("--out") + 1] = str(tmp_path / "run")
    program = Path(sys.executable).parent / command[0]
    sizes = ["--epochs", "2", "--network.hidden", "16", "16", "--latents", "3", "--prior.components", "5"]
    (tmp_path / "sitecustomize.py").write_text(AT_THE_END)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "WEIGHTS": str(tmp_path)}
    options = {"capture_output": True, "text": True, "timeout": 500, "env": environment}
    ended = subprocess.run([program, *command[1:], *sizes], check=False, **options)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout.count("Trained:") == 1
    ranks = [load_file(file) for file in sorted(tmp_path.glob("rank-*"))]
    assert len(ranks) == (processes if processes > 1 else 0)  # a single process is given no rank
    for rank in ranks[1:]:
        assert rank.keys() == ranks[0].keys() and len(rank) > 10
        assert all(torch.equal(rank[name], values) for name, values in ranks[0].items())
    checkpoint = load_file(tmp_path / "run" / "checkpoint.safetensors")
    assert len(checkpoint["random.torch"]) == processes  # the generators of all
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines if '"validation"' in line] == [1, 2]


def test_processes_that_have_not_joined_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)  # one that torchrun does not join, as Apple's
    with pytest.raises(ValueError, match="WORLD_SIZE=2 .*have not joined .*a model of its own; start one process"):
        fit(small.exact()[0], objectives.ELBO(), small.exact()[2], epochs=1, progress=False)
