"""Mixtures fitted to what is there of rows with holes, against densities by scipy and draws of a known mixture."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from prioria import starts

MEANS = np.array([[0.0, 0.0, 3.0], [3.0, 3.0, 0.0], [0.0, 3.0, 0.0]])  # no line leads through three of these
SCHEMA = {"columns": [{"name": f"x{d}", "kind": "real"} for d in range(3)]}


def rows(count: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed)
    x = MEANS[noise.integers(0, 3, count)] + 0.3 * noise.normal(size=(count, 3))
    return np.where(noise.random(x.shape) < 0.3, np.nan, x)


def log_p(start: starts.TableStart, x: np.ndarray) -> np.ndarray:
    """Log p(observed) of each row, by scipy, from the mixture's own numbers."""
    mixture, found = start.mixture, []
    for row in (x - start.center) / start.scale:
        o = ~np.isnan(row)
        volume = np.log(start.scale[o]).sum()
        parts = [
            share + (multivariate_normal(m[o], (w @ w.T + np.diag(psi))[np.ix_(o, o)]).logpdf(row[o]) if o.any() else 0)
            for share, m, w, psi in zip(mixture.log_shares, mixture.mean, mixture.factors, mixture.noise, strict=True)
        ]
        found.append(logsumexp(parts) - volume)
    return np.array(found)


@pytest.fixture(scope="module")
def start() -> starts.TableStart:
    return starts.mixture(rows(120, 0), rows(40, 1), SCHEMA, classes=(3,), budget=2e7)


def test_what_is_observed_is_fitted_better_than_after_regressions_filled_the_holes(start: starts.TableStart) -> None:
    train, held, fresh = rows(120, 0), rows(40, 1), rows(150, 2)
    found = starts.observed(start, train, held)
    np.testing.assert_allclose(found.validation, log_p(found, held), atol=1e-3)  # no grid, so that nothing is spread
    before, after = log_p(start, held), log_p(found, held)
    assert after.mean() > before.mean()
    gain = log_p(found, fresh) - log_p(start, fresh)  # of rows that chose nothing
    assert gain.mean() > 3 * gain.std() / len(gain) ** 0.5
    true = [
        logsumexp([multivariate_normal(m[o], 0.09 * np.eye(o.sum())).logpdf(row[o]) for m in MEANS]) - np.log(3)
        for row in fresh
        if (o := ~np.isnan(row)).any()
    ]
    assert log_p(found, fresh).mean() > np.mean(true) * (len(true) / len(fresh)) - 0.25  # 33 parameters, 120 rows
    again = starts.observed(start, train, held)
    np.testing.assert_array_equal(again.validation, found.validation)


def test_a_start_of_whole_rows_stays(start: starts.TableStart) -> None:
    assert starts.observed(start, np.zeros((5, 3)), np.zeros((5, 3))) is start


@pytest.mark.parametrize("hole", ["a name in training rows", "a number in validation rows"])
def test_rows_whose_numbers_are_all_there_are_gone_on_with(hole: str) -> None:
    """No row is to be filled in, and something is missing all the same."""
    noise = np.random.default_rng(3)
    schema = {"columns": [SCHEMA["columns"][0], {"name": "town", "kind": "category", "levels": ["a", "b", "c"]}]}
    x = np.stack([noise.normal(size=60), noise.integers(0, 3, 60)], 1)
    train, held = x[:40].copy(), x[40:].copy()
    if hole.startswith("a name"):
        train[::5, 1] = np.nan
    else:
        held[::5, 0] = np.nan
    begun = starts.mixture(train, held, schema, classes=(1,), budget=2e6)
    found = starts.observed(begun, train, held)
    assert np.isfinite(found.validation).all() and len(found.validation) == 20
