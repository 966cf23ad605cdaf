"""Runs are paired where they were evaluated on the same rows, whatever their files are called."""

from pathlib import Path

import numpy as np
import pytest

from prioria import Run, fit, objectives
from prioria.data import load
from prioria.report import compare
from prioria.report.evaluation import FILE
from prioria.storage import read_json, write_json
from tests.report.conftest import evaluated, model_of


def evaluated_on(rows: np.ndarray, folder: Path) -> Path:
    folder.mkdir()
    np.save(folder / "data.npy", rows)
    data = load(folder / "data.npy")
    evaluated(fit(model_of(data), objectives.ELBO(), data, epochs=1, out=folder / "run", progress=False))
    return folder / "run"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two on files of one name and shape, and one on a copy of the first file."""
    folder, generator = tmp_path_factory.mktemp("runs"), np.random.default_rng(0)
    one, other = generator.normal(size=(2, 250, 3))
    return [evaluated_on(rows, folder / name) for name, rows in (("one", one), ("other", other), ("copy", one))]


def notes(runs: list[Path]) -> list[str]:
    return [cell.note for cell in compare(runs).numbers[f"difference to {runs[0]} (nats)"]]


def test_other_rows_under_the_same_name_are_not_paired(runs: list[Path]):
    assert notes(runs) == ["reference", "not paired: other examples", "paired over 20 examples"]


def test_older_evaluations_without_a_digest_are_paired_by_name(runs: list[Path]):
    found = read_json(runs[1] / FILE)
    write_json(runs[1] / FILE, {name: value for name, value in found.items() if name != "rows"})
    try:
        assert notes(runs)[1] == "paired over 20 examples"
    finally:
        write_json(runs[1] / FILE, found)
    assert Run.load(runs[1]).data.test.digest() == found["rows"]
