"""The dSprites study: one set of weights for a pair, intervals by Student's t, and the margin stated beforehand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from prioria.cli import main
from prioria.data import Dataset, Protocol, Split
from prioria.papers import TABLES
from prioria.papers.disentanglement import MARGIN, interval, page, verdict
from prioria.storage import read_json, write_json

TABLE = TABLES["disentanglement"]


def test_members_of_a_pair_differ_in_the_prior_alone() -> None:
    protocol = Protocol(
        name="made",
        title="Made up",
        shape=(1, 64, 64),
        kind="binary",
        binarization="static",
        likelihoods=("Bernoulli",),
        split="all rows in each part",
        source="drawn in a test",
    )
    split = Split(torch.rand(8, 64 * 64).round(), None, protocol)
    data, budget = Dataset(protocol, split, split, split), TABLE.budgets["smoke"]
    for baseline, decoupled in (TABLE.rows[:2], TABLE.rows[2:]):
        models, objectives = [], []
        for row in (baseline, decoupled):
            assert row.build is not None and row.objective is not None
            models.append(row.build(data))
            objectives.append(row.objective(data, budget))
            objectives[-1].check(models[-1], data.train)
            objectives[-1](models[-1].draw(data.train.tensor(4))).surrogate.backward()
        weights = [{name: getattr(each, name) for name in ("alpha", "beta", "gamma")} for each in objectives]
        assert weights[0] == weights[1] and type(objectives[0].tc) is type(objectives[1].tc)
        assert [type(model.stages["z"].p).__name__ for model in models] == ["StandardNormal", "RealNVP"]
        assert str(models[0].encoder) == str(models[1].encoder)


def test_interval_is_students() -> None:
    # t with two degrees of freedom has the closed quantile (2p - 1) / sqrt(2 p (1 - p)).
    quantile = 0.95 / math.sqrt(2 * 0.975 * 0.025)
    assert interval([0.0, 0.1, 0.2]) == pytest.approx(
        (0.1, *(0.1 + sign * quantile * 0.1 / 3**0.5 for sign in (-1, 1)))
    )
    assert interval([0.3]) == (0.3, -math.inf, math.inf)


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [(-0.04, 0.2, "not harmed"), (-0.2, -0.06, "harmed"), (-0.2, 0.1, "undecided"), (-0.2, -0.04, "undecided")],
)
def test_harm_is_a_loss_beyond_the_margin(low: float, high: float, says: str) -> None:
    assert MARGIN == 0.05 and verdict(low, high) == says
    assert verdict(-math.inf, math.inf) == "undecided"  # one seed


def result(seed: int, mig: float) -> dict:
    dci = dict.fromkeys(("disentanglement", "completeness", "informativeness"), 0.5)
    scores = {"mig": mig, "factor_vae": 0.7, "sap": 0.05, "dci": dci}
    return {"seed": seed, "scores": scores, "rate": 20.0, "distortion": 30.0, "budget": {"name": "cpu"}}


def test_page_shows_paired_differences_with_their_interval(tmp_path: Path) -> None:
    for seed, change in enumerate((0.01, 0.02, 0.03)):
        for row, mig in (("factor", 0.1 * seed), ("factor-dp", 0.1 * seed + change)):
            origin = {"data": "dsprites-grid", "row": row}
            write_json(tmp_path / f"disentanglement/dsprites-grid/{row}/{seed}.json", result(seed, mig) | origin)
    made = page(TABLE, tmp_path, [])
    pairs, cells, absent = made.listings[:3]
    assert [entry.cells[:2] for entry in pairs.entries] == [
        ["FactorVAE (cpu, dsprites-grid)", "+0.020 [-0.005, +0.045]: not harmed"]
    ]
    entry = next(entry for entry in cells.entries if entry.cells[0] == "FactorVAE, decoupled prior (cpu)")
    assert entry.cells[1] == "0.120 ± 0.064" and entry.details["seeds"] == "0, 1, 2"  # deviation 0.11, root of three
    assert "standard error: over seeds" in made.lead[0]
    assert absent.absent.startswith("Not run") and "beta-TCVAE" in absent.absent
    assert "`cpu`: 20,000 steps, to the end of their epoch, batch 64." in made.notes
    assert not any("importance samples" in note for note in made.notes)  # no number here comes from any


@pytest.mark.slow
@pytest.mark.data
def test_smoke_budget_runs_to_its_page(tmp_path: Path) -> None:
    command = ["reproduce", "disentanglement", "--budget", "smoke", "--rows", "beta-tc,beta-tc-dp"]
    with pytest.raises(SystemExit) as end:
        main([*command, "--runs", str(tmp_path / "runs"), "--out", str(tmp_path)])
    assert not end.value.code
    stored = read_json(tmp_path / "disentanglement/dsprites-grid/beta-tc-dp/smoke-seed-0.json")
    assert stored["scores"]["factors"] == ["shape", "scale", "orientation", "x", "y"]
    assert "one seed: undecided" in (tmp_path / "disentanglement.md").read_text()
