"""Tables as people write them: blanks after the delimiter belong to no name and to no label."""

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
    assert torch.equal(data.test.tensor(), load(ROWS).test.tensor())
    assert torch.equal(data.test.labels, (data.test.tensor()[:, 0] < 0).long())


def test_blanks_are_no_name(tmp_path):
    (tmp_path / "rows.csv").write_text(" ,a,b\n" + "0,1,2\n1,3,4\n" * 20)
    with pytest.raises(DataError, match="index=False"):
        load(tmp_path / "rows.csv")


def test_blanks_around_a_name_of_a_parquet_column(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra 'data' is not installed")
    table = parquet.core.pa.Table.from_pydict({"x": ROWS[:, 0], " y": ROWS[:, 1], " label": np.arange(30) % 3})
    parquet.write_table(table, tmp_path / "rows.parquet")
    data = load(tmp_path / "rows.parquet")
    assert data.shape == (2,) and data.test.labels is not None
