"""The VHP table: rows that train, one command to its page, and counts of auxiliary samples that are honoured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from prioria import priors
from prioria.cli import main
from prioria.data import load
from prioria.papers import TABLES
from prioria.train import Run

TABLE = TABLES["vhp"]
ROWS = {row.name: row for row in TABLE.rows}


def test_published_cells_are_those_of_the_poster() -> None:
    assert {row for cells in TABLE.published.cells.values() for row in cells} == set(ROWS) - {"vhp-double-loop"}
    assert set(TABLE.published.cells) == set(TABLE.data) - {"omniglot28"}  # nothing stands beside the derived set
    static = [TABLE.published.cells["mnist-static"].get(name) for name in ROWS]
    assert static == [-82.74, None, -96.32, -84.02, -84.46, -82.83]


@pytest.mark.data
@pytest.mark.parametrize("name", ROWS)
def test_every_row_can_be_trained_and_changes_what_it_says_it_changes(name: str) -> None:
    data, row = load("mnist-static"), ROWS[name]
    assert row.build is not None and row.objective is not None
    model, objective = row.build(data), row.objective(data, TABLE.budgets["smoke"])
    objective.check(model, data.train)
    x = data.train.batch(torch.arange(3))
    assert objective(model.draw(x, objective.num_samples)).value.isfinite()
    prior = model.stages["z"].p
    counted = {name: other for name, other in row.also.items() if "auxiliary" in name}
    for described, change in counted.items():
        other = change(Run(model, data, [])).stages["z"].p
        assert isinstance(prior, priors.Hierarchical) and isinstance(other, priors.Hierarchical)
        assert described.startswith(f"{other.num_samples} auxiliary")
        assert {prior.num_samples, other.num_samples} == {1, 16}


@pytest.mark.data
def test_smoke_budget_reports_both_counts_of_auxiliary_samples(tmp_path: Path) -> None:
    command = ["reproduce", "vhp", "--data", "mnist-static", "--rows", "vhp-rewo", "--budget", "smoke"]
    with pytest.warns(UserWarning, match="main phase"), pytest.raises(SystemExit) as end:
        main([*command, "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "results")])
    assert end.value.code in (0, None)
    kept = json.loads(next((tmp_path / "results").rglob("smoke-seed-0.json")).read_text())
    (other,) = kept["also"].values()
    assert other["num_samples"] == 10 and other["value"] != kept["log_likelihood"]["value"]
    page = (tmp_path / "results" / "vhp.md").read_text().splitlines()
    line = next(line for line in page if "(smoke)" in line)
    assert "1 auxiliary sample for each z: -" in line and "-82.74" in line
