"""The dpVAE table: every row builds at the paper's sizes, a pair runs to its page, and pairs are judged as stated."""

from __future__ import annotations

import json
import math

import pytest
import torch

from prioria.cli import main
from prioria.data import Dataset, Protocol, Split, load
from prioria.objectives import Capacity
from prioria.recipes import TABLES
from prioria.recipes.dpvae import BUDGETS, REGULARISERS
from prioria.recipes.pairs import off_the_moons
from prioria.recipes.pairs_page import verdict

TABLE = TABLES["dpvae"]
CELLS = TABLE.published.cells


def made(shape: tuple[int, ...]) -> Dataset:
    protocol = Protocol(
        name="made",
        title="Made up",
        shape=shape,
        kind="grey",
        binarisation="none",
        likelihoods=("Gaussian",),
        split="all rows in each part",
        source="drawn in a test",
    )
    split = Split(torch.rand(40, math.prod(shape)), None, protocol)
    return Dataset(protocol, split, split, split)


@pytest.mark.parametrize("shape", [(2,), (1, 28, 28), (3, 32, 32), (3, 64, 64)])
@pytest.mark.parametrize("row", [row.name for row in TABLE.rows])
def test_every_row_builds_and_takes_a_step_on_every_kind_of_data(row: str, shape: tuple[int, ...]) -> None:
    data = made(shape)
    chosen = TABLE.select([row])[0]
    assert chosen.build is not None and chosen.objective is not None
    model, objective = chosen.build(data), chosen.objective(data, BUDGETS["smoke"])
    objective.check(model, data.train)
    objective(model.draw(data.train.tensor(4))).surrogate.backward()
    assert model.stages["z"].p().event_shape == ((64,) if shape[0] == 3 else (2,))
    assert type(model.stages["z"].p).__name__ == ("RealNVP" if row.endswith("-dp") else "StandardNormal")


def test_both_members_of_a_pair_share_one_column_of_weights() -> None:
    data = made((2,))
    for name, regulariser in REGULARISERS.items():
        baseline, decoupled = TABLE.select([name, f"{name}-dp"])
        assert baseline.build is not None and decoupled.build is not None
        scales = {
            each.build(data).likelihood(torch.zeros(1, 2)).base_dist.scale.unique().item()
            for each in (baseline, decoupled)
        }
        assert len(scales) == 1 and scales.pop() == pytest.approx(1 / math.sqrt(2 * regulariser.weight))
        assert baseline.objective is not None and decoupled.objective is not None
        both = [vars(each.objective(data, BUDGETS["short"]))["_arguments"] for each in (baseline, decoupled)]
        assert str(both[0].keys()) == str(both[1].keys())
    assert isinstance(TABLE.select(["beta-b"])[0].objective(data, BUDGETS["cpu"]), Capacity)  # pyright: ignore


def test_squared_errors_are_weighed_as_in_the_public_code() -> None:
    model = TABLE.select(["info"])[0].build(made((2,)))  # pyright: ignore[reportOptionalCall]
    x, z = torch.randn(5, 2), torch.randn(5, 2)
    px = model.decode(z)
    differences = -px.log_prob(x) - 10 * (x - px.mean).square().sum(-1)
    torch.testing.assert_close(differences, differences.mean().expand_as(differences))  # a constant


def test_published_cells_are_pairs_of_known_rows() -> None:
    rows = {row.name for row in TABLE.rows}
    for cells in CELLS.values():
        assert set(cells) <= rows and len(cells) == 12 and all(len(values) == 4 for values in cells.values())
        for name in cells:
            if not name.endswith("-dp"):  # the robust claim of the paper
                assert all(cells[f"{name}-dp"][k] < cells[name][k] for k in range(3))
    assert CELLS["mnist-grey"]["factor-dp"] == [120.8, 121.3, 0.85, 3.6]


def test_distance_from_the_moons() -> None:
    angle = torch.linspace(0, math.pi, 50)
    upper = torch.stack([angle.cos(), angle.sin()], 1)
    assert off_the_moons(torch.cat([upper, torch.tensor([1.0, 0.5]) - upper])) == pytest.approx(0.0, abs=1e-6)
    assert off_the_moons(1.25 * upper[10:40]) == pytest.approx(0.25, abs=0.05)
    data = load("two-moons")
    assert off_the_moons(data.train.tensor()) == pytest.approx(0.05, abs=0.01)  # the noise of the data


def result(seed: int, value: float, rate: float = 2.0) -> dict:
    return {"seed": seed, "rate": rate, "skl": {"value": value}}


def test_verdicts() -> None:
    baseline = [result(s, v) for s, v in enumerate((3.0, 4.0, 5.0))]
    assert verdict(baseline, [result(s, v) for s, v in enumerate((2.0, 3.1, 3.9))], "sKL") == (
        pytest.approx(-1.0),
        pytest.approx(0.1),
        "drop",
    )
    assert verdict(baseline, [result(s, v) for s, v in enumerate((1.0, 6.0, 5.0))], "sKL")[2] == "within the spread"  # pyright: ignore
    assert verdict(baseline, [result(s, v + 1) for s, v in enumerate((3.0, 4.1, 5.1))], "sKL")[2] == "rise"  # pyright: ignore
    collapsed = [result(0, 3.0, rate=0.01)]
    assert verdict(collapsed, [result(0, 1.0)], "sKL") == (-2.0, None, "collapsed baseline")
    assert verdict(baseline, [result(7, 1.0)], "sKL") is None


def test_a_pair_runs_to_its_page_and_is_not_run_again(tmp_path, capsys) -> None:
    command = ["reproduce", "dpvae", "--data", "two-moons", "--rows", "vae,vae-dp", "--budget", "smoke"]
    command += ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "results")]
    for _ in range(2):
        with pytest.raises(SystemExit, match="0"):
            main(command)
    assert "Page:" in capsys.readouterr().out
    stored = json.loads((tmp_path / "results/dpvae/two-moons/vae-dp/smoke-seed-0.json").read_text())
    assert {"skl", "skl_nearest", "skl_nearest_generation", "leakage", "overlap", "lines", "quadrature"} <= set(stored)
    assert stored["images"]["low_posterior"]["fraction"] == 0.2 and stored["skl_nearest"]["num_samples"] == 20
    page = (tmp_path / "results/dpvae.md").read_text()
    assert "dpvae-two-moons-samples.png" in page and "137.4, 165, 1.26, 3.56" in page
    assert "collapsed baseline" in page  # after four steps the rate is nothing
    assert (tmp_path / "results/dpvae-two-moons-lines-VAE.png").exists()
    assert "not run" in (tmp_path / "results/dpvae.html").read_text()
