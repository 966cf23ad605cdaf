"""The curve of the bound and the certificate: from the command line through evaluation.json to the page."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from prioria import Run, evaluate
from prioria.commands.evaluate import evaluate as command
from prioria.report import report
from prioria.report.evaluation import FILE, read, read_pointwise
from prioria.storage import FORMAT, read_sealed
from tests.report.test_page import Page


@pytest.fixture
def measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    command(folder / "vamp", num_samples=20, limit=10, curve=True, certify=4, num_steps=10)
    return folder / "vamp", capsys.readouterr().out


@pytest.mark.slow
def test_both_are_those_of_the_library_and_are_shown(measured: tuple[Path, str], tmp_path: Path) -> None:
    folder, printed = measured
    run = Run.load(folder)
    curve = evaluate.bound_curve(run.model, run.data.test, counts=(1, 5, 10, 20), limit=10)
    certificate = evaluate.certify(run.model, num_examples=4, num_steps=10, num_samples=20)
    written = read_sealed(folder / FILE, "an evaluation")
    assert [each["value"] for each in written["curve"]["estimates"]] == [each.value for each in curve.estimates]
    assert written["curve"]["converged"] is False
    assert written["log_likelihood"]["value"] == curve.estimates[-1].value
    assert written["certificate"] == certificate.to_json()
    said = f"lower bound; estimator certified to {certificate.certified:.2f} nats on simulations (4 examples;"
    page = Page(report(folder, tmp_path / "page.html"))
    for text in (said, f"gap of annealing {certificate.gap:.2f}", f"rises by {curve.rise:.3f}"):
        assert text in page.words
        assert text in printed
    assert "Bound of vamp" in page.pictures
    assert read_pointwise(folder) is not None
    found = read(folder)
    assert (type(found.curve), type(found.certificate)) == (evaluate.BoundCurve, evaluate.Certificate)
    assert (str(found.curve), str(found.certificate)) == (str(curve), str(certificate))
    assert {"format": FORMAT} | found.to_json() == written


@pytest.mark.slow
def test_the_method_is_the_one_asked_for(folder: Path) -> None:
    run = Run.load(folder / "vamp")
    command(folder / "vamp", method="ais", num_steps=20, limit=6)
    expected = evaluate.log_likelihood(run.model, run.data.test, method="ais", num_steps=20, limit=6)
    found = read(folder / "vamp")
    assert (found.estimator, found.log_likelihood.value) == (expected.estimator, expected.value)
    with pytest.raises(ValueError, match="3 real latents"):
        command(folder / "vamp", method="quadrature", limit=6)
    assert read(folder / "vamp").to_json() == found.to_json()


def test_a_curve_is_of_importance_samples_alone(folder: Path) -> None:
    with pytest.raises(ValueError, match="--method is ais; leave one of them out"):
        command(folder / "vamp", method="ais", curve=True)


def test_without_them_the_page_claims_nothing(folder: Path, tmp_path: Path) -> None:
    page = Page(report(folder / "vamp", tmp_path / "page.html"))
    assert read(folder / "vamp").certificate is None
    assert "certified" not in page.words and "Bound of vamp" not in page.pictures


def test_certified_is_the_gap_with_three_errors() -> None:
    values = {"lower": [-3.0, -5.0], "upper": [-2.0, -4.4], "importance": [-2.5, -4.5]}
    estimates = [evaluate.Estimate.of(torch.tensor(each), torch.zeros(2), 1, 0, name) for name, each in values.items()]
    certificate = evaluate.Certificate.of(*estimates, torch.zeros(2, 1))
    assert certificate.gap == pytest.approx(0.8)
    assert certificate.importance_gap == pytest.approx(0.3)
    assert certificate.certified == pytest.approx(0.3 + 3 * 0.2)


def test_several_processes_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ValueError, match="run in one process"):
        command(folder / "vamp", curve=True)
