"""The commands as a user types them, on digits; every failure is one line and exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from prioria import evaluate
from prioria.cli import main, shorthand
from prioria.commands.opened import Opened
from prioria.train import Run

SMALL = ["--network.hidden", "16", "16", "--latents", "3", "--epochs", "2"]


def call(*arguments: object) -> None:
    """Runs a command that ends well; the parser leaves with code 0 after a command that returns nothing."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        assert end.code in (0, None), end.code


def arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file, which is closed again: numpy's own reader stays open as long as a traceback knows it."""
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


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
    first, second = (arrays(tmp_path / f"{name}.npz")["z"] for name in ("first", "second"))
    assert first.shape == (20, 3) and np.array_equal(first, second)
    call("score", run, tmp_path / "rows.npy", "--num-samples", 30, "--out", tmp_path / "scores.npz")
    expected = evaluate.log_likelihood(Run.load(run).model, torch.from_numpy(rows).float(), num_samples=30)
    scores = arrays(tmp_path / "scores.npz")["log_likelihood"]
    np.testing.assert_allclose(scores, expected.pointwise.numpy(), rtol=1e-6)
    assert arrays(tmp_path / "scores.npz")["scored"].all()


def test_a_path_comes_before_a_name_and_a_name_is_the_test_split(run: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    trained = Run.load(run)
    assert torch.equal(Opened.of(run).rows("digits").split.tensor(), trained.data.test.tensor())
    rng = np.random.default_rng(0)
    Path("digits").mkdir()
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(f"digits/{number}.png")
    np.save("pics.npy", rng.normal(size=(40, 3)))
    call("train", "pics.npy", *SMALL, "--out", "own")
    assert len(Opened.of(Path("own")).rows("pics.npy").split) == 40  # whose run has the name pics, and 4 test rows
    with pytest.raises(ValueError, match="digits: .*values from .*but the model was trained on"):
        Opened.of(run).rows("digits")  # the folder
    with pytest.raises(ValueError, match="pics is neither a file nor a known data set"):
        Opened.of(Path("own")).rows("pics")


def test_another_known_set_is_read_as_the_model_was_trained(run: Path, tmp_path: Path, capsys) -> None:
    call("train", "two-moons", *SMALL, "--out", tmp_path / "moons")
    np.save(tmp_path / "moons.npy", np.random.default_rng(0).normal(size=(40, 2)))
    call("train", tmp_path / "moons.npy", *SMALL, "--out", tmp_path / "own")
    own = Opened.of(tmp_path / "own").rows("two-moons").split
    assert torch.equal(own.tensor(), Run.load(tmp_path / "moons").data.test.tensor())
    with pytest.raises(SystemExit):
        main(["score", str(run), "two-moons"])
    assert "two-moons has rows of shape (2,), but the model is for (1, 8, 8)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["interpolate", "--nodes", "-4"], "nodes=-4 cannot have neighbors=15"),
        (["refit-prior", "--batch-size", "0"], "batch_size=0 must be at least 1"),
        (["refit-prior", "--steps", "0"], "steps=0 must be at least 1"),
        (["score", "digits", "--num-samples", "0"], "num_samples=0"),
        (["score", "digits", "--seed", str(2**64)], "--seed 18446744073709551616 must be at least 0 and below 2^64"),
        (["evaluate", "--seed", str(2**64)], "seed=18446744073709551616 has more than 64 bits"),
        (["encode", "digits", "--level", "", "--out", "z.csv"], "group '' is unknown; this model has z"),
    ],
)
def test_bad_numbers_for_a_run_are_one_line(run: Path, arguments: list[str], message: str, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main([arguments[0], str(run), *arguments[1:]])
    said = capsys.readouterr().err.strip().splitlines()
    assert end.value.code == 2 and len(said) == 1 and message in said[0], said


def test_samples_are_bits_and_their_means(run: Path, tmp_path: Path) -> None:
    call("sample", run, "--num-samples", 7, "--out", tmp_path / "x.npz")
    found = arrays(tmp_path / "x.npz")
    assert found["x"].shape == found["mean"].shape == (7, 1, 8, 8) and found["z"].shape == (7, 3)
    assert set(np.unique(found["x"])) <= {0.0, 1.0}
    assert 0 < found["mean"].min() and found["mean"].max() < 1


def test_samples_of_pictures_are_pictures_in_the_units_of_the_file(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (60, 1, 6, 6)).astype(np.uint8)
    np.save(tmp_path / "grey.npy", grey)
    call("train", tmp_path / "grey.npy", *SMALL, "--out", tmp_path / "run")
    call("sample", tmp_path / "run", "--num-samples", 20, "--out", tmp_path / "x.npz")
    found = arrays(tmp_path / "x.npz")
    assert found["x"].shape == found["mean"].shape == (20, 1, 6, 6)
    assert np.array_equal(found["x"], found["x"].round()) and 100 < found["x"].max() <= 255 and found["x"].min() == 0
    assert 0 <= found["mean"].min() and 100 < found["mean"].max() <= 255
    call("score", tmp_path / "run", tmp_path / "x.npz", "--num-samples", 5)


@pytest.mark.slow
def test_pages_and_pictures_are_written(run: Path, tmp_path: Path) -> None:
    call("report", run, "--out", tmp_path / "report.html")
    call("compare", run, run, "--out", tmp_path / "both.html")
    assert (tmp_path / "sheet.png").read_bytes()[:4] == b"\x89PNG"
    for name in ("report.html", "both.html"):
        page = (tmp_path / name).read_text()
        assert "importance sampling" in page and "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.slow
def test_counts_as_categories_say_how_many_they_are(tmp_path: Path, capsys) -> None:
    np.save(tmp_path / "counts.npy", np.arange(60).reshape(20, 3) % 7)
    with pytest.raises(SystemExit):
        main(["train", str(tmp_path / "counts.npy"), "--likelihood", "categorical", "--out", str(tmp_path / "run")])
    assert "likelihood.categories, 7 for values up to 6;" in capsys.readouterr().err


@pytest.mark.slow
def test_twelve_rows_and_a_folder_with_a_space(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "twelve.npy", np.random.default_rng(0).normal(size=(12, 2)))
    run = tmp_path / "a run"
    call("train", tmp_path / "twelve.npy", "--network.hidden", 4, "--latents", 2, "--epochs", 1, "--out", run)
    assert f"prioria evaluate '{run}'" in capsys.readouterr().out
    call("report", run)  # two test rows, in a picture without a warning
    call("explore", run)
    assert f"first: prioria evaluate '{run}'" in (said := capsys.readouterr().out) and "2 test rows make no" in said
    with pytest.raises(SystemExit, match="2"):
        main(["interpolate", str(run)])
    assert "--pairs 4 of 2 test rows cannot be drawn" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    "choices",
    [
        ["--prior", "exemplar", "--prior.neighbors", "3", "--levels", "2"],
        ["--prior", "hierarchical", "--constraint", "rewo", "--constraint.target", "nats=30"],
        ["--prior", "realnvp", "--prior.blocks", "2", "--objective", "beta-tc", "--tc", "stratified"],
        ["--posterior", "iaf", "--objective", "info", "--objective.weight", "10", "--likelihood", "autoregressive"],
        ["--network", "gated-conv", "--network.hidden", "8", "--objective", "iwae", "--objective.num-samples", "3"],
        ["--network", "conv", "--objective", "capacity", "--objective.capacity", "2", "--objective.warmup", "1 epochs"],
    ],
)
@pytest.mark.filterwarnings("ignore:the target")
def test_parts_compose(choices: list[str], tmp_path: Path) -> None:
    hidden = [] if "--network.hidden" in choices else ["--network.hidden", "8", "8"]
    small = [*hidden, "--latents", "3", "--epochs", "1", "--batch-size", "400"]
    call("train", "digits", *small, *choices, "--out", tmp_path / "run")
    assert all(p.isfinite().all() for p in Run.load(tmp_path / "run").model.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "data: name what to train on"),
        (["train", "nowhere.npy"], "neither a file nor a known data set"),
        (["train", "digits", "--prior", "standard", "--prior.components", "5"], "does not belong to prior standard"),
        (["train", "digits", "--likelihood", "gaussian"], "Gaussian is not legal"),
        (["train", "two-moons", "--network", "conv"], "needs images"),
        (["train", "digits", "--levels", "3"], "levels 3"),
        (["train", "digits", "--constraint", "rewo"], "constraint.target"),
        (["train", "digits", "--prior", "vamp", "--posterior", "iaf"], "IAF"),
        (["train", "digits", "--tc", "stratified"], "does not belong to objective elbo"),
        (["train", "--resume", "nowhere"], "does not exist"),
        (["train", "--resume", "nowhere", "--learning-rate", "7"], "--learning-rate does not go with --resume"),
        (["train", "--resume", "nowhere", "--prior", "vamp"], "--prior does not go with --resume"),
        (["train", "--resume", "nowhere", "--objective.beta", "2"], "--objective does not go with --resume"),
        (["train", "--resume", "nowhere", "--latents", "99"], "--latents does not go with --resume"),
        (["train", "--resume", "nowhere", "--overwrite"], "--overwrite does not go with --resume"),
        (["train", "--resume", "nowhere", "--suggest-target"], "--suggest-target does not go with --resume"),
        (["train", "--resume", "nowhere", "--epochs", "+ten"], "--epochs +ten must be a whole number"),
        (["train", "two-moons", "--standardize"], "two-moons has its own protocol"),
        (["train", "digits", "--latents", "0"], "latents 0 must be at least 1"),
        (["train", "digits", "--latents", "-1"], "latents -1 must be at least 1"),
        (["train", "digits", "--epochs", "ten"], "--epochs ten must be a whole number"),
        (["train", "digits", "--epochs", "0"], "--epochs 0 must be a whole number of at least 1"),
        (["train", "digits", "--epochs", "+3"], "--epochs +3 is for --resume"),
        (["train", "digits", "--network", "conv", "--network.hidden", "32"], "as in 32 64 256"),
        (["train", "digits", "--network", "gated-conv", "--network.hidden", "7", "9"], "give one width"),
        (["train", "digits", "--network", "residual", "--network.hidden", "7", "9", "8"], "network.hidden 7 9 8"),
        (["train", "digits", "--network.hidden", "0"], "network.hidden 0 does not fit network gated"),
        (["sample", "nowhere", "--num-samples", "0", "--out", "x.npz"], "--num-samples 0 must be at least 1"),
        (["sample", "nowhere", "--num-samples", "-2", "--out", "x.npz"], "--num-samples -2 must be at least 1"),
        (["explore", "nowhere", "--pairs", "0"], "--pairs 0"),
        (["interpolate", "nowhere", "--seed", "-1"], "--seed -1 must be at least 0"),
        (["train", "digits", "--seed", str(2**64)], "--seed 18446744073709551616 must be at least 0 and below 2^64"),
        (["explore", "nowhere", "--pairs", "101"], "use between 1 and 100"),
        (["data", "inspect", "digits"], "digits is the name of a known data set"),
        (["reproduce", "vampprior", "--seeds", "0"], "seeds=0 must be at least 1"),
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
    assert f"--resume {run}, replace it with --overwrite" in capsys.readouterr().err
    assert (run / "run.json").read_bytes() == before


