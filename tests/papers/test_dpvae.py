"""The dpVAE table: every row builds at the paper's sizes, a pair runs to its page, and pairs are judged as stated."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import linalg

from prioria import evaluate
from prioria.cli import main
from prioria.data import Dataset, Protocol, Split, load
from prioria.objectives import Capacity
from prioria.papers import TABLES, Cell, compute
from prioria.papers.changes import change, false_alarm, metric, reading
from prioria.papers.dpvae import BUDGETS, REGULARIZERS
from prioria.papers.pairs_page import page
from prioria.papers.points import drawn_anew, off_the_moons
from prioria.papers.table import shortened
from prioria.storage import write_json
from prioria.train import Run

TABLE = TABLES["dpvae"]
CELLS = TABLE.published.cells
pytestmark = pytest.mark.filterwarnings("ignore:gamma=15.0 > beta=4.0:UserWarning")  # as published; the notes say so


def made(shape: tuple[int, ...]) -> Dataset:
    protocol = Protocol(
        name="made",
        title="Made up",
        shape=shape,
        kind="grey",
        binarization="none",
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
    data = made((1, 28, 28))
    for name, regularizer in REGULARIZERS.items():
        baseline, decoupled = TABLE.select([name, f"{name}-dp"])
        assert baseline.build is not None and decoupled.build is not None
        scales = {
            each.build(data).likelihood(torch.zeros(1, 2)).base_dist.scale.unique().item()
            for each in (baseline, decoupled)
        }
        assert len(scales) == 1 and scales.pop() == pytest.approx(1 / math.sqrt(2 * regularizer.weight))
        assert baseline.objective is not None and decoupled.objective is not None
        both = [vars(each.objective(data, BUDGETS["short"]))["_arguments"] for each in (baseline, decoupled)]
        assert str(both[0].keys()) == str(both[1].keys())
    assert isinstance(TABLE.select(["beta-b"])[0].objective(data, BUDGETS["cpu"]), Capacity)  # pyright: ignore


@pytest.mark.parametrize(("shape", "weight"), [((1, 28, 28), 10), ((2,), 100)])
def test_squared_errors_are_weighed_as_in_the_public_code_and_ten_times_so_for_points(shape, weight: int) -> None:
    data = made(shape)
    model = TABLE.select(["info"])[0].build(data)  # pyright: ignore[reportOptionalCall]
    x, z = torch.randn(5, data.dimensions), torch.randn(5, 2)
    px = model.decode(z)
    expected = weight * (x - px.mean).square().sum(-1) + data.dimensions / 2 * math.log(math.pi / weight)
    torch.testing.assert_close(-px.log_prob(x), expected)


def test_published_cells_are_pairs_of_known_rows() -> None:
    rows = {row.name for row in TABLE.rows}
    for cells in CELLS.values():
        assert set(cells) <= rows and len(cells) == 12 and all(len(values) == 4 for values in cells.values())
        for name in cells:
            if not name.endswith("-dp"):  # the robust claim of the paper
                assert all(cells[f"{name}-dp"][k] < cells[name][k] for k in range(3))
    assert CELLS["mnist-grey"]["factor-dp"] == [120.8, 121.3, 0.85, 3.6]
    notes = " ".join(TABLE.published.notes)
    assert "The NLL column cannot be reproduced" in notes and "FID cannot be compared in value" in notes
    assert {row.training["learning_rate"] for row in TABLE.rows} == {1e-3}
    assert "Our learning rate is 1e-3 in every row, theirs 1e-4 in most" in notes


def test_distance_from_the_moons() -> None:
    angle = torch.linspace(0, math.pi, 50)
    upper = torch.stack([angle.cos(), angle.sin()], 1)
    assert off_the_moons(torch.cat([upper, torch.tensor([1.0, 0.5]) - upper])) == pytest.approx(0.0, abs=1e-6)
    assert off_the_moons(1.25 * upper[10:40]) == pytest.approx(0.25, abs=0.05)
    first, second = drawn_anew(2000)
    assert off_the_moons(first) == pytest.approx(0.05, abs=0.01) and not torch.equal(first, second)
    data = load("two-moons")
    assert off_the_moons(data.train.tensor()) == pytest.approx(0.05, abs=0.01)  # the noise of the data


def result(seed: int, value: float, rate: float = 2.0) -> dict:
    return {"seed": seed, "rate": rate, "skl": {"value": value}}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((2.0, 3.1, 3.9), "-1 ± 0.1: drop"),
        ((1.0, 6.0, 5.0), "+0 ± 2: within the spread"),
        ((4.0, 5.1, 6.1), "+1.07 ± 0.058: rise"),
        ((2.0,), "-1: one seed"),
    ],
)
def test_a_difference_says_what_is_beyond_its_spread(values: tuple[float, ...], words: str) -> None:
    baseline = [result(seed, value) for seed, value in enumerate((3.0, 4.0, 5.0))]
    assert str(change(baseline, [result(seed, value) for seed, value in enumerate(values)], "sKL")) == words


def test_nothing_is_said_of_collapsed_baselines_and_of_seeds_that_only_one_member_has() -> None:
    assert str(change([result(0, 3.0, rate=0.01)], [result(0, 1.0)], "sKL")) == "collapsed baseline"
    assert change([result(0, 3.0)], [result(7, 1.0)], "sKL") is None


def with_fid(seed: int, fid: float, aggregate: float, to_q: float = 3.0, low: float = 9.0, rate: float = 2.0) -> dict:
    values = {"samples": fid, "aggregate": aggregate, "prior": to_q, "low_posterior": low}
    found = {name: {"value": each, "extractor": "made up", "counts": [20, 20]} for name, each in values.items()}
    return {"seed": seed, "rate": rate, "images": {"fid": found}}


def test_what_is_derived_from_distances() -> None:
    found = with_fid(0, 8.0, 5.0, to_q=math.nan, low=12.0)
    assert metric(found, "FID(LP)/FID") == 1.5 and metric(found, "FID(q)") == 5.0
    assert metric(found, "KID") is None and metric(result(0, 1.0), "FID(LP)/FID") is None
    assert change([found], [found], "FID to q") is None  # nothing is made of what is no number


@pytest.mark.parametrize(
    ("fid", "aggregate", "to_q", "rate", "words"),
    [
        (6.0, 5.0, 1.0, 2.0, "falls: samples come nearer to what encodings decode to"),
        (6.0, 2.9, 3.0, 2.0, "falls: decoded encodings come nearer to the data"),
        (
            8.5,
            8.0,
            2.0,
            2.0,
            "rises: samples come nearer to what encodings decode to, decoded encodings move away",
        ),
        (8.5, 5.0, 3.5, 2.0, "rises: samples move away from what encodings decode to"),
        (8.5, 5.0, 3.0, 2.0, "rises: neither part moves beyond its spread"),
        (6.0, 5.1, 1.0, 0.05, "not compared"),
    ],
)
def test_the_part_of_the_fid_that_moved_is_named(fid, aggregate, to_q, rate, words: str) -> None:
    baseline = [with_fid(seed, 8.0, 5.0, rate=rate) for seed in range(2)]
    assert reading(baseline, [with_fid(seed, fid, aggregate, to_q) for seed in range(2)]).startswith(words)
    assert reading([result(0, 3.0)], [result(0, 1.0)]) == ""  # no images


def test_a_part_that_moves_within_its_spread_is_not_named() -> None:
    baseline = [with_fid(seed, 8.0, 5.0, to_q) for seed, to_q in enumerate((3.0, 9.0))]
    decoupled = [with_fid(seed, 6.0, 5.0, to_q) for seed, to_q in enumerate((1.0, 9.5))]
    assert str(change(baseline, decoupled, "FID to q")) == "-0.75 ± 1.8: within the spread"
    assert reading(baseline, decoupled) == "falls: neither part moves beyond its spread"


def test_one_seed_is_read_with_caution() -> None:
    said = reading([with_fid(0, 8.0, 5.0)], [with_fid(0, 6.0, 5.0, to_q=2.0)])
    assert said == "one seed: falls: samples come nearer to what encodings decode to"


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_how_often_nothing_is_called_a_change_is_as_stated(seeds: int) -> None:
    """20,000 draws: four standard errors are below 0.014, a false alarm of 1 in 16,000."""
    draws = torch.randn(20_000, seeds, generator=torch.Generator().manual_seed(0))
    share = (draws.mean(1).abs() > draws.std(1)).double().mean().item()
    assert share == pytest.approx(false_alarm(seeds), abs=0.014)


def test_seeds_whose_baseline_collapsed_are_left_out_and_counted() -> None:
    baseline = [with_fid(0, 8.0, 5.0, rate=0.05), with_fid(1, 8.0, 5.0), with_fid(2, 8.5, 5.0)]
    decoupled = [with_fid(seed, fid, 5.0, to_q=2.0) for seed, fid in enumerate((1.0, 7.0, 7.0))]
    assert str(change(baseline, decoupled, "FID")) == "-1.25 ± 0.35: drop, 1 of 3 baselines collapsed"
    assert (
        reading(baseline, decoupled)
        == "1 of 3 baselines collapsed: falls: samples come nearer to what encodings decode to"
    )


def written(folder: Path, row: str, found: dict) -> None:
    origin = {"row": row, "data": "mnist-grey", "budget": {"name": "short"}}
    write_json(folder / "dpvae/mnist-grey" / row / f"short-seed-{found['seed']}.json", found | origin)


def test_page_shows_paired_differences_with_their_spread_and_compares_no_collapsed_baseline(tmp_path) -> None:
    for seed, gain in enumerate((2.0, 2.5, 3.0)):
        written(tmp_path, "info", with_fid(seed, 8.0 + seed, 5.0))
        unsure = {"warning": "too few draws: neighbors are 0.2 apart; use symmetric_kl" if seed else None}
        grid = {"value": -80.0, "converged": seed == 0, "quadrature_error": 0.02 * seed}
        unsure_too = {"skl_nearest": unsure, "quadrature": grid}
        written(tmp_path, "info-dp", with_fid(seed, 8.0 + seed - gain, 5.0, to_q=2.0) | unsure_too)
        written(tmp_path, "vae", with_fid(seed, 8.0, 5.0, rate=0.05))
        written(tmp_path, "vae-dp", with_fid(seed, 4.0, 3.0))
    whole = page(TABLE, tmp_path, [])
    pairs, parts, lines, absent, _ = whole.listings
    assert "standard error" not in " ".join(whole.lead) and "± standard deviation over seeds" in whole.lead[1]
    vae, info = (dict(zip(pairs.columns, entry.cells, strict=True)) | {**entry.details} for entry in pairs.entries)
    assert info["pair"] == "mnist-grey, InfoVAE (short)" and info["FID"] == "-2.5 ± 0.5: drop" and info["sKL"] == ""
    assert vae["FID"] == vae["FID(LP)/FID"] == "collapsed baseline"
    assert [entry.cells[-1].split(":")[0] for entry in parts.entries] == ["not compared", "falls"]
    cells = {
        entry.cells[0]: dict(zip(lines.columns, entry.cells, strict=True)) | {**entry.details}
        for entry in lines.entries
    }
    ours = cells["InfoVAE, decoupled prior (short)"]
    assert ours["FID"] == "6.5 ± 0.5" and ours["seeds"] == "0, 1, 2"
    assert ours["features of FID and KID"] == "made up, 20 rows"
    assert ours["caution on 1-NN"] == "too few draws (2 of 3 seeds)"
    assert ours["caution on quadrature"] == "not converged, mean error 0.04 nats (2 of 3 seeds)"
    assert {"caution on 1-NN", "caution on quadrature"} & set(cells["InfoVAE (short)"]) == set()
    assert ours["published FID, FID(LP), sKL, NLL"] == "110.1, 110.5, 1.7, 2.81"
    assert "svhn: VAE (78.9, 83.8, 53.67, 0.386)" in absent.absent


@pytest.mark.slow
def test_a_pair_runs_to_its_page_and_is_not_run_again(tmp_path, capsys) -> None:
    command = ["reproduce", "dpvae", "--data", "two-moons", "--rows", "vae,vae-dp", "--budget", "smoke"]
    command += ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "results")]
    with pytest.raises(SystemExit, match="0"):
        main(command)
    assert "Page:" in capsys.readouterr().out
    stored = json.loads((tmp_path / "results/dpvae/two-moons/vae-dp/smoke-seed-0.json").read_text())
    assert {"skl", "skl_nearest", "skl_nearest_generation", "leakage", "overlap", "lines", "quadrature"} <= set(stored)
    assert stored["images"]["low_posterior"]["fraction"] == 0.2 and stored["skl_nearest"]["num_samples"] == 20
    data = shortened(load("two-moons"), BUDGETS["smoke"])
    model = Run.load(tmp_path / "runs/dpvae/two-moons/vae-dp/smoke-seed-0", data=data).last()
    draws = (
        evaluate.prior_draws(model, num_samples=20),
        evaluate.aggregate_draws(model, load("two-moons").train, num_samples=20),
    )
    samples, decoded = (model.decode(z).mean.detach().double().numpy() for z in draws)
    assert stored["images"]["fid"]["prior"]["value"] == pytest.approx(frechet(samples, decoded), rel=1e-3)
    assert {tuple(each["counts"]) for each in stored["images"]["fid"].values()} == {(20, 20)}
    text = (tmp_path / "results/dpvae.md").read_text()
    assert "dpvae-two-moons-samples.png" in text and "137.4, 165, 1.26, 3.56" in text
    assert "collapsed baseline" in text  # after four steps the rate is nothing
    assert (tmp_path / "results/dpvae-two-moons-lines-VAE.png").exists()
    assert "Not run" in (tmp_path / "results/dpvae.html").read_text()
    again = Cell(replace(TABLE, measure=_refuse), TABLE.rows[1], "two-moons", 0, "smoke", tmp_path / "runs", tmp_path)
    assert compute(again).items() <= stored.items()
    pictures = {path.name: path.read_bytes() for path in (tmp_path / "results").glob("*.png")}
    with pytest.raises(SystemExit, match="0"):
        main(["vae" if word == "vae,vae-dp" else word for word in command])
    assert pictures == {path.name: path.read_bytes() for path in (tmp_path / "results").glob("*.png")}  # of both rows


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """The distance of two Gaussians with the moments of two sets, in coordinates."""
    covariances = np.cov(a.T), np.cov(b.T)
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    return float(np.square(a.mean(0) - b.mean(0)).sum() + np.trace(covariances[0] + covariances[1] - 2 * root))


def _refuse(cell: Cell) -> dict:
    raise AssertionError(f"{cell.name} was measured again")
