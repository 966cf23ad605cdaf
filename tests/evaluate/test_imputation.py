"""Filling hidden entries in, against a joint that is known. False alarms: one run in 10,000 a test."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from prioria import evaluate, imputation, starts
from prioria.data import Dataset, Schema, load
from prioria.data.base import evenly
from prioria.distributions.spread import dequantize
from prioria.evaluate.output.holes import removed
from prioria.model import VAE
from prioria.starts.factors import FactorMixture, Settings
from prioria.starts.table import TableStart

MEAN = np.array([1.0, -5.0, 3.0, 0.0])
FACTORS = np.array([[2.0, 0.3], [1.5, -1.0], [0.4, 1.2], [-1.0, 0.8]])
NOISE = np.array([0.3, 0.4, 0.2, 0.5])
COVARIANCE = FACTORS @ FACTORS.T + np.diag(NOISE)
TABLE = np.array([[0.9, 0.1], [0.2, 0.8]])  # of the name, by class; the classes lie 4 apart in every column


def table(count: int) -> pd.DataFrame:
    noise = np.random.default_rng(0)
    c = (noise.random(count) < 0.5).astype(int)
    rows = noise.multivariate_normal(MEAN, COVARIANCE, count) + 4 * c[:, None]
    name = (noise.random(count) > TABLE[c, 0]).astype(int)
    return pd.DataFrame(rows, columns=list("abcd")).assign(kind=np.array(["left", "right"])[name])


def known(schema: Schema) -> VAE:
    """The model that is this joint, in the units of a schema."""
    numbers = schema.features[:4]
    center, scale = (np.array([getattr(each, of) for each in numbers]) for of in ("center", "scale"))
    mean = np.stack([(MEAN + 4 * c - center) / scale for c in range(2)])
    mixture = FactorMixture(
        Settings(2, 2), np.log([0.5, 0.5]), mean, np.stack([FACTORS / scale[:, None]] * 2),
        np.stack([NOISE / scale**2] * 2), np.log(TABLE), np.zeros((2, 0, 2)),
    )  # fmt: skip
    return starts.build(TableStart(schema, mixture, np.zeros(4), np.ones(4), {}, {}, np.zeros(0), 0.0), full=True)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load(table(4000))


@pytest.mark.slow
@pytest.mark.parametrize("depends_on", [None, "b"])
def test_errors_and_coverage_are_those_of_the_joint(data: Dataset, depends_on: str | None) -> None:
    schema = data.protocol.schema
    assert schema is not None and [column.kind for column in schema.features] == [*["real"] * 4, "binary"]
    model = known(schema)
    found = evaluate.imputation(model, data, depends_on=depends_on)
    again = evaluate.imputation(model, data, depends_on=depends_on)
    assert found.to_json() == again.to_json() == json.loads(json.dumps(found.to_json()))
    assert found.few == 0
    numbers = [column for column in found.columns if not column.names]
    assert [column.name for column in found.columns] == [n for n in [*"abcd", "kind"] if n != depends_on]
    entries = sum(column.entries for column in numbers)
    assert stats.binomtest(round(found.coverage("model") * entries), entries, 0.9).pvalue > 1e-4
    for column in found.columns:
        assert column.errors["model"] < column.errors["mean"]
    # no other predictor has a lower expected squared error than the conditional mean: paired by entry, so that 3 % is
    # far outside the noise of 80 entries a column, and nearest neighbors of a factor model are 10 % and more behind
    ours, theirs = (found.mean_error(method, names=False) for method in ("model", "k nearest neighbors"))
    assert ours < 0.97 * theirs
    assert ours < 1.03 * found.mean_error("iterative", names=False)
    assert "in the 90 % interval" in str(found) and str(found).count("\n") == len(found.columns) + 5
    # that log-likelihood is the largest in expectation, too: paired by row, within three standard errors
    for method in ("iterative", "k nearest neighbors"):
        ahead = found.differences[method]["log_likelihood"]
        assert ahead.value > -3 * ahead.standard_error
        assert ahead.value == pytest.approx(found.log_likelihood("model") - found.log_likelihood(method), abs=1e-9)


def test_the_error_of_a_column_is_that_of_the_conditional_mean(data: Dataset) -> None:
    """With all else given, a's conditional mean and deviation have a closed form."""
    schema = data.protocol.schema
    assert schema is not None
    x = data.test.tensor().clone()
    x[:, 0] = torch.nan
    torch.manual_seed(0)
    draws = known(schema).conditional(x, 2000, num_samples=2000).draws[:, :, 0].double().mean(0).numpy()
    frame = schema.decode(data.test.tensor().numpy())
    rest, code = frame[list("bcd")].to_numpy(), (frame["kind"] == "right").to_numpy().astype(int)
    gain = COVARIANCE[0, 1:] @ np.linalg.inv(COVARIANCE[1:, 1:])
    weights, means = [], []
    for c in range(2):
        weights.append(stats.multivariate_normal(MEAN[1:] + 4 * c, COVARIANCE[1:, 1:]).pdf(rest) * TABLE[c, code])
        means.append(MEAN[0] + 4 * c + (rest - MEAN[1:] - 4 * c) @ gain)
    expected = np.sum(np.array(weights) * means, 0) / np.sum(weights, 0)
    deviation = np.sqrt(COVARIANCE[0, 0] - gain @ COVARIANCE[1:, 0] + 4.0)  # at most: within a class, and between
    column = schema.features[0]
    z = (column.center + column.scale * draws - expected) / deviation * np.sqrt(2000)
    assert np.abs(z).max() < stats.norm.isf(0.5e-4 / len(z))


