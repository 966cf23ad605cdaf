"""Two processes under torchrun do what one does, and a killed one comes back without a trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from prioria import objectives
from prioria.objectives import Objective
from prioria.train import Run, fit
from tests.train.gradients import OBJECTIVES
from tests.train.small import assert_same_run, digits, elbo, exact, streamed

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[2]


def started(*arguments: object) -> None:
    """Runs a module, alone or by a launcher, as `python -m` would."""
    command = [sys.executable, "-m", *map(str, arguments)]
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, cwd=REPOSITORY, env=environment, capture_output=True, timeout=500)


def torchrun(out: Path, *, kill: int = 0, restarts: int = 0) -> list[dict[str, Any]]:
    """Trains in two processes and returns what each found."""
    options = ["--standalone", "--nproc-per-node=2", f"--max-restarts={restarts}", "--module"]
    started("torch.distributed.run", *options, "tests.train.program", out, kill)
    return [json.loads((out / f"rank-{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def ranks(folder: Path) -> list[dict[str, Any]]:
    return torchrun(folder)


def test_processes_hold_the_same_weights(ranks: list[dict[str, Any]]) -> None:
    assert ranks[0]["weights"] == ranks[1]["weights"] and ranks[0]["exact"] == ranks[1]["exact"]


def test_both_draw_the_bits_of_every_row_once_in_another_order_each_epoch(ranks: list[dict[str, Any]]) -> None:
    orders = []
    for epoch in range(4):
        mine = [[row for batch in rank["training"][2 + 5 * epoch :][:5] for row in batch] for rank in ranks]
        assert mine[0] == mine[1] and sorted(mine[0]) == list(
            range(240)
        )  # the first two are of the check of shapes and of what priors are shown
        orders.append(mine[0])
    assert len({tuple(order) for order in orders}) == 4
    blocks = [block for rank in ranks for block in rank["validation"]]
    assert sorted(row for block in blocks for row in block) == sorted(4 * list(range(90)))


def test_validation_agrees_with_one_process(ranks: list[dict[str, Any]], folder: Path) -> None:
    rows = digits()
    two = Run.load(folder / "run", data=rows)
    one = fit(two.model, elbo("1 epoch"), rows, epochs=1, batch_size=50, learning_rate=1e-30, progress=False)
    assert one.best is not None and two.best is not None
    for name in ("loss", "selection", "distortion", "rate"):
        assert one.best[name] == pytest.approx(two.best[name], rel=1e-6)


def test_steps_are_those_of_one_process(ranks: list[dict[str, Any]]) -> None:
    model, decoder, rows = exact()  # its loss does not depend on the noise, which differs between processes
    fit(model, objectives.ELBO(), rows, epochs=3, batch_size=40, learning_rate=0.1, progress=False)
    torch.testing.assert_close(torch.tensor(ranks[0]["exact"]), decoder.weight.detach().flatten(), rtol=1e-4, atol=1e-5)


def test_steps_on_a_stream_are_those_of_one_process(ranks: list[dict[str, Any]], tmp_path: Path) -> None:
    model, decoder, _ = exact()
    before = decoder.weight.detach().flatten().clone()
    fit(model, objectives.ELBO(), streamed(tmp_path), epochs=2, batch_size=40, learning_rate=0.1, progress=False)
    after = decoder.weight.detach().flatten()
    for rank in ranks:
        torch.testing.assert_close(torch.tensor(rank["stream"]), after, rtol=1e-4, atol=1e-5)
    assert (after - before).abs().max() > 0.1


def test_a_killed_process_is_restarted_and_ends_bit_for_bit(
    ranks: list[dict[str, Any]], folder: Path, tmp_path: Path
) -> None:
    again = torchrun(tmp_path, kill=13, restarts=1)
    assert (tmp_path / "killed").exists()
    assert [rank["weights"] for rank in again] == [rank["weights"] for rank in ranks]
    assert_same_run(tmp_path / "run", folder / "run")


def test_gradients_of_every_objective_are_those_of_one_process(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    alone.mkdir()
    together.mkdir()
    started("tests.train.gradients", alone)
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node=2", "--module")
    started(*launcher, "tests.train.gradients", together)
    names = {file.name for file in alone.iterdir()}
    assert names == {file.name for file in together.iterdir()} and len(names) == 4 * len(OBJECTIVES)
    for name in names:
        one, two = load_file(alone / name), load_file(together / name)
        assert one.keys() == two.keys(), name
        for number, gradient in one.items():
            scale = gradient.abs().max().clamp(min=1.0).item()
            torch.testing.assert_close(two[number], gradient, rtol=0, atol=1e-6 * scale, msg=f"{name}: {number}")


def test_every_objective_that_is_exported_is_compared() -> None:
    made = {type(each()) for each in OBJECTIVES.values()}
    exported = {each for each in vars(objectives).values() if isinstance(each, type) and issubclass(each, Objective)}
    assert exported - made == {Objective, objectives.Enumerated}  # that one is of models with classes