def test_an_option_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", "digits", "--prior.componets", "5"])
    assert end.value.code != 0


def test_shorthand_leaves_values_alone() -> None:
    families = frozenset({"prior"})
    found = ["--prior.kind=vamp", "--out", "prior", "--priority"]
    assert shorthand(["--prior=vamp", *found[1:]], families) == found


@pytest.mark.slow
def test_demo_leaves_a_page_a_picture_and_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("demo", "--out", tmp_path / "demo", "--epochs", 2)
    for name in ("report.html", "sheet.png", "evaluation.json", "vamp/run.json", "standard/run.json"):
        assert (tmp_path / "demo" / name).stat().st_size > 0
    said = capsys.readouterr().out
    assert "log-likelihood" in said and "active units" in said and "prioria train FILE --out RUN" in said
    first = json.loads((tmp_path / "demo/vamp/metrics.jsonl").read_text().partition("\n")[0])["loss"]
    assert first == pytest.approx(39.51191, rel=1e-4)  # parts are drawn in the order of the README's numbers


def test_data_list_and_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("data", "list")
    assert "two-moons" in capsys.readouterr().out
    np.save(tmp_path / "grey.npy", np.random.default_rng(0).integers(0, 256, (20, 5, 5)).astype(np.uint8))
    call("data", "inspect", tmp_path / "grey.npy")
    assert "grey" in capsys.readouterr().out