def test_the_log_likelihood_is_that_of_each_hidden_entry_given_what_is_observed(data: Dataset) -> None:
    """In closed form, for each class: N(x_d; conditional mean and variance given the observed numbers)."""
    schema = data.protocol.schema
    assert schema is not None
    found = evaluate.imputation(known(schema), data, limit=60, num_samples=4000, num_draws=20, seed=1)
    x = data.test.batch(evenly(len(data.test), 60)).double().numpy()
    gone = removed(x, schema, 0.2, None, seed=1)
    spread, values = (schema.unscaled(torch.from_numpy(each)).numpy() for each in (dequantize(x, schema, seed=1), x))
    exact = {column.name: [] for column in schema.features}
    for row, true, hidden in zip(values, spread, gone, strict=True):
        o, shares, parts = ~hidden[:4], np.log([0.5, 0.5]), []
        for c in range(2):
            mean, seen = MEAN + 4 * c, COVARIANCE[np.ix_(o, o)]
            shares[c] += stats.multivariate_normal(mean[o], seen).logpdf(row[:4][o]) if o.any() else 0.0
            shares[c] += 0.0 if hidden[4] else np.log(TABLE[c, int(row[4])])
            gain = COVARIANCE[:, o] @ np.linalg.inv(seen)
            left = np.sqrt(np.diag(COVARIANCE - gain @ COVARIANCE[o]).clip(1e-12))
            parts.append(stats.norm(mean + gain @ (row[:4][o] - mean[o]), left).logpdf(true[:4]))
        posterior = shares - np.logaddexp(*shares)
        for d in np.flatnonzero(hidden):
            terms = np.log(TABLE[:, int(row[4])]) if d == 4 else np.array(parts)[:, d]
            exact[schema.features[d].name].append(np.logaddexp(*(posterior + terms)))
    for column, spec in zip(found.columns, schema.features, strict=True):
        assert column.entries == len(exact[column.name]) > 0
        # the mean over entries of the log of a mean of 4,000 samples, whose error is below .02 each
        expected = np.mean(exact[column.name]) + (0.0 if column.names else np.log(spec.scale))
        assert column.log_likelihood["model"] == pytest.approx(expected, abs=0.02)


def test_a_table_is_filled_in_and_says_how_sure(data: Dataset) -> None:
    schema = data.protocol.schema
    assert schema is not None
    frame = table(4000).head(40).assign(id=range(40))
    holes = frame.copy()
    holes.loc[:9, "a"], holes.loc[5:14, "kind"] = np.nan, None
    filled, found = imputation.complete(known(schema), schema, holes, 3)
    assert len(filled) == 120 and filled["draw"].tolist() == [1] * 40 + [2] * 40 + [3] * 40
    first = filled[filled["draw"] == 1].reset_index(drop=True)
    assert not filled[["a", "kind"]].isna().any().any() and first["id"].tolist() == list(range(40))
    pd.testing.assert_series_equal(first["a"][10:], frame["a"][10:])
    assert first["kind"][15:].tolist() == frame["kind"][15:].tolist()
    assert first["a_sd"].notna().tolist() == [True] * 10 + [False] * 30
    assert first["kind_probability"].notna().tolist() == [False] * 5 + [True] * 10 + [False] * 25
    assert (first["effective_samples"][:15] > 900).all() and first["effective_samples"][15:].isna().all()
    within = COVARIANCE[0, 0] - COVARIANCE[0, 1:] @ np.linalg.inv(COVARIANCE[1:, 1:]) @ COVARIANCE[1:, 0]
    # the deviation of 200 draws is that of the closed form, as a chi-square of 199, where the class is certain
    assert np.abs(first["a_sd"][:5] / within**0.5 - 1).median() < 0.2
    assert found.doubt is None
    with pytest.raises(ValueError, match="column 'a_sd' has the name of one that is added"):
        imputation.complete(known(schema), schema, holes.assign(a_sd=1.0))


def test_rows_with_columns_given_have_the_conditional_and_unknown_ones_are_named(data: Dataset) -> None:
    schema = data.protocol.schema
    assert schema is not None
    model = known(schema)
    rows, _ = imputation.given(model, schema, {"kind": "right"}, 2000)
    assert (rows["kind"] == "right").all()
    share = TABLE[:, 1] / TABLE[:, 1].sum()
    bells = [stats.norm(MEAN[0] + 4 * c, COVARIANCE[0, 0] ** 0.5) for c in range(2)]
    assert stats.kstest(rows["a"], lambda v: share[0] * bells[0].cdf(v) + share[1] * bells[1].cdf(v)).pvalue > 1e-4
    with pytest.raises(ValueError, match="column 'sex' is unknown; the model has a, b, c, d, kind"):
        imputation.given(model, schema, {"sex": "male"}, 5)
    with pytest.raises(ValueError, match="column 'kind': 'up' is not known; give one of left, right"):
        imputation.given(model, schema, {"kind": "up"}, 5)
    with pytest.raises(ValueError, match="column 'a': 'x' is not known; give a real number"):
        imputation.given(model, schema, {"a": "x"}, 5)
