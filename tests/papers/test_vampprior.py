"""The VampPrior table: every row builds at the size of the paper, and one command runs a row to its page."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from prioria.cli import main
from prioria.data import load
from prioria.data.base import evenly
from prioria.papers import TABLES
from prioria.papers.cell import trained
from prioria.papers.claims import claims_of
from prioria.papers.likelihood_page import paired
from prioria.papers.table import Cell
from prioria.storage import write_json
from prioria.train import Run

TABLE = TABLES["vampprior"]
ROWS = {row.name: row for row in TABLE.rows}


def parameters_of_the_paper(name: str) -> int:
    """Weights and biases of the paper's networks, counted by hand: a gated layer has two halves."""

    def gated(inputs: int, outputs: int) -> int:
        return 2 * outputs * (inputs + 1)

    def dense(inputs: int, outputs: int) -> int:
        return outputs * (inputs + 1)

    x, h, z = 784, 300, 40
    encoder = gated(x, h) + gated(h, h) + dense(h, 2 * z)
    few = {f"vamp-{components}": components * x for components in (1, 10, 100)}
    priors = {"standard": 0, "mixture": 500 * 2 * z, "vamp-data": 500 * x, "vamp": 500 * x, "exemplar": 1} | few
    prior = priors[name.split("-", 1)[1]]
    if name.startswith("vae"):
        return encoder + prior + gated(z, h) + gated(h, h) + dense(h, x)
    q_z1 = gated(x, h) + gated(z, h) + gated(2 * h, h) + dense(h, 2 * z)
    p_z1 = gated(z, h) + gated(h, h) + dense(h, 2 * z)
    return encoder + prior + q_z1 + p_z1 + 2 * gated(z, h) + gated(2 * h, h) + dense(h, x)


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, row in ROWS.items()
        if name.startswith(("vae", "hvae")) and name != "vae-hierarchical" and row.build
    ],
)
def test_networks_have_the_size_of_the_paper(name: str) -> None:
    row = ROWS[name]
    assert row.build is not None
    model = row.build(load("mnist-static"))
    assert sum(p.numel() for p in model.parameters()) == parameters_of_the_paper(name)
    assert model.draw(torch.zeros(2, 784)).log_w.shape == (1, 2)


def test_every_published_cell_has_a_row_and_every_row_a_reason_or_a_model() -> None:
    names = {row.name for row in TABLE.rows}
    assert {row for cells in TABLE.published.cells.values() for row in cells} <= names
    assert all((row.build is None and row.fit is None) == bool(row.absent) for row in TABLE.rows)
    assert set(TABLE.published.cells) <= set(TABLE.data)
    assert TABLE.published.cells["mnist-static"]["vae-standard"] == -88.56
    assert TABLE.published.cells["mnist-static"]["vae-vamp"] == -85.57
    assert TABLE.published.cells["mnist"]["hvae-vamp-data"] == -81.71  # of table 3
    assert TABLE.published.source.endswith("tables 1 to 3")


@pytest.mark.data
def test_smoke_budget_runs_a_row_to_its_page_and_does_not_run_it_again(tmp_path: Path) -> None:
    command = ["reproduce", "vampprior", "--data", "mnist-static", "--rows", "vae-vamp", "--budget", "smoke"]
    command += ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "results")]
    for _ in range(2):
        with pytest.raises(SystemExit) as end:
            main(command)
        assert end.value.code in (0, None)
        results = list((tmp_path / "runs").rglob("result.json"))
        assert len(results) == 1
        changed = results[0].stat().st_mtime_ns
    assert results[0].stat().st_mtime_ns == changed
    assert json.loads(results[0].read_text())["log_likelihood"]["num_samples"] == 10
    kept = json.loads(next((tmp_path / "results").rglob("smoke-seed-0.json")).read_text())
    assert len(kept["curve"]["loss"]) == kept["epochs_run"] == 1
    line = next(line for line in (tmp_path / "results" / "vampprior.md").read_text().splitlines() if "(smoke)" in line)
    assert "-85.57" in line and "one level, VampPrior" in line


@pytest.mark.slow
@pytest.mark.data
def test_the_reference_row_is_the_standard_run_under_the_mixture_of_all_its_posteriors(tmp_path: Path) -> None:
    reference, standard = (
        Cell(TABLE, ROWS[name], "mnist-static", 0, "smoke", tmp_path, tmp_path)
        for name in ("vae-aggregate", "vae-standard")
    )
    found, source = trained(reference).model, Run.load(standard.folder, data=reference.dataset)
    rows, z = source.data.train.tensor(), torch.randn(3, 40)
    with torch.no_grad():
        q = source.model.stages["z"].q(source.model.encoder["x"](rows))
        by_hand = torch.stack([q.log_prob(each).logsumexp(0) - math.log(len(rows)) for each in z])
        ours = found.stages["z"].prior(None).log_prob(z)
    assert len(rows) == 16
    torch.testing.assert_close(ours, by_hand)
    assert trained(reference).path == reference.folder  # not made again: refit_prior refuses a folder that holds a run


