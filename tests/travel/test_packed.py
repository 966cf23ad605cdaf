"""A model as one file: it works where there is neither data nor run, and what is no such file is refused."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from palmerpenguins import load_penguins

import prioria
from prioria import packing
from prioria.report import evaluation
from prioria.train import Run
from prioria.ui.opened import Opened
from prioria.ui.source import curves
from tests.commands.test_commands import call
from tests.travel.test_travel import SMALL, refused

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run on a table of numbers and names, and its model.zip."""
    folder = tmp_path_factory.mktemp("home")
    load_penguins().drop(columns="year").to_csv(folder / "penguins.csv", index=False)
    call("train", folder / "penguins.csv", *SMALL, "--out", folder / "run")
    call("evaluate", folder / "run", "--num-samples", 20)
    call("pack", folder / "run", "--out", folder / "model.zip")
    return folder


@pytest.fixture
def away(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a packed model, and nothing else."""
    (tmp_path / "model.zip").write_bytes((home / "model.zip").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_holds_no_data_and_no_place_of_this_machine(home: Path) -> None:
    with zipfile.ZipFile(home / "model.zip") as archive:
        assert sorted(archive.namelist()) == sorted([packing.MANIFEST, *packing.NAMES])
        content = b"".join(archive.read(name) for name in archive.namelist())
        card = archive.read("README.md").decode()
    assert str(home).encode() not in content and b"/run" not in content
    number = evaluation.read(home / "run").log_likelihood
    assert number.statement in card and number.estimator in card and "bill_length_mm" in card
    assert "independent columns (baseline)" in card


def test_the_same_model_is_packed_to_the_same_bytes(home: Path, away: Path) -> None:
    call("pack", home / "run", "--out", "again/model.zip")
    assert Path("again/model.zip").read_bytes() == Path("model.zip").read_bytes()
    call("pack", "model.zip", "--out", "from-zip.zip")  # as from a run, but for its evaluation
    assert prioria.load("from-zip.zip").state_dict().keys() == prioria.load("model.zip").state_dict().keys()


def test_commands_give_what_the_run_gives(home: Path, away: Path) -> None:
    rows = home / "penguins.csv"
    for place, name in ((home / "run", "run"), ("model.zip", "zip")):
        call("sample", place, "--num-samples", 5, "--out", f"{name}-x.csv")
        call("encode", place, rows, "--out", f"{name}-z.csv")
        call("score", place, rows, "--num-samples", 5, "--out", f"{name}-s.csv")
        call("impute", place, rows, "--draws", 2, "--num-samples", 10, "--out", f"{name}-i.csv")
    for what in "xzsi":
        assert Path(f"zip-{what}.csv").read_text() == Path(f"run-{what}.csv").read_text()
    assert list(pd.read_csv("zip-x.csv"))[:2] == ["species", "island"]


def test_evaluation_of_a_packed_model_is_that_of_its_rows(home: Path, away: Path, capsys) -> None:
    assert "say which to evaluate it on by --data FILE" in refused(capsys, "evaluate", "model.zip")
    assert "--split train" in refused(capsys, "evaluate", "model.zip", "--split", "train", "--data", "rows.csv")
    pd.read_csv(home / "penguins.csv").iloc[:30].to_csv("rows.csv", index=False)
    call("evaluate", "model.zip", "--data", "rows.csv", "--num-samples", 10)
    found = evaluation.read("model-evaluation")
    rows = prioria.data.read_rows("rows.csv", prioria.load("model.zip").protocol)
    expected = prioria.evaluate.log_likelihood(Run.load(home / "run").model, rows, num_samples=10)
    assert found.log_likelihood.value == pytest.approx(expected.value, abs=1e-5)
    assert found.baselines is None and found.log_likelihood.examples == 30


def test_the_explorer_shows_draws_where_there_is_no_data(home: Path, away: Path) -> None:
    alone = Opened(Path("model.zip"))
    facts = alone.facts()
    assert facts["rows"] == 500 and "drawn from the model" in facts["note"]
    assert facts["drawer"]["columns"][0] == "species" and facts["drawer"]["levels"][0] == [
        "Adelie",
        "Chinstrap",
        "Gentoo",
    ]
    assert facts["evaluation"]["log_likelihood"]["num_samples"] == 20
    assert len(alone.map(50)["points"]) == 50 and curves(alone.folder) == []
    given = Opened(Path("model.zip"), str(home / "penguins.csv"))
    assert given.facts()["rows"] == 344
    torch.testing.assert_close(
        torch.tensor(given.map(344)["points"]),
        prioria.load("model.zip").encode(given.run.data.test.tensor()),
        atol=1e-5,
        rtol=1e-4,
    )


def test_the_explorer_shows_a_run_whose_data_is_gone_and_where_it_is_now(home: Path, tmp_path: Path) -> None:
    (tmp_path / "moved.csv").write_bytes((home / "penguins.csv").read_bytes())
    place, gone = home / "penguins.csv", home / "gone.csv"
    place.rename(gone)
    try:
        absent, there = Opened(home / "run"), Opened(home / "run", str(tmp_path / "moved.csv"))
        assert "which is not there" in absent.facts()["note"] and absent.facts()["rows"] == 500
        assert there.facts()["note"] == "" and there.facts()["rows"] == len(there.run.data.test) == 34
    finally:
        gone.rename(place)


@pytest.mark.slow
def test_it_works_from_the_wheel_alone_in_an_empty_environment(home: Path, away: Path) -> None:
    """The wheel that users install and the packed model: no repository, no data, no home folder."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(away / "wheel")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (away / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(away / "site")
    program = "\n".join(
        [
            "import sys, prioria, torch; from prioria.cli import main",
            "print(prioria.__file__)",
            "model = prioria.load('model.zip')",
            "print(model.encode(torch.zeros(1, 7)).tolist())",
            "main(['sample', 'model.zip', '--num-samples', '4', '--out', 'x.csv'])",
        ]
    )
    alone = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "PYTHONPATH": str(away / "site"), "HOME": str(away)}
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, cwd=away, env=alone, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    place, z, *_ = found.stdout.splitlines()
    assert Path(place).is_relative_to(away / "site")
    expected = prioria.load("model.zip").encode(torch.zeros(1, 7))
    np.testing.assert_allclose(json.loads(z), expected.detach(), atol=1e-6)
    assert len(pd.read_csv("x.csv")) == 4


