"""An evaluation is of the weights and the rows that it says, and one that cannot end well does not begin."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from prioria.cli import main
from prioria.commands import evaluate as evaluation_command
from prioria.commands.evaluate import measure
from prioria.evaluate import ActiveUnits, Estimate
from prioria.report.evaluation import Evaluation, digest, read
from tests.commands.test_commands import SMALL, call


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate") / "run"
    call("train", "digits", *SMALL, "--out", folder)
    return folder


def test_rows_that_are_drawn_anew_are_the_same_at_every_call(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")  # digits are binarized anew for every epoch
    found = []
    for _ in range(2):
        torch.rand(3)  # whatever a process has drawn before
        call("evaluate", tmp_path / "run", "--split", "train", "--num-samples", 5, "--limit", 40)
        found.append(json.loads((tmp_path / "run" / "evaluation.json").read_text())["log_likelihood"]["value"])
    assert found[0] == found[1]


def test_numbers_belong_to_the_weights_that_were_measured(run: Path, tmp_path: Path, monkeypatch) -> None:
    """Training goes on while an evaluation runs, and replaces the best weights."""
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    before = digest(folder)

    def measured(*arguments: object, **options: object) -> object:
        found = measure(*arguments, **options)
        weights = load_file(folder / "best" / "model.safetensors")
        save_file({name: each + 1 for name, each in weights.items()}, folder / "best" / "model.safetensors")
        return found

    monkeypatch.setattr(evaluation_command, "measure", measured)
    call("evaluate", folder, "--num-samples", 5, "--limit", 30)
    assert json.loads((folder / "evaluation.json").read_text())["weights"] == before != digest(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--certify", 1], "--certify 1 has no error"),
        (["--certify", -3], "--certify -3"),
        (["--certify", 5, "--num-steps", 1], "--num-steps 1 leaves no path"),
        (["--limit", 1], "a variance over examples needs at least 2"),
        (["--method", "ais", "--num-samples", 7], "--num-samples 7 is of importance samples"),
        (["--num-steps", 7], "--num-steps 7 is of --method ais and"),
    ],
)
def test_an_evaluation_that_would_fail_in_the_end_is_refused_first(
    run: Path, capsys, monkeypatch, options, message
) -> None:
    monkeypatch.setattr(evaluation_command, "measure", lambda *_, **__: pytest.fail("measured first"))
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", str(run), *map(str, options)])
    assert message in capsys.readouterr().err


def test_what_is_no_likelihood_is_said_beside_the_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "grey.npy", np.random.default_rng(0).random((20, 4)))
    run, small = tmp_path / "run", ["--network.hidden", 4, "--latents", 2, "--epochs", 1]
    call("train", tmp_path / "grey.npy", "--relaxed", *small, "--out", run)
    for command in (["evaluate", run], ["score", run, tmp_path / "grey.npy"]):
        capsys.readouterr()
        call(*command, "--num-samples", 5)
        assert "its values are no likelihoods" in capsys.readouterr().out


@pytest.mark.parametrize(("ess", "remedy"), [(3.0, "try more samples (of ais: more steps)"), (None, "--method")])
def test_what_has_not_converged_comes_with_a_remedy(
    ess: float | None, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    number = Estimate(-90.0, 50, 9, "by whatever name", ess=ess, converged=False)
    evaluation_command.say("run", Evaluation(number, number, ActiveUnits({}, 0.01, 9), "test"))
    first, second = capsys.readouterr().out.splitlines()[-2:]
    assert first.startswith("  not converged: ") and remedy in second


def test_a_count_that_no_category_holds_is_not_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = np.arange(60).reshape(20, 3) % 7
    np.save(tmp_path / "counts.npy", counts)
    np.save(tmp_path / "larger.npy", counts + 2)
    options = ["--likelihood", "categorical", "--likelihood.categories", 7, "--latents", 2, "--network.hidden", 4]
    call("train", tmp_path / "counts.npy", *options, "--epochs", 1, "--out", tmp_path / "run")
    call("score", tmp_path / "run", tmp_path / "counts.npy", "--num-samples", 2)
    with pytest.raises(SystemExit) as end:
        main(["score", str(tmp_path / "run"), str(tmp_path / "larger.npy"), "--num-samples", "2"])
    said = capsys.readouterr().err
    assert end.value.code == 2 and "x goes from 2 to 8, and the likelihood has probabilities from 0 to 6 only" in said


def test_baselines_are_printed_and_kept_beside_the_number(run: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(run, tmp_path / "run")
    call("evaluate", tmp_path / "run", "--num-samples", 5, "--limit", 40)
    said = capsys.readouterr().out
    found = read(tmp_path / "run")
    assert found.baselines is not None and f"  beside          {found.baselines.verdict}\n" in said
    assert " nats worse than the best baseline (mixture of Bernoullis)" in said  # it was trained for an epoch
    assert f"{found.per_value['bits per dimension']:.4g} bits per dimension" in said
    independent = next(each for each in found.baselines.models if each.name == "independent bits")
    difference = found.log_likelihood.value - independent.estimate.value
    assert independent.difference is not None and independent.difference.value == pytest.approx(difference)
    assert independent.difference.examples == 40 == independent.estimate.examples
    call("evaluate", tmp_path / "run", "--num-samples", 5, "--limit", 40, "--no-baselines")
    assert read(tmp_path / "run").baselines is None and "beside" not in capsys.readouterr().out
    older = read(tmp_path / "run").to_json()
    del older["baselines"], older["per_value"]
    assert Evaluation.from_json(older).baselines is None
