"""Disentanglement scores on codes whose score is known: perfect, random, rotated, and in another order of rows."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from prioria import evaluate
from prioria.data import load as load_data
from prioria.data.base import Split
from prioria.evaluate.latent.factors import dci, factor_vae_score, mig, sap, scores
from tests.contract.variants import INPUTS, single

SIZES = (3, 4, 5)
FACTORS = np.array(list(itertools.product(*map(range, SIZES))) * 20, dtype=np.int64)
GENERATOR = np.random.default_rng(0)
PERFECT = np.concatenate([FACTORS, 0.01 * GENERATOR.standard_normal((len(FACTORS), 1))], 1) * [1.0, -2.0, 0.5, 1.0]
RANDOM = GENERATOR.standard_normal((len(FACTORS), 4))
BINARY = np.array(list(itertools.product((0, 1), repeat=3)) * 100, dtype=np.int64)


def test_perfect_codes_score_one() -> None:
    found = scores(PERFECT, FACTORS)
    assert found.mig == pytest.approx(1.0, abs=0.05)  # the idle code shares a little with each factor by chance
    assert found.factor_vae == 1.0
    assert found.dci.disentanglement > 0.95 and found.dci.completeness > 0.95 and found.dci.informativeness > 0.99


def test_perfect_bits_have_the_largest_gap_there_is() -> None:
    # one code is right always, every other one half of the time
    assert sap(BINARY.astype(float), BINARY) == pytest.approx(0.5, abs=0.06)
    assert mig(BINARY.astype(float), BINARY) == pytest.approx(1.0)


@pytest.mark.parametrize("shape", ["even", "skewed", "angles"])
def test_perfect_codes_of_continuous_factors_score_one(shape: str) -> None:
    even = np.random.default_rng(5).random((4000, 3))
    factors = {"even": even, "skewed": -(np.log(even) ** 3), "angles": 2 * np.pi * even}[shape]
    found = scores(factors * [1.0, -2.0, 0.5], factors)
    assert found.bins == {"0": 10, "1": 10, "2": 10}
    # chance shares (bins - 1)^2 / 2N = 0.010 nats of the 2.3 of each factor; correlations squared 1/N
    assert found.mig == pytest.approx(1.0, abs=0.012) and found.sap == pytest.approx(1.0, abs=0.005)
    assert found.factor_vae == 1.0 and found.dci.informativeness > 0.97  # trees miss the edges of bins
    assert found.dci.disentanglement > 0.97 and found.dci.completeness > 0.97


def test_the_gap_of_a_noisy_code_of_a_continuous_factor_is_that_of_gaussians() -> None:
    """With correlation r two Gaussians share -log(1 - r^2) / 2 nats; r^2 is the squared correlation of SAP."""
    v = np.random.default_rng(6).standard_normal((20_000, 2))
    codes = 0.6 * v + 0.8 * np.random.default_rng(7).standard_normal(v.shape)
    assert sap(codes, v) == pytest.approx(0.36, abs=0.02)
    assert mig(codes, v) * np.log(10) == pytest.approx(-np.log(1 - 0.36) / 2, rel=0.1)  # ten bins lose a little


def test_a_continuous_factor_beside_classes_keeps_their_scores() -> None:
    mixed = np.concatenate([FACTORS[:, :2], np.random.default_rng(8).random((len(FACTORS), 1))], 1)
    codes = np.concatenate([PERFECT[:, :2], mixed[:, 2:]], 1)
    assert scores(codes, mixed, names=("a", "b", "c")).bins == {"c": 10}
    parts = [mig(codes, mixed[:, :2]) * 2 / 3, mig(codes, mixed[:, 2:]) / 3]
    assert mig(codes, mixed) == pytest.approx(sum(parts))
    assert mig(codes, FACTORS[:, :2].astype(float)) == mig(codes, FACTORS[:, :2])
    with pytest.raises(ValueError, match="factors must be finite"):
        scores(codes, np.where(mixed == mixed[0], np.nan, mixed))


def test_random_codes_score_near_nothing() -> None:
    found = scores(RANDOM, FACTORS)
    assert found.mig < 0.05 and found.sap < 0.1 and found.dci.disentanglement < 0.1 and found.dci.completeness < 0.1
    assert found.factor_vae < 0.6  # a majority rule over three factors and four codes
    assert found.dci.informativeness < 0.5


def test_rotated_codes_lose_the_scores_that_ask_for_axes() -> None:
    codes = FACTORS - FACTORS.mean(0)
    rotation, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))
    straight, turned = scores(codes, FACTORS), scores(codes @ rotation, FACTORS)
    assert turned.mig < 0.5 * straight.mig and turned.dci.disentanglement < 0.5 * straight.dci.disentanglement


def test_two_codes_for_one_factor_have_no_gap_but_are_disentangled() -> None:
    codes = np.concatenate([FACTORS, FACTORS], 1).astype(float)
    assert mig(codes, FACTORS) == pytest.approx(0.0, abs=1e-9)
    assert sap(codes, FACTORS) == pytest.approx(0.0, abs=1e-9)
    found = dci(codes, FACTORS)
    assert found.disentanglement > 0.95 and found.completeness < 0.8


def test_mig_is_its_formula_where_it_can_be_counted() -> None:
    # z0 = v0 with probability 3/4, else the other bit; z1 knows nothing.
    v = np.array([0] * 40 + [1] * 40)
    z = v.copy()
    z[:10], z[40:50] = 1, 0
    other = np.tile([0, 1], 40)
    shared = np.log(2) + 0.75 * np.log(0.75) + 0.25 * np.log(0.25)
    factors = np.stack([v, other], 1)
    assert mig(np.stack([z, other], 1).astype(float), factors) == pytest.approx((shared / np.log(2) + 1) / 2, abs=1e-6)


def test_row_order_changes_nothing() -> None:
    order = np.random.default_rng(3).permutation(len(FACTORS))
    noisy = PERFECT + 0.3 * RANDOM
    assert scores(noisy, FACTORS) == scores(noisy[order], FACTORS[order])


def test_dead_codes_do_not_vote() -> None:
    codes = np.concatenate([PERFECT[:, :3], 1e-6 * RANDOM], 1)
    assert factor_vae_score(codes, FACTORS) == 1.0
    assert factor_vae_score(np.zeros((len(FACTORS), 2)), FACTORS) == 0.0


def test_what_has_no_factors_is_refused() -> None:
    with pytest.raises(ValueError, match="'two-moons' has no factors"):
        evaluate.disentanglement(single(), load_data("two-moons").test)
    with pytest.raises(ValueError, match="1 latents and 3 factors"):
        scores(PERFECT[:, :1], FACTORS)
    with pytest.raises(ValueError, match="codes must be finite"):
        scores(np.where(PERFECT == PERFECT[0], np.nan, PERFECT), FACTORS)
    for options in ({"votes": 1}, {"batch": 1}):
        with pytest.raises(ValueError, match=r"votes=\d+ and batch=\d+ must be at least 2"):
            factor_vae_score(PERFECT, FACTORS, **options)


def test_a_factor_with_one_value_is_refused_and_few_rows_make_no_tree() -> None:
    factors = np.concatenate([FACTORS, np.zeros((len(FACTORS), 1), dtype=FACTORS.dtype)], 1)
    with pytest.raises(ValueError, match="column 3 has one value only"):
        scores(PERFECT, factors)
    assert dci(PERFECT[:8], FACTORS[:8])[:2] == (0.0, 0.0)


def test_a_value_that_no_machine_sees_is_refused_before_forests_are_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = np.stack([np.arange(40) % 2, np.arange(40) == 0], 1).astype(np.int64)
    codes = factors + 0.1 * GENERATOR.standard_normal((40, 2))

    def refused(seed: int) -> bool:
        try:
            sap(codes, factors, seed=seed)
        except ValueError as error:
            assert "column 1 has one value only in the 20 of 40 rows" in str(error)
            return True
        return False

    found = [refused(seed) for seed in range(20)]  # all alike with a chance of 2e-6
    assert any(found) and not all(found)
    monkeypatch.setitem(scores.__globals__, "dci", None)
    with pytest.raises(ValueError, match="column 1 has one value only in the 20 of 40 rows"):
        scores(codes, factors, seed=found.index(True))


def test_scores_leave_the_random_numbers_of_numpy_alone() -> None:
    before = np.random.get_state()
    sap(BINARY.astype(float), BINARY)
    after = np.random.get_state()
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_posterior_means_of_a_model_are_scored() -> None:
    protocol = dataclasses.replace(load_data("two-moons").protocol, shape=(INPUTS,), factors=("a", "b", "c"))
    labels = torch.from_numpy(BINARY)
    constant = torch.zeros(len(labels), 1, dtype=labels.dtype)  # a factor that does not vary is left out
    split = Split(torch.cat([labels, labels], 1).float(), torch.cat([labels[:, :2], constant], 1), protocol)
    model = single(latents=3)
    found = evaluate.disentanglement(model, split, limit=400, seed=1)
    assert found.factors == ("a", "b") and found.constant == ("c",) and found.examples == 400
    fractions = dataclasses.replace(split, labels=torch.rand(len(labels), 3) / 3)
    assert evaluate.disentanglement(model, fractions, limit=400).bins == {"a": 10, "b": 10, "c": 10}
    assert found == evaluate.disentanglement(model, split, limit=400, seed=1)
    codes = model.encode(split.tensor()).double().numpy()
    chosen = np.random.default_rng(1).permutation(len(labels))[:400]
    assert found.mig == pytest.approx(mig(codes[chosen], BINARY[chosen][:, :2]))
    assert model.training and found.to_json()["dci"].keys() == {"disentanglement", "completeness", "informativeness"}
