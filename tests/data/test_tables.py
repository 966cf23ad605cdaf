"""Tables as people write them: blanks belong to no name and to no label, and times are far from zero."""

import numpy as np
import pytest
import torch

from prioria.data import DataError, load

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
