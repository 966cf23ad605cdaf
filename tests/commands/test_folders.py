"""Where a run may lie, and that it is found again from wherever it was begun."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prioria.cli import main
from prioria.train import Run
from tests.commands.test_commands import call

SMALL = ["--network.hidden", "4", "4", "--latents", "2", "--epochs", "1"]


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures, which is the one that commands are typed in."""
    folder = tmp_path / "faces"
    folder.mkdir()
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (20, 4, 4), np.uint8)):
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    monkeypatch.chdir(folder)
    return folder


def test_a_run_on_the_folder_one_is_in_is_opened_again(faces: Path) -> None:
    call("train", ".", *SMALL, "--out", "../run")
    assert Run.load(faces.parent / "run").data.name == "faces"


@pytest.mark.parametrize("out", [[], ["--out", "run"], ["--out", "../faces/run"]])
def test_a_run_among_the_pictures_that_it_is_trained_on_is_refused(faces: Path, out: list[str], capsys) -> None:
    before = sorted(faces.parent.rglob("*"))
    with pytest.raises(SystemExit):
        main(["train", ".", *SMALL, *out])
    assert f"outside, as in --out {faces}-run" in capsys.readouterr().err
    assert sorted(faces.parent.rglob("*")) == before
