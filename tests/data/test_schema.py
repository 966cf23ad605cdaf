"""Schemas: what columns hold, and values to numbers and back."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from prioria.data import Column, DataError, Schema, infer, inspect, load, read_rows

MIXED = Schema(
    (
        Column("height", "real", treatment="standardize", center=170.0, scale=10.0),
        Column("price", "positive", treatment="log", center=1.0, scale=2.0),
        Column("visits", "count", integer=True),
        Column("color", "category", levels=("blue", "green", "red")),
        Column("smoker", "binary", levels=("False", "True")),
        Column("species", "category", role="label", levels=("cat", "dog")),
        Column("name", "identifier", role="identifier"),
    )
)
FRAME = pd.DataFrame(
    {
        "species": ["dog", "cat", None],
        "color": ["red", "violet", "blue"],
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
    assert list(found) == ["height", "price", "visits", "color", "smoker"]
    np.testing.assert_allclose(found["price"], [np.e**3, np.nan, 1.0], rtol=1e-6)
    assert found["color"].fillna("?").tolist() == ["red", "?", "blue"] and found["smoker"].tolist() == [
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


def test_rows_that_come_later_are_matched_by_name(tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(5, 2, 60), "b": rng.normal(-50, 9, 60), "kind": ["x", "y", "z"] * 20})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    protocol = load(tmp_path / "rows.csv").protocol
    expected = read_rows(frame, protocol).tensor()
    assert torch.equal(read_rows(frame[["kind", "b", "a"]], protocol).tensor(), expected)
    with pytest.warns(UserWarning, match="'b' is missing"):
        assert read_rows(frame.drop(columns="b"), protocol).tensor()[:, 1].isnan().all()
    with pytest.raises(DataError, match="'b' is missing"):
        read_rows(frame.drop(columns="b"), protocol, strict=True)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("\na,b\n" + "1.5,2\n2.5,7\n-3,8\n" * 9, {"a": "real", "b": "ordinal"}),
        (
            "\ufeffUnnamed: 0,a\n" + "".join(f"{i},{i * 0.37}\n" for i in range(30)),
            {"Unnamed: 0": "index", "a": "real"},
        ),
        ("a;b\n" + "1,5;x\n2,5;y\n-4,25;?\n" * 9, {"a": "real", "b": "binary"}),
        ("900.0,902.5\n" + "0.1,0.2\n0.3,0.4\n0.9,0.5\n" * 9, {"900.0": "positive", "902.5": "positive"}),
        ("when,a\n" + "2020-01-02,1.5\n2021-03-04,2.5\n2022-01-01,NA\n" * 9, {"when": "date", "a": "binary"}),
    ],
)
def test_text_tables_as_people_have_them(text, kinds, tmp_path):
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    assert {column.name: column.kind for column in inspect(tmp_path / "rows.csv").schema.columns} == kinds


def test_class_among_counts_of_words_is_a_word():
    counts = np.random.default_rng(2).poisson(3, (50, 3))
    assert infer(pd.DataFrame(counts, columns=["the", "class", "of"])).label is None
    labelled = pd.DataFrame({"size": counts[:, 0] + 0.25, "class": ["ham", "spam"] * 25})
    assert infer(labelled).label.levels == ("ham", "spam")


def test_splits_of_two_scales_are_refused(tmp_path):
    grey = np.random.default_rng(3).integers(0, 256, (60, 9))
    np.savez(tmp_path / "mixed.npz", train=grey[:40].astype("u1"), validation=grey[40:50] / 255, test=grey[50:] / 255)
    with pytest.raises(DataError, match="train goes to 255 and validation to"):
        load(tmp_path / "mixed.npz")


def test_one_value_far_away_does_not_set_the_scale_of_a_column():
    values = np.random.default_rng(0).normal(size=400)
    values[7] = 1e7
    column = infer(pd.DataFrame({"a": values, "b": values.clip(-3, 3)})).features[0]
    width = np.subtract(*np.quantile(values, (0.75, 0.25))) / 1.349
    assert column.scale == pytest.approx(100 * width)
