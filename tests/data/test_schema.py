"""Schemas: what columns hold, and values to numbers and back."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from prioria.data import Column, DataError, Schema

MIXED = Schema(
    (
        Column("height", "real", treatment="standardize", center=170.0, scale=10.0),
        Column("price", "positive", treatment="log", center=1.0, scale=2.0),
        Column("visits", "count", integer=True),
        Column("colour", "category", levels=("blue", "green", "red")),
        Column("smoker", "binary", levels=("False", "True")),
        Column("species", "category", role="label", levels=("cat", "dog")),
        Column("name", "identifier", role="identifier"),
    )
)
FRAME = pd.DataFrame(
    {
        "species": ["dog", "cat", None],
        "colour": ["red", "violet", "blue"],
        "smoker": [True, False, None],
        "visits": [3, 0, None],
        "price": [np.e**3, -1.0, 1.0],
        "height": [180.0, np.inf, 150.0],
    }
)


def test_columns_are_matched_by_name_and_numbers_follow_the_treatment():
    n = np.nan
    np.testing.assert_allclose(MIXED.encode(FRAME), [[1, 1, 3, 2, 1], [n, n, 0, n, 0], [-2, -0.5, n, 0, n]], rtol=1e-6)
    np.testing.assert_array_equal(MIXED.labels(FRAME), [1, 0, -1])
    assert np.isnan(MIXED.encode(FRAME.drop(columns="visits"))[:, 2]).all()


def test_rows_come_back_in_original_kinds_and_units():
    found = MIXED.decode(MIXED.encode(FRAME))
    assert list(found) == ["height", "price", "visits", "colour", "smoker"]
    np.testing.assert_allclose(found["price"], [np.e**3, np.nan, 1.0], rtol=1e-6)
    assert found["colour"].fillna("?").tolist() == ["red", "?", "blue"] and found["smoker"].tolist() == [
        True,
        False,
        None,
    ]
    assert found["visits"].tolist() == [3, 0, pd.NA]
    assert MIXED.decode(np.full((2, 5), -9.0))["visits"].dtype == np.int64
    assert (MIXED.decode(np.full((2, 5), -1e3))["price"] > 0).all()


def test_log_volume_takes_densities_to_the_units_of_the_data():
    schema = Schema(MIXED.columns[:2])
    frame = pd.DataFrame({"height": [181.0, 170.0], "price": [7.0, 0.3]})
    x = schema.encode(frame).astype(float)
    ours = stats.norm.logpdf(x).sum(1) - schema.log_volume(x)
    expected = stats.norm.logpdf(frame["height"], 170, 10) + stats.lognorm.logpdf(frame["price"], 2, scale=np.e)
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
    assert schema.log_scale == pytest.approx(np.log(20))
    np.testing.assert_allclose(schema.log_volume(np.array([[0.5, np.nan]])), [np.log(10)])


def test_a_schema_survives_json():
    assert Schema.from_json(json.loads(json.dumps(MIXED.to_json()))) == MIXED


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "a", "kind": "reel"}, "kind='reel' is unknown; use real"),
        ({"name": "a", "kind": "real", "scale": "1"}, "scale='1' has a wrong type"),
        ({"name": "a", "kind": "real", "scale": True}, "scale=True has a wrong type"),
        ({"name": "a", "kind": "real", "center": float("nan")}, "center=nan must be finite"),
        ({"name": "a", "kind": "real", "scale": 0.0}, "scale=0.0 must be positive"),
        ({"name": "a", "kind": "real", "unit": "m"}, "'unit' is unknown"),
        ({"name": "a", "kind": "category", "levels": ["x"]}, "at least 2 levels"),
        ({"name": "a", "kind": "category", "levels": ["x", "x"]}, "repeat"),
        ({"name": "a", "kind": "category", "levels": ["x", 1]}, "must be names"),
        ({"name": "a", "kind": "text"}, "a text is no feature"),
        ({"kind": "real"}, "needs a name and a kind"),
    ],
)
def test_an_entry_that_is_wrong_is_named(entry, message):
    with pytest.raises(DataError, match=message):
        Schema.from_json({"format": 1, "columns": [entry]})
