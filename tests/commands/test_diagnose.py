"""``prioria diagnose`` names the fault of runs that were broken on purpose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from prioria import VAE, fit, likelihoods, nets, objectives, posteriors, priors
from prioria.data import load
from prioria.evaluate.diagnosis import OPAQUE
from prioria.train import Run
from tests.commands.test_commands import call

DIGITS = load("digits")


def trained(folder: Path, *, beta: float = 1.0, vamp: bool = False) -> Run:
    torch.manual_seed(0)
    encoder, posterior = nets.GatedMLP(64, 8, gated_output=True), posteriors.Gaussian(8, 2)
    prior = priors.VampPrior(encoder, posterior, components=10, inputs=64) if vamp else priors.StandardNormal(2)
    decoder = likelihoods.Bernoulli(nets.GatedMLP(2, 8, 64))
    model = VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=decoder)
    options = {"epochs": 4, "learning_rate": 5e-3, "progress": False, "seed": 0}
    return fit(model, objectives.ELBO(beta=beta), DIGITS, out=folder, **options)


def written(run: Run) -> None:
    assert run.path is not None
    run.model.save(run.path / "best")


def large_beta(folder: Path) -> None:
    trained(folder, beta=20.0)


def dead_decoder(folder: Path) -> None:
    run = trained(folder)
    with torch.no_grad():
        for parameter in run.model.likelihood.parameters():
            parameter.zero_()
    written(run)


def duplicates(folder: Path) -> None:
    run = trained(folder, vamp=True)
    inputs = next(parameter for parameter in run.model.parameters() if parameter.shape == (10, 64))
    with torch.no_grad():
        inputs.copy_(inputs[:1].expand(10, 64))
    written(run)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "fault", "remedy"),
    [
        (large_beta, "posterior collapse", "Lower beta"),
        (dead_decoder, "dead decoder", "Check the decoder's last layers"),
        (duplicates, "duplicate components", "Start pseudo-inputs apart"),
    ],
)
def test_command_names_the_fault(broken, fault: str, remedy: str, tmp_path: Path, capsys) -> None:
    broken(tmp_path / "run")
    call("diagnose", tmp_path / "run", "--out", tmp_path / "page.html")
    shown = capsys.readouterr().out
    assert f": {fault}\n" in shown and f"Try: {remedy}" in shown
    found = json.loads((tmp_path / "page.json").read_text())["findings"]
    faults = [finding["name"] for finding in found if finding["severity"] == "fault"]
    assert fault in [finding["name"] for finding in found]
    assert faults in ([], [fault])  # no other one is blamed
    assert fault in (tmp_path / "page.html").read_text()


@pytest.mark.slow
def test_command_blames_no_part_of_a_run_that_was_not_broken(tmp_path: Path) -> None:
    trained(tmp_path / "run")
    call("diagnose", tmp_path / "run")
    found = json.loads((tmp_path / "run/diagnosis.json").read_text())["findings"]
    named = {finding["name"] for finding in found}
    assert not named & {"posterior collapse", "dead decoder", "duplicate components"}


@pytest.mark.slow
def test_a_page_says_why_pockets_of_a_flow_are_not_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--network.hidden", 8, 8, "--latents", 2, "--epochs", 1]
    call("train", "digits", "--posterior", "iaf", *small, "--out", tmp_path)
    call("diagnose", tmp_path)
    assert "not measured: pockets" in capsys.readouterr().out
    cell = (tmp_path / "diagnosis.html").read_text().split("not measurable")[1].partition("</td>")[0]
    assert cell == f"<small>{OPAQUE}</small>"
