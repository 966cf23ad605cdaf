"""What a run's history, size and baselines say, in the words of pages and of the commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prioria import Run
from prioria.evaluate import ActiveUnits, Baseline, Baselines, Estimate
from prioria.report import compare, report, write_diagnosis
from prioria.report.evaluation import Evaluation, read
from prioria.report.standing import standing
from tests.commands.test_commands import call


def validation(epoch: int, loss: float | None, *, best: bool = False) -> dict:
    return {"split": "validation", "epoch": epoch, "step": epoch, "loss": loss} | ({"best": True} if best else {})


def units(active: int, latents: int) -> ActiveUnits:
    return ActiveUnits({"z": (torch.arange(latents) < active).double()}, 0.01, 100)


def beside(run: Run, value: float) -> Evaluation:
    rows = torch.linspace(-90, -80, 20, dtype=torch.float64)
    number = Estimate.of(rows, torch.zeros(20), 1, 0, "exact")
    found = Baselines((Baseline("full Gaussian", -85.0, number),), 100, 100).against(rows + value + 0.1 * rows.sin())
    return Evaluation(number, number, units(2, 3), "test", baselines=found)


def said(found: list) -> dict[str, str]:
    return {each.name: f"{each.meaning} {each.remedy}" for each in found}


@pytest.fixture
def run(trained: Path) -> Run:
    return Run.load(trained / "vamp")


def test_a_run_that_still_improves_is_told_to_go_on(run: Run) -> None:
    on = replace(run, history=[validation(1, 50.0, best=True), validation(2, 40.0, best=True)])
    over = replace(run, history=[*on.history, validation(3, 41.0)])
    command = f"prioria train --resume {run.path} --epochs +200"
    assert command in said(standing(on, None, None))["best epoch is the last one"]
    assert standing(over, None, None) == []
    worse = said(standing(on, None, beside(run, -31.0)))["below a classical model"]
    assert "31.00 ± 0.02 nats worse than the baseline (full Gaussian)" in worse and command in worse
    assert "below a classical model" not in said(standing(on, None, beside(run, 3.0)))


@pytest.mark.parametrize("loss", [60.0, None])
def test_a_diverged_bound_is_named(run: Run, loss: float | None) -> None:
    history = [validation(1, 50.0), validation(2, 40.0, best=True), validation(3, loss)]
    assert "The ELBO diverged" in said(standing(replace(run, history=history), None, None))["the ELBO diverged"]


def test_rows_and_latents_are_counted(run: Run) -> None:
    rows = len(run.data.train)
    found = said(standing(replace(run, history=[]), units(3, rows), None))
    assert f"{rows:,} training rows for {rows} latents" in found["few rows"]
    assert f"3 of {rows} latents carry the information" in found["informative latents"]
    assert standing(replace(run, history=[]), units(3, 3), None) == []


@pytest.mark.slow
def test_pages_and_commands_show_baselines(folder: Path) -> None:
    call("evaluate", folder / "vamp", "--num-samples", 5, "--limit", 30)
    kept = read(folder / "vamp").baselines
    assert kept is not None and kept.verdict.partition(" nats ")[2].startswith("worse than the best baseline")
    page = report(folder / "vamp", folder / "page.html").read_text()
    found = write_diagnosis(Run.load(folder / "vamp"), folder / "diagnosis.html")
    for text in (page, (folder / "diagnosis.html").read_text(), str(found)):
        assert kept.verdict in text
    for text in (page, (folder / "diagnosis.html").read_text()):
        for each in kept.models:
            assert each.name in text and each.estimate.number in text and str(each.difference) in text
    assert "best epoch is the last one" in str(found) and "--epochs +200" in page
    assert "bits per dimension" in page
    table = compare([folder / "vamp", folder / "standard"]).baselines
    assert [cell.text for cell in table["beside baselines"]] == [kept.verdict, ""]