def result(seed: int, value: float) -> dict:
    return {
        "row": "vae-vamp",
        "data": "mnist-static",
        "seed": seed,
        "log_likelihood": {"value": value, "standard_error": 0.5, "num_samples": 5000, "ess": 14.2, "converged": False},
        "elbo": {"value": value - 2},
        "active_units": {"counts": {"z": 20}},
        "split": "test, 10,000 examples",
        "budget": {"name": "cpu"},
        "epochs_run": 9,
        "parameters": 7,
        "seconds": {"training": 10, "evaluation": 20},
        "version": {"prioria": "0", "torch": "0"},
        "curve": {"loss": [90.0, 88.0], "distortion": [70.0, 66.0], "rate": [20.0, 22.0]},
    }


def test_a_page_averages_seeds_and_names_what_was_not_run_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "vampprior" / "mnist-static" / "vae-vamp"
    folder.mkdir(parents=True)
    for seed, value in enumerate((-86.0, -85.0, -87.0)):
        (folder / f"cpu-seed-{seed}.json").write_text(json.dumps(result(seed, value)))
    lines = TABLE.page(TABLE, tmp_path, []).write(tmp_path, "vampprior").read_text().splitlines()
    (ours,) = (line for line in lines if "one level, VampPrior (cpu)" in line)
    assert ours.endswith(f"| -86.00 ± {1 / math.sqrt(3):.2f} | -85.57 | -0.43 | yes | 9 / up to 2,000 |")
    assert "<br>samples: 5,000 (median ESS 14, not converged: heavy-tailed weights, a lower bound)<br>" in ours
    (absent,) = (line for line in lines if line.startswith("Not run"))
    assert "two levels, VampPrior (-83.19)" in absent and "one level, VampPrior (-82.38, Exemplar VAE -82.43)" in absent
    assert all((tmp_path / f"vampprior-{name}.png").read_bytes()[:4] == b"\x89PNG" for name in ("numbers", "curves"))
    page = (tmp_path / "vampprior.html").read_text()
    assert "-86.00 ± 0.58" in page and page.count("<tr>") == 2 + len(claims_of("vampprior")) + 1


def test_a_number_is_reached_within_two_standard_errors(tmp_path: Path) -> None:
    """Over seeds the error is that of the mean, of one seed that over examples."""
    for error, says in ((0.5, "no"), (0.8, "yes")):
        found = result(0, -87.0)
        found["log_likelihood"]["standard_error"] = error
        write_json(tmp_path / "vampprior/mnist-static/vae-vamp/cpu-seed-0.json", found)
        ours = TABLE.page(TABLE, tmp_path, []).listings[0]
        assert dict(zip(ours.columns, ours.entries[0].cells, strict=True))["reached"] == says


def test_a_page_says_of_every_seed_what_it_says_of_one(tmp_path: Path) -> None:
    """The first seed alone has converged, with other code and other active units than the others."""
    seeds = [result(seed, -86.0) for seed in range(3)]
    seeds[0]["log_likelihood"] |= {"ess": 900.0, "converged": True}
    seeds[0]["version"] = {"prioria": "1"}
    for seed, units in enumerate((20, 22, 24)):
        seeds[seed]["active_units"] = {"counts": {"z": units}}
        write_json(tmp_path / "vampprior/mnist-static/vae-vamp" / f"cpu-seed-{seed}.json", seeds[seed])
    (entry,) = TABLE.page(TABLE, tmp_path, []).listings[0].entries
    ours = entry.details
    unsure = "not converged with 2 of 3 seeds: heavy-tailed weights, a lower bound"
    assert ours["samples"] == f"5,000 (median ESS 14 to 900, {unsure})"
    assert ours["version"] == "prioria 1; prioria 0, torch 0"
    assert ours["active units"] == f"z: 22.0 ± {2 / math.sqrt(3):.1f}"


@pytest.mark.parametrize("rows", [1000, 1003])
def test_evaluations_of_fewer_examples_are_paired_with_those_of_more(rows: int) -> None:
    hard = torch.linspace(0.0, 100.0, rows, dtype=torch.float64)  # what both models find hard
    gain = torch.cos(torch.arange(rows, dtype=torch.float64))
    few, many = evenly(rows, 50), evenly(rows, 250)
    for one, other, sign in ((hard + gain, hard, 1), (hard, hard + gain, -1)):
        for first, second in ((few, many), (many, few), (few, few)):
            found = paired(one[first], other[second])
            assert found is not None and found.examples == 50
            assert found.value == pytest.approx(sign * gain[few].mean().item(), abs=1e-12)
    assert paired(hard[evenly(rows, 7)], hard[many]) is None
