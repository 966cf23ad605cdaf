"""The commands as a user types them, on digits; every failure is one line and exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from prioria import evaluate
from prioria.cli import main
from prioria.commands.options import shorthand
from prioria.train import Run

SMALL = ["--network.hidden", "16", "16", "--latents", "3", "--epochs", "2"]


def call(*arguments: object) -> None:
    """Runs a command that ends well; the parser leaves with code 0 after a command that returns nothing."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        assert end.code in (0, None), end.code


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands") / "run"
    call("train", "digits", "--prior", "vamp", "--prior.components", 5, *SMALL, "--out", folder)
    call("evaluate", folder, "--num-samples", 20, "--limit", 30)
    return folder


def test_train_builds_what_was_asked_for(run: Path) -> None:
    trained = Run.load(run)
    assert type(trained.model.stages["z"].p).__name__ == "VampPrior"
    assert trained.model.encode(torch.zeros(4, 64)).shape == (4, 3)
    assert len([line for line in trained.history if line["split"] == "validation"]) == 2


def test_evaluate_writes_the_documented_keys(run: Path) -> None:
    found = json.loads((run / "evaluation.json").read_text())
    trained = Run.load(run)
    expected = evaluate.log_likelihood(trained.model, trained.data.test, num_samples=20, limit=30)
    assert found["log_likelihood"]["value"] == pytest.approx(expected.value, abs=1e-6)
    assert found["log_likelihood"]["standard_error"] == pytest.approx(expected.standard_error, abs=1e-6)
    assert found["log_likelihood"]["num_samples"] == 20
    assert found["elbo"]["value"] < found["log_likelihood"]["value"]
    assert set(found["active_units"]["counts"]) == {"z"}
    assert found["split"] == "test" and "importance sampling" in found["estimator"]


def test_resume_goes_on(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    call("train", "digits", *SMALL, "--out", folder)
    call("train", "--resume", folder, "--epochs", "+1")
    assert len([line for line in Run.load(folder).history if line["split"] == "validation"]) == 3
    assert "prioria evaluate" in capsys.readouterr().out


def test_encodings_repeat_and_scores_are_those_of_the_library(run: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 2, (20, 64)).astype(np.uint8)
    np.save(tmp_path / "rows.npy", rows)
    for name in ("first", "second"):
        call("encode", run, tmp_path / "rows.npy", "--out", tmp_path / f"{name}.npz")
    first, second = (np.load(tmp_path / f"{name}.npz")["z"] for name in ("first", "second"))
    assert first.shape == (20, 3) and np.array_equal(first, second)
    call("score", run, tmp_path / "rows.npy", "--num-samples", 30, "--out", tmp_path / "scores.npz")
    expected = evaluate.log_likelihood(Run.load(run).model, torch.from_numpy(rows).float(), num_samples=30)
    scores = np.load(tmp_path / "scores.npz")["log_likelihood"]
    np.testing.assert_allclose(scores, expected.pointwise.numpy(), rtol=1e-6)


def test_samples_are_bits_and_their_means(run: Path, tmp_path: Path) -> None:
    call("sample", run, "--num-samples", 7, "--out", tmp_path / "x.npz")
    found = np.load(tmp_path / "x.npz")
    assert found["x"].shape == found["mean"].shape == (7, 64) and found["z"].shape == (7, 3)
    assert set(np.unique(found["x"])) <= {0.0, 1.0}
    assert 0 < found["mean"].min() and found["mean"].max() < 1


def test_pages_and_pictures_are_written(run: Path, tmp_path: Path) -> None:
    call("report", run, "--out", tmp_path / "report.html")
    call("compare", run, run, "--out", tmp_path / "both.html")
    assert (tmp_path / "sheet.png").read_bytes()[:4] == b"\x89PNG"
    for name in ("report.html", "both.html"):
        page = (tmp_path / name).read_text()
        assert "importance sampling" in page and "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    "choices",
    [
        ["--prior", "mixture", "--prior.components", "4", "--levels", "2"],
        ["--prior", "hierarchical", "--constraint", "rewo", "--constraint.target", "nats=30"],
        ["--prior", "realnvp", "--prior.blocks", "2", "--objective", "beta-tc", "--tc", "stratified"],
        ["--posterior", "iaf", "--objective", "info", "--objective.weight", "10"],
        ["--network", "gated-conv", "--objective", "iwae", "--objective.num-samples", "3"],
        ["--network", "conv", "--objective", "capacity", "--objective.capacity", "2"],
    ],
)
@pytest.mark.filterwarnings("ignore:the target")
def test_parts_compose(choices: list[str], tmp_path: Path) -> None:
    small = ["--network.hidden", "8", "8", "--latents", "3", "--epochs", "1", "--batch-size", "400"]
    call("train", "digits", *small, *choices, "--out", tmp_path / "run")
    assert all(p.isfinite().all() for p in Run.load(tmp_path / "run").model.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "data: name what to train on"),
        (["train", "nowhere.npy"], "neither a file nor a known data set"),
        (["train", "digits", "--prior", "standard", "--prior.components", "5"], "does not belong to --prior standard"),
        (["train", "digits", "--likelihood", "gaussian"], "Gaussian is not legal"),
        (["train", "two-moons", "--network", "conv"], "needs images"),
        (["train", "digits", "--levels", "3"], "--levels 3"),
        (["train", "digits", "--constraint", "rewo"], "--constraint.target"),
        (["train", "digits", "--prior", "vamp", "--posterior", "iaf"], "IAF"),
        (["train", "digits", "--tc", "stratified"], "does not belong to --objective elbo"),
        (["train", "--resume", "nowhere"], "does not exist"),
        (["evaluate", "nowhere"], "does not exist"),
        (["report", "nowhere"], "does not exist"),
        (["reproduce", "no-such-table"], "vampprior"),
        (["reproduce", "vampprior", "--rows", "no-such-row"], "vae-standard"),
        (["reproduce", "vampprior", "--budget", "endless"], "smoke"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    said = capsys.readouterr().err.strip().splitlines()
    assert end.value.code == 2
    assert len(said) == 1 and message in said[0], said
    assert not list(tmp_path.iterdir())


def test_a_run_is_not_overwritten_unless_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "run.json").read_bytes()
    with pytest.raises(SystemExit):
        main(["train", "digits", *SMALL, "--out", str(run)])
    assert "overwrite" in capsys.readouterr().err
    assert (run / "run.json").read_bytes() == before


def test_an_option_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", "digits", "--prior.componets", "5"])
    assert end.value.code != 0


def test_shorthand_leaves_values_alone() -> None:
    families = frozenset({"prior"})
    assert shorthand(["--prior=vamp", "--out", "prior", "--priority"], families) == [
        "--prior.kind=vamp",
        "--out",
        "prior",
        "--priority",
    ]


def test_demo_leaves_a_page_a_picture_and_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("demo", "--out", tmp_path / "demo", "--epochs", 2)
    for name in ("report.html", "sheet.png", "evaluation.json", "vamp/run.json", "standard/run.json"):
        assert (tmp_path / "demo" / name).stat().st_size > 0
    said = capsys.readouterr().out
    assert "log-likelihood" in said and "active units" in said and "prioria train FILE.npy" in said


def test_data_list_and_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("data", "list")
    assert "two-moons" in capsys.readouterr().out
    np.save(tmp_path / "grey.npy", np.random.default_rng(0).integers(0, 256, (20, 5, 5)).astype(np.uint8))
    call("data", "inspect", tmp_path / "grey.npy")
    assert "grey" in capsys.readouterr().out
