"""Curves and pictures in trackers: in TensorBoard, in one's own, and offline in those that are installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accelerate.tracking import GeneralTracker

from prioria.cli import main
from prioria.train import fit, tracking
from tests.commands.test_commands import call
from tests.train.small import OPTIONS, digits, elbo, vamp

SMALL = ("--network.hidden", "8", "--latents", "2", "--epochs", "2")


class Notes(GeneralTracker):
    """A tracker that keeps what it is told."""

    name = "notes"
    requires_logging_directory = False

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[int, dict[str, float]]] = []
        self.pictures: list[tuple[int, dict[str, Any]]] = []
        self.ended = False

    tracker = None

    def store_init_configuration(self, values: dict) -> None:
        raise AssertionError("no configuration is stored")

    def log(self, values: dict, step: int | None = None, **_: Any) -> None:
        self.lines.append((step or 0, values))

    def log_images(self, values: dict, step: int | None = None, **_: Any) -> None:
        self.pictures.append((step or 0, values))

    def finish(self) -> None:
        self.ended = True


def test_a_tracker_of_ones_own_gets_each_line_and_pictures() -> None:
    notes = Notes()
    run = fit(vamp(), elbo(), digits(), trackers=[notes], **OPTIONS)
    steps = [line["step"] for line in run.history if line["split"] == "validation"]
    shown = {step: values["validation/loss"] for step, values in notes.lines if "validation/loss" in values}
    assert shown == {line["step"]: line["loss"] for line in run.history if line["split"] == "validation"}
    assert [step for step, _ in notes.pictures] == [steps[0], steps[1], steps[3]] and notes.ended
    found = notes.pictures[-1][1]
    assert found["samples"].shape == (8, 72, 72, 3) and found["reconstructions"].shape == (16, 72, 72, 3)
    assert found["samples"].dtype == np.uint8
    # every other picture is a validation row itself, each pixel nine wide
    rows, pictures = digits().validation.tensor(8).reshape(8, 8, 8), found["reconstructions"][::2, 4::9, 4::9, 0]
    correlation = np.corrcoef(pictures.ravel(), rows.ravel())[0, 1]
    assert abs(correlation) == pytest.approx(1.0)


def test_pictures_stand_side_by_side_where_a_tracker_takes_one() -> None:
    notes, single = Notes(), Notes()
    single.name = "aim"
    fit(vamp(), elbo("1 epoch"), digits(), trackers=[notes, single], **(OPTIONS | {"epochs": 1}))
    for name, pictures in notes.pictures[0][1].items():
        assert np.array_equal(single.pictures[0][1][name], np.hstack(list(pictures)))


@pytest.mark.parametrize(("epoch", "last", "shown"), [(1, 9, True), (3, 9, False), (8, 9, True), (9, 9, True)])
def test_pictures_become_rarer(epoch: int, last: int, shown: bool) -> None:
    assert tracking.due(epoch, last) is shown


def test_tensorboard_has_the_pictures(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit(vamp(), elbo(), digits(), out=tmp_path / "run", **(OPTIONS | {"epochs": 2}))
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["images"]) >= {"reconstructions", "samples"} or any(
        tag.startswith("reconstructions") for tag in events.Tags()["images"]
    )
    assert "validation/loss" in events.Tags()["scalars"]


def test_a_tracker_that_is_not_there_is_refused_with_what_to_install(tmp_path: Path, monkeypatch, capsys) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "aim" else found(name, *more))
    with pytest.raises(SystemExit) as end:
        main(["train", "digits", *SMALL, "--out", str(tmp_path / "run"), "--tracker", "aim"])
    assert end.value.code == 2 and "pip install 'prioria[aim]'" in capsys.readouterr().err
    with pytest.raises(ValueError, match="trackers: 'mine' is unknown; use tensorboard, wandb, mlflow, aim"):
        fit(vamp(), elbo(), digits(), trackers=("mine",), **OPTIONS)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="the extra wandb is not installed")
def test_wandb_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    call("train", "digits", *SMALL, "--out", tmp_path / "run", "--tracker", "wandb")
    (folder,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    assert list(folder.glob("*.wandb"))
    assert len(list((folder / "files" / "media" / "images").glob("samples*.png"))) == 8 * 2
    assert not (tmp_path / "run" / "tensorboard").exists()


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="the extra mlflow is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what mlflow calls
def test_mlflow_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    call("train", "digits", *SMALL, "--out", tmp_path / "run", "--tracker", "mlflow")
    (found,) = mlflow.search_runs(experiment_names=["prioria"], output_format="list")
    assert found.info.run_name == "run" and found.data.metrics["validation/loss"] > 0


@pytest.mark.skipif(importlib.util.find_spec("aim") is None, reason="the extra aim is not installed")
@pytest.mark.filterwarnings("ignore")  # of what aim calls
def test_aim_in_the_folder_of_the_run(tmp_path: Path) -> None:
    import aim

    call("train", "digits", *SMALL, "--out", tmp_path / "run", "--tracker", "aim")
    assert len(aim.Repo(str(tmp_path / "run")).list_all_runs()) == 1


def test_tracker_and_device_need_no_other_option_with_resume(tmp_path: Path, capsys) -> None:
    call("train", "digits", *SMALL, "--out", tmp_path / "run", "--device", "cpu")
    call("train", "--resume", tmp_path / "run", "--epochs", "+1", "--device", "cpu", "--tracker", "tensorboard")
    with pytest.raises(SystemExit):
        main(["train", "--resume", str(tmp_path / "run"), "--batch-size", "7"])
    assert "--batch-size does not go with --resume" in capsys.readouterr().err
