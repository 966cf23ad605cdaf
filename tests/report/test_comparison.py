"""Runs are paired where they were evaluated on the same rows, whatever their files are called."""

from pathlib import Path

import numpy as np
import pytest

from prioria import VAE, Run, fit, likelihoods, nets, objectives, posteriors, priors
from prioria.data import load
from prioria.report import compare
from prioria.report.evaluation import FILE
from prioria.storage import read_json, write_json, write_sealed
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
    older = {name: value for name, value in found.items() if name not in ("rows", "digest")}
    write_sealed(runs[1] / FILE, older)
    try:
        assert notes(runs)[1] == "paired over 20 examples"
    finally:
        write_json(runs[1] / FILE, found)
    assert Run.load(runs[1]).data.test.digest() == found["rows"]


def test_log_probabilities_are_not_paired_with_log_densities(tmp_path: Path):
    np.save(tmp_path / "counts.npy", np.random.default_rng(1).poisson(5, (250, 3)))
    data, names = load(tmp_path / "counts.npy"), ["Multinomial", "Gaussian"]
    for name in names:
        model = VAE(
            encoder=nets.GatedMLP(3, 8, gated_output=True),
            posterior=posteriors.Gaussian(8, 2),
            prior=priors.StandardNormal(2),
            likelihood=getattr(likelihoods, name)(nets.GatedMLP(2, 8, 3)),
        )
        evaluated(fit(model, objectives.ELBO(), data, epochs=1, out=tmp_path / name / "run", progress=False))
    folders = [tmp_path / name / "run" for name in names]
    assert notes(folders) == ["reference", "not paired: other likelihoods"]
    assert [cell.text for cell in compare(folders).settings["likelihood"]] == names
