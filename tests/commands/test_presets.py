"""prioria train FILE of a table: the best mixture, networks where they pay, and a run like any other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.mixture import GaussianMixture

from prioria import data, evaluate, presets, starts
from prioria.cli import main
from prioria.train import Run
from tests.commands.test_commands import call


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "iris.csv"
    iris = load_iris(as_frame=True)
    frame = iris.data.iloc[:, [0, 3]].assign(kind=[iris.target_names[each] for each in iris.target])
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(table: Path) -> Iterator[Path]:
    """The command with few steps of training: what is tested of it does not hang on more."""
    out = table.parent / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presets, "STEPS", 60)
        call("train", str(table), "--ignore", "kind", "--device", "cpu", "--tracker", "tensorboard", "--out", str(out))
    yield out


@pytest.mark.slow
def test_a_table_of_numbers_trains_with_no_option_and_is_no_worse_than_any_gaussian_mixture(run: Path) -> None:
    assert json.loads((run / "run.json").read_text())["preset"] == "table"
    found = Run.load(run)
    schema = found.data.protocol.schema
    train, held = found.data.train.tensor().numpy(), found.data.validation.tensor().numpy()
    spread, cells = starts.dequantize(train, schema), starts.dequantize(held, schema, seed=1)
    ours = evaluate.log_likelihood(found.model, cells, num_samples=200).pointwise
    for k in (1, 2, 3, 4):
        for kind in ("full", "tied", "diag"):
            mixture = GaussianMixture(k, covariance_type=kind, reg_covar=1e-3, random_state=0).fit(spread)
            gain = ours.numpy() - (mixture.score_samples(cells) - schema.log_volume(cells))
            error = gain.std(ddof=1) / len(gain) ** 0.5  # fifteen rows that chose neither
            assert gain.mean() >= -max(0.1, 2 * error)


def test_the_folder_holds_what_was_kept(run: Path) -> None:
    start = json.loads((run / "run.json").read_text())["start"]
    found = Run.load(run)
    assert found.best is not None
    assert start["kept"] == (found.best["step"] > 0) == (start["gain"] > start["standard_error"])


def test_a_tracker_has_the_curves_of_what_was_kept(run: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    for split in ("train", "validation"):
        lines = [line for line in Run.load(run).history if line["split"] == split]
        assert {each.step: each.value for each in events.Scalars(f"{split}/loss")} == pytest.approx(
            {line["step"]: line["loss"] for line in lines}
        )


def test_a_preset_refuses_a_device_that_is_not_there_before_anything_is_fitted(table: Path) -> None:
    with pytest.raises(ValueError, match="gpu"):
        presets.train(table, "table", device="gpu", out=table.parent / "nowhere")
    assert not (table.parent / "nowhere").exists()


def test_other_commands_read_it_and_resume_says_why_not(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("evaluate", str(run), "--num-samples", 50)
    call("sample", str(run), "-n", "3", "--out", str(run / "samples.npz"))
    assert "log-likelihood" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["train", "--resume", str(run)])
    assert "began at a start and is finished" in capsys.readouterr().err


def test_parts_that_are_chosen_turn_it_into_plain_training(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(table.parent / "plain")
    more = ["--network", "mlp", "--network.hidden", "8", "--latents", "2", "--epochs", "1"]
    call("train", str(table), "--ignore", "kind", "--out", out, *more)
    assert "preset" not in json.loads((Path(out) / "run.json").read_text())
    with pytest.raises(SystemExit):
        main(["train", str(table), "--preset", "table", "--latents", "2", "--out", out + "2"])
    assert "--latents does not go with --preset table" in capsys.readouterr().err


def test_the_preset_follows_the_kind_of_data() -> None:
    generator = np.random.default_rng(0)
    words = generator.poisson(1.0, (40, 12))
    assert presets.chosen(data.load(words)) == "counts"
    assert presets.chosen(data.load(pd.DataFrame({"a": generator.normal(size=40), "b": list("xyxz") * 10}))) == "table"
    assert presets.chosen(data.load("digits")) == "paper"
    with pytest.raises(ValueError, match="is for tables with columns.*use preset 'counts'"):
        presets.chosen(data.load(words), "table")


def test_plain_training_of_names_and_holes_has_a_head_for_each_column(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    sizes = generator.normal(size=60)
    sizes[:9] = np.nan
    frame = pd.DataFrame({"size": sizes, "kind": [list("xyz")[each] for each in generator.integers(0, 3, 60)]})
    frame.to_csv(tmp_path / "mixed.csv", index=False)
    more = ["--prior", "vamp", "--prior.components", 5, "--network.hidden", 8, "--latents", 2, "--epochs", 2]
    call("train", tmp_path / "mixed.csv", "--kind", "kind=category", "--out", tmp_path / "run", *more)
    found = Run.load(tmp_path / "run")
    x = found.data.test.tensor()
    parts = evaluate.log_likelihood(found.model, x, num_samples=20).pointwise
    assert parts.isfinite().all()
    assert found.model.likelihood(torch.zeros(1, 1, 2)).log_prob(torch.full((1, 2), torch.nan)).item() == 0.0


def test_a_table_of_many_columns_is_trained_plainly() -> None:
    """A covariance of 100,000 columns would take 80 GB."""
    rows = np.random.default_rng(0).normal(size=(20, presets.WIDEST + 1))
    table = data.load(pd.DataFrame(rows, columns=[f"c{number}" for number in range(rows.shape[1])]))
    assert presets.chosen(table) == "paper"
    with pytest.raises(ValueError, match="is for tables with columns, 500 at most.*use preset 'paper'"):
        presets.chosen(table, "table")


@pytest.mark.parametrize(("rank", "writes"), [("0", True), ("1", False)])
def test_of_several_processes_the_first_one_writes_and_speaks(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: str, writes: bool
) -> None:
    seen: dict[str, object] = {}

    def recipe(dataset: data.Dataset, **options: object) -> None:
        seen.update(options)
        raise InterruptedError

    monkeypatch.setenv("RANK", rank)
    monkeypatch.setitem(presets.RECIPES, "table", replace(presets.RECIPES["table"], run=recipe))
    with pytest.raises(InterruptedError):
        presets.train(str(table), "table", out=tmp_path / "run", trackers=())
    assert (seen["out"], seen["progress"]) == ((tmp_path / "run", True) if writes else (None, False))


def test_networks_of_large_mixtures_take_fewer_steps() -> None:
    """4 classes of 49 factors in 50 columns, and 2 broad ones: a step takes the time of many small ones."""
    assert presets.FEWEST_STEPS <= presets._steps(6 * 50 * 49) < presets.STEPS / 2
    assert presets._steps(5 * 4 * 3) > 0.9 * presets.STEPS
