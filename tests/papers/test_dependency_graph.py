"""The dependency-graph table: networks of the report's size, both phases to a page, the graph of a run as a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from prioria import VAE, likelihoods, nets, stages
from prioria.cli import main
from prioria.data import Dataset, load
from prioria.objectives import ELBO
from prioria.papers import TABLES
from prioria.papers.exponential_family import MEANS, REFERENCE, CodeTable, gaussian_mixture, population, two_bit_model
from prioria.train import fit_dependency_graph

TABLE = TABLES["dependency-graph"]


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def test_every_published_cell_has_a_row() -> None:
    names = {row.name for row in TABLE.rows}
    assert {row for cells in TABLE.published.cells.values() for row in cells} <= names
    assert TABLE.published.cells["mnist-thresholded"] == {"vae-iaf": -95.3, "graph": -73.7, "graph-iaf": -71.87}
    assert "of a learned graph are those of its second phase" in " ".join(TABLE.published.notes)


@pytest.mark.parametrize("row", TABLE.rows, ids=lambda row: row.name)
def test_rows_build_with_eighty_latents_and_graphs_at_equal_size(row, digits) -> None:
    assert row.build is not None and row.objective is not None
    model = row.build(digits)
    draw = model.draw(digits.train.tensor(4))
    assert sum(z.shape[-1] for z in draw.z.values()) == 80
    row.objective(digits, TABLE.budgets["cpu"]).check(model, digits.train)
    if row.name in ("graph", "graph-closed-form", "independent", "chain", "full"):
        expected = sum(p.numel() for p in TABLE.rows[1].build(digits).parameters())
        assert sum(p.numel() for p in model.parameters()) == expected


def run(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert not end.value.code


@pytest.mark.slow
@pytest.mark.data
def test_both_phases_run_to_the_page(tmp_path: Path) -> None:
    command = ["reproduce", "dependency-graph", "--data", "mnist-thresholded", "--rows", "graph-iaf"]
    command += ["--budget", "smoke", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "results")]
    run(command)
    (stored,) = (tmp_path / "results" / "dependency-graph").rglob("*.json")
    result = json.loads(stored.read_text())
    assert len(result["edges"]) == 10 and all(0 < mu < 1 for mu in result["edges"].values())
    assert set(result["edge_costs"]) == {edge for edge, mu in result["edges"].items() if mu > 0.5}
    assert (stored.with_suffix("") / "graph.png").stat().st_size > 1000
    written = (tmp_path / "results" / "dependency-graph.md").read_text()
    assert all(f"{edge}: probability {mu:.3f}, kept by" in written for edge, mu in result["edges"].items())
    assert result["log_likelihood"]["num_samples"] == 10


def test_the_command_draws_the_graph_of_a_run_and_prices_its_edges(tmp_path: Path, capsys) -> None:
    def build(edges) -> VAE:
        return VAE(
            encoder=nets.MLP(64, 8, activate_output=True),
            stages=stages.DependencyGraph(nodes=3, latents=2, features=8, hidden=8, edges=edges),
            likelihood=likelihoods.Bernoulli(nets.MLP(6, 64)),
        )

    options = {"learning_rate": 1e-2, "progress": False}
    fit_dependency_graph(build, ELBO, "digits", epochs=(2, 1), out=tmp_path, options=options)
    learned = json.loads((tmp_path / "structure.json").read_text())
    run(["graph", str(tmp_path), "--limit", "5", "--num-samples", "2"])
    printed = capsys.readouterr().out
    assert all(f"{edge}  {mu:.3f}" in printed for edge, mu in learned.items())
    assert printed.count("costs") == sum(mu > 0.5 for mu in learned.values())
    assert (tmp_path / "graph.png").stat().st_size > 1000
    run(["graph", str(tmp_path / "structure"), "--out", str(tmp_path / "learned.svg")])
    assert "costs" not in capsys.readouterr().out  # gates that are still random have no price
    assert (tmp_path / "learned.svg").exists()


def test_rectangles_alone_have_no_defect() -> None:
    assert CodeTable([(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)]).defect == 0
    assert CodeTable([(1.0, 1.0), (1.0, -1.0), (0.0, 1.5), (0.0, -0.5)]).defect > 0.1  # a parallelogram
    assert CodeTable(MEANS).defect > 1


def test_population_figures_of_the_true_means() -> None:
    model, table = two_bit_model()
    found = population(model, table)
    assert found.log_likelihood == pytest.approx(REFERENCE["log p(x), true means"], abs=1e-6)
    assert found.elbo < REFERENCE["bound, true means"]  # no factorized posterior does better


@pytest.mark.slow
def test_the_bound_gives_up_likelihood_for_a_rectangle() -> None:
    """A tenth of the steps at ten times the rates: the figures of the full experiment are in results/."""
    torch.manual_seed(0)
    found = gaussian_mixture(pretraining=600, joint=600, learning_rates=(4e-3, 2e-3))
    best = REFERENCE["bound, true means"]
    assert best - 0.01 < found.start.elbo < best
    assert found.joint.elbo > best + 0.03 and found.joint.log_likelihood < found.start.log_likelihood - 0.002
    assert found.joint.kl < 0.5 * found.start.kl
    assert found.joint.defect < 0.7 * found.start.defect
    assert found.maximum_likelihood.log_likelihood > found.joint.log_likelihood
    assert found.maximum_likelihood.defect > found.joint.defect
