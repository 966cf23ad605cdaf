"""Tables as people write them: blanks belong to no name and to no label, and times are far from zero."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from prioria.data import DataError, load, read_rows

ROWS = np.random.default_rng(2).normal(size=(30, 2)).round(3)


@pytest.mark.parametrize("header", ["x, y, label", 'x, "y", "label"', "x,y ,Label "])
def test_blanks_around_a_name_do_not_make_a_label_a_column(header, tmp_path):
    lines = [f"{a}, {b}, {'cat' if a > 0 else 'dog'}" for a, b in ROWS]
    (tmp_path / "rows.csv").write_text("\n".join([header, *lines]))
    data = load(tmp_path / "rows.csv")
    assert data.shape == (2,) and data.protocol.classes == ("cat", "dog")
    rows = data.protocol.unscaled(data.test.tensor())
    torch.testing.assert_close(rows, load(ROWS).test.tensor())
    assert torch.equal(data.test.labels, (rows[:, 0] < 0).long())


def test_a_column_without_a_name_that_numbers_the_rows_is_left_out(tmp_path):
    (tmp_path / "rows.csv").write_text(" ,a,b\n" + "".join(f"{i},{a},{b}\n" for i, (a, b) in enumerate(ROWS)))
    assert [column.name for column in load(tmp_path / "rows.csv").protocol.schema.features] == ["a", "b"]


def test_blanks_around_a_name_of_a_parquet_column(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra 'data' is not installed")
    table = parquet.core.pa.Table.from_pydict({"x": ROWS[:, 0], " y": ROWS[:, 1], " label": np.arange(30) % 3})
    parquet.write_table(table, tmp_path / "rows.parquet")
    data = load(tmp_path / "rows.parquet")
    assert data.shape == (2,) and data.test.labels is not None


def test_columns_that_single_precision_does_not_resolve_are_not_standardized():
    times = 1.7e9 + 3600 * np.arange(30.0)  # hours, which float32 keeps to 128 seconds
    with pytest.raises(DataError, match="column 2 has mean 1700052200 .*; subtract 1700052200 from it"):
        load(np.column_stack([ROWS, times]), standardize=True)
    for kept in (times - 1700052200, np.round(times / 3600)):  # moved; whole numbers that float32 has
        x = load(np.column_stack([ROWS, kept]), standardize=True).train.tensor()[:, 2]
        assert x.std(correction=0).item() == pytest.approx(1, abs=1e-3)
    assert load(np.column_stack([ROWS, times]).astype(np.float32), standardize=True)  # nothing is lost any more


@pytest.mark.parametrize("name", ["rows.npy", "rows.npz"])
def test_an_array_with_holes_is_the_table_of_the_same_numbers(name: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    columns = noise.normal(size=60), noise.lognormal(size=60), noise.poisson(3, 60), noise.integers(0, 2, 60)
    rows = np.where(noise.random((60, 4)) < 0.1, np.nan, np.stack(columns, 1))
    pd.DataFrame(rows, columns=["x0", "x1", "x2", "x3"]).to_csv(tmp_path / "rows.csv", index=False)
    np.save(tmp_path / "rows.npy", rows)
    np.savez(tmp_path / "rows.npz", x=rows)
    ours, theirs = load(str(tmp_path / name)), load(str(tmp_path / "rows.csv"))
    assert [each.kind for each in ours.protocol.schema.features] == ["real", "positive", "count", "binary"]
    assert ours.protocol.schema.to_json() == theirs.protocol.schema.to_json()
    for one, other in ((ours.train, theirs.train), (ours.validation, theirs.validation), (ours.test, theirs.test)):
        torch.testing.assert_close(one.tensor(), other.tensor(), rtol=0, atol=0, equal_nan=True)
    later = read_rows(np.where(np.isnan(rows), 1.0, rows), ours.protocol)  # the same columns, whole
    np.testing.assert_array_equal(later.tensor().isnan().any(), False)
    again = load(**ours.origin)
    torch.testing.assert_close(again.test.tensor(), ours.test.tensor(), rtol=0, atol=0, equal_nan=True)


def test_a_masked_array_is_a_table_whose_masked_entries_are_missing_and_labels_are_a_column() -> None:
    x = np.ma.masked_equal(np.arange(40.0).reshape(20, 2) % 7 + 0.5, 3.5)
    assert int(load(x).train.tensor().isnan().sum()) > 0
    found = load((np.ma.filled(x, np.nan), np.array([0, 1] * 10)))
    assert found.protocol.schema.label.name == "label" and set(found.train.labels.tolist()) == {0, 1}
