"""Where a command is to write is tried before it works, and what it has found is printed before it is written."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from prioria import storage
from prioria.cli import main
from tests.commands.test_commands import SMALL, call

WRITERS = {  # command -> its arguments; RUN is the run, OUT what cannot be written
    "report": ["RUN", "--out", "OUT/page.html"],
    "diagnose": ["RUN", "--out", "OUT/page.html"],
    "compare": ["RUN", "RUN", "--out", "OUT/page.html"],
    "explore": ["RUN", "--out", "OUT"],
    "export": ["RUN", "--out", "OUT"],
    "sample": ["RUN", "--out", "OUT/s.npz"],
    "encode": ["RUN", "digits", "--out", "OUT/z.csv"],
    "score": ["RUN", "digits", "--out", "OUT/s.csv"],
    "refit-prior": ["RUN", "--out", "OUT/run"],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("places") / "run"
    call("train", "digits", *SMALL, "--out", folder)
    call("evaluate", folder, "--num-samples", 5, "--limit", 20, "--no-baselines")
    return folder


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a model draws or encodes anything."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the work has started")

    for name in ("condition", "generate", "draw"):
        monkeypatch.setattr("prioria.model.VAE." + name, refuse)


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("command", WRITERS)
def test_no_work_starts_where_nothing_can_be_written(
    command: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    place = str(tmp_path / "file")
    line = [each.replace("RUN", str(run)).replace("OUT", place) for each in WRITERS[command]]
    with pytest.raises(SystemExit) as end:
        main([command, *line])
    said = capsys.readouterr().err.strip()
    assert end.value.code == 2 and place in said and len(said.splitlines()) == 1


@pytest.mark.usefixtures("idle")
def test_an_evaluation_without_a_place_does_not_begin(run: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / "evaluation.json").unlink()
    (folder / "evaluation.json").mkdir()
    with pytest.raises(SystemExit):
        main(["evaluate", str(folder), "--num-samples", "5"])
    assert "evaluation.json" in capsys.readouterr().err


def full(name: str, write: Callable[[Path, Callable[[Path], None]], None]) -> Callable[..., None]:
    def writes(path: Path, action: Callable[[Path], None]) -> None:
        if path.name == name:
            raise OSError(errno.ENOSPC, "cannot be written (No space left on device)", str(path))
        write(path, action)

    return writes


@pytest.mark.parametrize(
    ("line", "file", "said"),
    [
        (["evaluate", "RUN", "--num-samples", "5", "--limit", "20", "--no-baselines"], "evaluation.json", "ELBO"),
        (["diagnose", "RUN", "--out", "OUT/d.html"], "d.html", "best epoch"),
    ],
)
def test_numbers_are_printed_where_the_disk_has_filled_up(
    line: list[str], file: str, said: str, run: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(storage, "write_atomically", full(file, storage.write_atomically))
    with pytest.raises(SystemExit) as end:
        main([each.replace("RUN", str(run)).replace("OUT", str(tmp_path)) for each in line])
    out, error = capsys.readouterr()
    assert end.value.code == 2 and said in out
    assert "No space left on device" in error and file in error and len(error.strip().splitlines()) == 1
