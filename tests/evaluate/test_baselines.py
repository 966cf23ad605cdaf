"""Baselines against scipy, scikit-learn and enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import FactorAnalysis
from sklearn.mixture import GaussianMixture

from prioria import evaluate
from prioria.data import load
from prioria.evaluate.classical import densities
from prioria.evaluate.classical.words import log_documents


@pytest.fixture
def rows() -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((400, 3)) @ np.array([[2.0, 0, 0], [1, 1, 0], [0, 3, 5]])
    return x + [10, 0, -5]


def fitted(name: str, x: np.ndarray) -> densities.Score:
    return next(fit for kind, fit in densities.gaussians(x.shape[1], len(x)) if kind == name)(x)


def test_the_full_gaussian_is_scipys(rows: np.ndarray) -> None:
    expected = stats.multivariate_normal(rows.mean(0), np.cov(rows.T, bias=True)).logpdf(rows)
    np.testing.assert_allclose(fitted("full Gaussian", rows)(rows), expected, atol=2e-4)  # its ridge is 1e-6


def test_independent_gaussians_are_scipys(rows: np.ndarray) -> None:
    expected = stats.norm(rows.mean(0), rows.std(0)).logpdf(rows).sum(1)
    np.testing.assert_allclose(fitted("independent Gaussians", rows)(rows), expected, atol=1e-9)


def test_factors_and_mixtures_are_scikit_learns_in_the_units_of_the_rows(rows: np.ndarray) -> None:
    z = (rows - rows.mean(0)) / rows.std(0)
    volume = np.log(rows.std(0)).sum()
    expected = FactorAnalysis(1, random_state=0).fit(z).score_samples(z) - volume
    np.testing.assert_allclose(fitted("factor analysis", rows)(rows), expected, atol=1e-9)
    mixture = GaussianMixture(2, covariance_type="diag", reg_covar=1e-3, random_state=0).fit(z)
    np.testing.assert_allclose(fitted("Gaussian mixture", rows)(rows), mixture.score_samples(z) - volume, atol=1e-9)


def test_a_mixture_of_bits_sums_to_one_over_all_codes() -> None:
    x = (np.random.default_rng(0).random((60, 4)) < [0.2, 0.5, 0.9, 0.4]).astype(float)
    codes = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
    for _, fit in densities.bits(4, len(x)):
        assert np.exp(fit(x)(codes)).sum() == pytest.approx(1, abs=1e-9)


def test_mixed_columns_integrate_to_one_and_a_hole_is_integrated_out() -> None:
    generator = np.random.default_rng(0)
    x = np.stack([generator.integers(0, 3, 200).astype(float), generator.normal(5, 2, 200)], 1)
    x[:40, 1] = np.nan
    grid = np.linspace(-40, 50, 4001)
    for _, fit in densities.mixed([3, 0], len(x)):
        score = fit(x)
        mass = [np.trapezoid(np.exp(score(np.stack([np.full_like(grid, k), grid], 1))), grid) for k in range(3)]
        assert sum(mass) == pytest.approx(1, abs=1e-6)
        holes = np.exp(score(np.array([[0.0, np.nan], [1.0, np.nan], [2.0, np.nan]])))
        np.testing.assert_allclose(holes, mass, atol=1e-6)


def test_topics_of_a_one_word_document_are_enumerable() -> None:
    # p(w) = sum_k E[theta_k] words_kw, and a symmetric Dirichlet has E[theta_k] = 1/K.
    words = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    rows = np.eye(3)
    found = log_documents(rows, np.full((3, 2), 0.5), words, prior=1.0, draws=20_000)
    np.testing.assert_allclose(np.exp(found), words.mean(0), rtol=0.03)


def test_a_table_has_its_best_baseline_first_and_scores_every_test_row() -> None:
    x = load_breast_cancer().data
    data = load(x, standardize=True)
    found = evaluate.baselines(data)
    assert [each.name for each in found.models][0] in ("Gaussian mixture", "full Gaussian", "factor analysis")
    assert found.best.estimate.value > 20 + found.models[-1].estimate.value  # its columns depend on each other
    assert len(found.best.estimate.pointwise) == len(data.test)
    assert found.models[-1].name == "independent Gaussians"


def test_no_mixture_gains_from_ties_of_counts() -> None:
    """Whatever the classes, a density of counts that fill their cells is no likelier than the best probabilities."""
    counts = np.random.default_rng(0).poisson(4.0, 600)
    frame = pd.DataFrame({"visits": counts, "kind": np.random.default_rng(1).choice(list("xy"), 600)})
    found = evaluate.baselines(load(frame))
    entropy = stats.poisson(4.0).entropy() + np.log(2)
    assert found.best.estimate.value < -entropy + 0.3


def test_columns_that_others_determine_leave_factor_analysis_bounded() -> None:
    x = np.random.default_rng(0).normal(size=(300, 2))
    x = np.c_[x, x.sum(1)]
    bound = -0.5 * (np.log(2 * np.pi * 1e-6) - 3)  # of one direction whose variance is the least, and two of unit scale
    assert fitted("factor analysis", x)(x).mean() < bound