def rewritten(change: Callable[[zipfile.ZipFile, zipfile.ZipInfo, bytes], None]) -> bytes:
    """The archive of the working directory, each entry written by a function that may do so wrongly."""
    made = io.BytesIO()
    with zipfile.ZipFile("model.zip") as archive, zipfile.ZipFile(made, "w") as target:
        for entry in archive.infolist():
            change(target, entry, archive.read(entry))
    return made.getvalue()


def _but(name: str, change: Callable[[zipfile.ZipFile, zipfile.ZipInfo, bytes], None]) -> Callable[[], bytes]:
    def written(target: zipfile.ZipFile, entry: zipfile.ZipInfo, content: bytes) -> None:
        if entry.filename == name:
            change(target, entry, content)
        else:
            target.writestr(entry, content)

    return lambda: rewritten(written)


def _beside(name: str, mode: int = stat.S_IFREG) -> Callable[[], bytes]:
    def change(target: zipfile.ZipFile, entry: zipfile.ZipInfo, content: bytes) -> None:
        target.writestr(entry, content)
        strange = zipfile.ZipInfo(name)
        strange.external_attr = (mode | 0o777) << 16
        target.writestr(strange, b"/etc/passwd")

    return _but("README.md", change)


def _linked(target: zipfile.ZipFile, entry: zipfile.ZipInfo, content: bytes) -> None:
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    target.writestr(entry, b"/etc/passwd")


def _changed(target: zipfile.ZipFile, entry: zipfile.ZipInfo, content: bytes) -> None:
    target.writestr(entry, content.replace(b"species", b"SPECIES"))


def _long(target: zipfile.ZipFile, entry: zipfile.ZipInfo, content: bytes) -> None:
    target.writestr(entry, b" " * (packing.MOST_JSON + 1))


WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "no archive": (lambda: b"weights", "is no model that prioria pack wrote, or damaged"),
    "cut": (lambda: Path("model.zip").read_bytes()[:-200], "or damaged"),
    "bits": (lambda: Path("model.zip").read_bytes().replace(b"Columns", b"columns", 1), "or damaged"),
    "out of the folder": (_beside("../evil.json"), "'../evil.json' is no part of a packed model"),
    "absolute": (_beside("/tmp/evil.json"), "'/tmp/evil.json' is no part"),
    "a link": (_but("treatment.json", _linked), "treatment.json is a link"),
    "a stranger": (_beside("setup.py"), "'setup.py' is no part"),
    "compressed": (
        _but("README.md", lambda to, entry, content: to.writestr(entry.filename, content * 9, zipfile.ZIP_DEFLATED)),
        "README.md is compressed",
    ),
    "too long": (_but("README.md", _long), "more than any text"),
    "changed": (_but("treatment.json", _changed), "treatment.json is not as it was packed"),
    "no weights": (_but("model.safetensors", lambda *_: None), "model.safetensors is missing"),
    "no digests": (_but(packing.MANIFEST, lambda *_: None), "manifest.json is missing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_packed_model_is_one_line(away: Path, case: str, capsys) -> None:
    make, said = WRONG[case]
    Path("wrong.zip").write_bytes(make())
    before = sorted(away.rglob("*"))
    assert said in refused(capsys, "sample", "wrong.zip", "--out", "x.csv")
    assert sorted(away.rglob("*")) == before and not (away.parent / "evil.json").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_comes_twice_is_refused(away: Path, capsys) -> None:
    Path("wrong.zip").write_bytes(_beside("README.md")())
    assert "'README.md' is no part of a packed model, or there twice" in refused(capsys, "ui", "wrong.zip")


def test_bad_places_are_one_line(home: Path, away: Path, capsys) -> None:
    assert "must end in .zip" in refused(capsys, "pack", home / "run", "--out", "model")
    assert "does not exist" in refused(capsys, "pack", "nowhere")
