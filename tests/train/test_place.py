"""The folder of a run that goes away while it is trained, and a schedule that training does not reach the end of."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prioria import objectives
from prioria.objectives.base import Progress
from prioria.train import fit
from tests.train.small import OPTIONS, digits, elbo, vamp


class Leaving(objectives.ELBO):
    """Does something to the folder at one of its steps."""

    def __init__(self, action: Callable[[], object], at: int) -> None:
        super().__init__()
        self.action, self.at, self.seen = action, at, 0

    def update(self, terms, progress: Progress) -> None:
        self.seen += 1
        if self.seen == self.at:
            self.action()


@pytest.mark.parametrize("trackers", [(), ("tensorboard",)])
@pytest.mark.parametrize("at", [1, 9])
@pytest.mark.parametrize("how", ["removed", "renamed", "replaced"])
def test_a_run_that_goes_away_is_one_line_and_is_not_begun_again(
    how: str, at: int, trackers: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"

    def action() -> None:
        if how == "removed":
            return shutil.rmtree(out)
        out.rename(tmp_path / "elsewhere")
        if how == "replaced":
            out.mkdir()

    with pytest.raises(ValueError, match="was removed or renamed while it was trained"):
        options: dict[str, Any] = OPTIONS | {"checkpoint_every": "2 steps"}
        fit(vamp(), Leaving(action, at), digits(), out=out, trackers=trackers, **options)
    assert not out.exists() if how != "replaced" else not list(out.iterdir())
    assert "Traceback" not in capfd.readouterr().err
    if how != "removed":  # what was written before is whole
        fit(vamp(), elbo("1 epoch"), digits(), out=tmp_path / "elsewhere", overwrite=True, **OPTIONS | {"epochs": 1})


def test_a_warm_up_that_outlasts_training_is_said() -> None:
    with pytest.warns(UserWarning, match='warmup="100 epochs" ends after training does.*come to 2 %'):
        fit(vamp(), elbo("100 epochs"), digits(), **OPTIONS | {"epochs": 2})
    with pytest.warns(UserWarning, match='warmup="100 steps" ends after'):
        fit(vamp(), elbo("100 steps"), digits(), **OPTIONS | {"epochs": 1})
    fit(vamp(), elbo("2 epochs"), digits(), **OPTIONS | {"epochs": 2})  # reaches the end: any warning is an error here
