"""Samples beside held-out rows: distances against scipy, and models that are known to be right, wrong, or to copy."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, multivariate_normal

from prioria import build, data, evaluate
from prioria.evaluate.classical import densities
from prioria.evaluate.classical.classes import Classes
from prioria.evaluate.output import fidelity as module

RNG = np.random.default_rng(7)
CORRELATED = RNG.multivariate_normal([0, 5], [[1, 0.8], [0.8, 1]], 600)


@pytest.fixture(scope="module")
def table():
    frame = pd.DataFrame(CORRELATED, columns=["a", "b"])
    frame["side"] = np.where(CORRELATED[:, 0] > 0, "right", "left")
    return data.load(frame)


@pytest.fixture(scope="module")
def compared(table):
    """The comparison of any rows with the held-out rows of the table."""
    held = np.concatenate([part.tensor().double().numpy() for part in (table.validation, table.test)])
    train = table.train.tensor().double().numpy()
    compare = module._Comparison(train, held, table.protocol.schema, ["a", "b", "side"], 0)
    return train, held, compare


def test_rows_of_the_same_distribution_cannot_be_told_apart(compared):
    train, held, compare = compared
    found = compare("others", train[: len(held)])
    assert abs(found.auc - 0.5) < 3 * found.auc_error  # one false alarm in 370
    assert found.nearer == 1.0 and found.copies == 1.0  # they are training rows
    for d, name in enumerate(["a", "b"]):
        assert found.columns[name] == pytest.approx(ks_2samp(train[: len(held), d], held[:, d]).statistic)
    shares = [(rows[:, 2] == 1).mean() for rows in (train[: len(held)], held)]
    assert found.columns["side"] == pytest.approx(abs(shares[0] - shares[1]))


@pytest.mark.slow
def test_columns_without_their_correlation_are_found(compared):
    train, held, compare = compared
    alone = np.stack([RNG.choice(column, len(held)) for column in train.T], 1)
    found, real = compare("alone", alone), compare("real", train[: len(held)])
    assert found.auc > 0.8 and found.correlation > 0.3 > 3 * real.correlation and found.nearer < 0.5


def test_the_error_of_an_area_is_that_of_hanley_and_mcneil():
    """Under chance the variance is that of the Mann-Whitney statistic, (n + m + 1) / 12 n m; a certain one has none."""
    assert module._auc_error(1.0, 50, 50) == pytest.approx(0.0)
    assert module._auc_error(0.5, 40, 40) == pytest.approx(np.sqrt((2 * 40 + 1) / (12 * 40 * 40)))


@pytest.mark.slow
def test_a_model_is_put_beside_classical_ones(table):
    found = evaluate.synthetic(build.model(table, seed=0), table)
    names = [each.name for each in found.beside]
    assert found.model.auc > 0.8 and {"training rows", "latent classes"} <= set(names)
    assert evaluate.Synthetic.from_json(found.to_json()) == found
    assert "AUC" in found.verdict and "columns that differ most" in str(found)
    again = evaluate.synthetic(build.model(table, seed=0), table)
    assert again == found


def test_pictures_are_refused():
    with pytest.raises(ValueError, match="samples are compared with tables only"):
        evaluate.synthetic(build.model("digits", latents=2, seed=0), data.load("digits"))


def test_classical_models_draw_what_they_score():
    """Mean and covariance of draws are those of the rows that a Gaussian was fitted to, within five standard errors."""
    generator, many = np.random.default_rng(0), 40_000
    for fit in (lambda x: densities._full(x, 1e-6), lambda x: densities._factor_analysis(x, 1)):
        draws = fit(CORRELATED).draw(many, generator)
        np.testing.assert_allclose(draws.mean(0), CORRELATED.mean(0), atol=0.03)
        np.testing.assert_allclose(np.cov(draws.T), np.cov(CORRELATED.T), atol=0.05)
    full = densities._full(CORRELATED, 1e-9)
    exact = multivariate_normal(CORRELATED.mean(0), np.cov(CORRELATED.T, bias=True)).logpdf(CORRELATED[:5])
    np.testing.assert_allclose(full(CORRELATED[:5]), exact, rtol=1e-6)
    for fit in (densities._independent, lambda x: densities._mixture(x, 2, "full"), lambda x: Classes(x, [0, 0], 4)):
        found = fit(CORRELATED)
        draws = found.draw(many, generator)  # E log p of draws is the negative entropy, about that of other draws
        assert found(draws).mean() == pytest.approx(found(found.draw(many, generator)).mean(), abs=0.05)
        assert ks_2samp(draws[:, 0], CORRELATED[:, 0]).pvalue > 1e-3
    names = np.c_[RNG.integers(0, 3, 500), RNG.integers(0, 2, 500)].astype(float)
    drawn = Classes(names, [3, 2], 1).draw(many, generator)
    np.testing.assert_allclose(
        np.bincount(drawn[:, 0].astype(int)) / many, (np.bincount(names[:, 0].astype(int)) + 0.5) / 501.5, atol=0.02
    )
