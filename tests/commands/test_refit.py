"""``prioria refit-prior`` and ``prioria diagnose`` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from prioria.cli import main
from prioria.train import Run
from tests.commands.test_commands import SMALL, call


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refit") / "run"
    call("train", "digits", *SMALL, "--out", folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "prior", [["realnvp", "--prior.blocks", 2], ["vamp", "--prior.components", 5], ["exemplar", "--prior.neighbors", 3]]
)
def test_refit_leaves_a_run_with_another_prior(run: Path, prior: list, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "new"
    call("refit-prior", run, "--prior", *prior, "--steps", 30, "--out", folder)
    shown = capsys.readouterr().out
    assert "before" in shown and "after" in shown and str(folder) in shown
    old, new = Run.load(run), Run.load(folder)
    assert (
        type(new.model.stages["z"].p).__name__
        == {"realnvp": "RealNVP", "vamp": "VampPrior", "exemplar": "Exemplar"}[prior[0]]
    )
    x = new.data.test.tensor(5)
    assert torch.equal(old.model.encode(x), new.model.encode(x))
    call("evaluate", folder, "--num-samples", 5, "--limit", 5)
    call("diagnose", folder)
    findings = json.loads((folder / "diagnosis.json").read_text())["findings"]
    assert all(finding["name"] in (folder / "diagnosis.html").read_text() for finding in findings)
    call("report", folder)
    best = new.best
    assert best is not None
    assert f"step {best['step']:,} of the refitted prior" in (folder / "report.html").read_text()
    call("compare", run, folder, "--out", tmp_path / "both.html")
    with pytest.raises(SystemExit) as end:
        main(["train", "--resume", str(folder)])
    assert end.value.code == 2 and f"no checkpoint; resume {run} and refit again" in capsys.readouterr().err


def test_a_run_may_be_the_folder_one_is_in(run: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(run)
    call("refit-prior", ".", "--prior", "standard")
    assert Run.load(run.with_name("run-standard")).path == run.with_name("run-standard")
    call("evaluate", ".", "--num-samples", 5, "--limit", 5)
    assert "run: digits, test split" in capsys.readouterr().out


def test_refit_names_its_folder_and_refuses_options_of_other_priors(run: Path, capsys) -> None:
    call("refit-prior", run, "--prior", "mixture", "--prior.components", 3, "--steps", 5)
    assert Run.load(run.with_name("run-mixture")).path == run.with_name("run-mixture")
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["refit-prior", str(run), "--prior", "standard", "--prior.blocks", "2"])
    assert end.value.code == 2
    assert "prior.blocks does not belong to prior standard" in capsys.readouterr().err


def test_pseudo_inputs_of_counts_start_among_the_training_rows(tmp_path: Path) -> None:
    counts = np.random.default_rng(0).poisson([0.2, 5.0, 60.0], size=(40, 3))
    np.save(tmp_path / "counts.npy", counts)
    run, new = tmp_path / "run", tmp_path / "new"
    small = ["--network.hidden", 4, "--latents", 2, "--posterior.log-variance-bounds", -6, 2, "--epochs", 1]
    small += ["--likelihood", "gaussian"]
    call("train", tmp_path / "counts.npy", "--prior", "vamp", "--prior.components", 90, *small, "--out", run)
    call("refit-prior", run, "--prior", "vamp", "--prior.components", 90, "--steps", 1, "--out", new)
    for folder in (run, new):
        opened = Run.load(folder)
        prior, rows = opened.model.stages["z"].p, opened.data.train.tensor()
        assert prior.bounds == (0.0, rows.max().item())
        least, most = rows.min(0).values - 0.1, rows.max(0).values + 0.1  # training has moved them by less
        assert ((prior.clamped() >= least) & (prior.clamped() <= most)).all()
        assert len(prior.pseudo_inputs.unique(dim=0)) > 80  # equal ones would stay equal for ever
