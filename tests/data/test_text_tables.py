"""Text tables as people and programs write them: titles above, rulers, comments, blanks as delimiters, short lines."""

import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest

from prioria.data import DataError, load
from prioria.data.own.tables import read_table

ROWS = np.random.default_rng(3).normal(size=(30, 3)).round(3)
BODY = [[f"{value:g}" for value in row] for row in ROWS]


def written(place: Path, *above: str, delimiter: str = ",", rows=BODY) -> Path:
    place.write_text("\n".join([*above, *(delimiter.join(row) for row in rows)]) + "\n")
    return place


@pytest.mark.parametrize(
    ("above", "delimiter"),
    [
        (["x y z"], " "),
        (["   x \t y    z"], "\t  "),
        (["# x y z"], " "),
        (["Heights of trees", "", "Source: a forest, of 30 trees", "x,y,z"], ","),
        (["Series: S1", "=" * 40, "x  y  z", "-" * 40], "   "),
        (["/* quarterly,", "source: a bank */", "<1960 Q1>", "x y z"], " "),
        (["'x' 'y' 'z'"], " "),
    ],
)
def test_the_table_is_found_below_what_is_above_it(above, delimiter, tmp_path):
    file = written(tmp_path / "rows.txt", *above, delimiter=delimiter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = read_table(file)
    assert list(found) == ["x", "y", "z"]
    np.testing.assert_array_equal(found, ROWS)


def test_what_is_left_out_is_said(tmp_path):
    with pytest.warns(UserWarning, match="lines before the table, left out: 2"):
        read_table(written(tmp_path / "rows.csv", "A title", "Another", "x,y,z"))
    with pytest.warns(UserWarning, match="left out: 1"):  # as the tables of scikit-learn begin
        found = read_table(written(tmp_path / "rows.csv", "30,3"))
    assert found.shape == (30, 3) and list(found)[0] == "column 0"


def test_rows_that_look_unlike_a_table_are_not_taken_for_what_is_above(tmp_path):
    rows = [["n/a", "1", "2"], *BODY]
    found = read_table(written(tmp_path / "rows.csv", "x,y,z", rows=rows))
    assert len(found) == 31


def test_decimal_commas_between_blanks(tmp_path):
    rows = [[value.replace(".", ",") if "." in value else f"{value},0" for value in row] for row in BODY]
    np.testing.assert_array_equal(read_table(written(tmp_path / "r.dat", "x y z", delimiter=" ", rows=rows)), ROWS)


def test_short_lines_are_told_of_wherever_they_are(tmp_path):
    rows = BODY * 300
    rows[7777] = rows[7777][:2]
    with pytest.warns(UserWarning, match="fewer than 3 fields: 1, the first line 7779 with 2"):
        found = read_table(written(tmp_path / "rows.csv", "x,y,z", rows=rows))
    assert found["z"].isna().sum() == 1 and np.isnan(found["z"][7777])


def test_a_long_line_is_refused_by_its_number_in_the_file(tmp_path):
    rows = [*BODY[:9], [*BODY[9], "1"], *BODY[10:]]
    with pytest.raises(DataError, match="Expected 3 fields in line 13, saw 4"), pytest.warns(UserWarning):
        read_table(written(tmp_path / "rows.csv", "A title", "", "x,y,z", rows=rows))


def test_comments_between_rows(tmp_path):
    rows = [*BODY[:5], ["# half way"], *BODY[5:]]
    np.testing.assert_array_equal(read_table(written(tmp_path / "rows.csv", "x,y,z", rows=rows)), ROWS)
    colors = [[*row, "#ff0000"] for row in BODY]
    assert set(read_table(written(tmp_path / "rows.csv", "x,y,z,color", rows=colors))["color"]) == {"#ff0000"}


def test_packed_text_json_and_stata(tmp_path):
    plain = read_table(written(tmp_path / "rows.csv", "x,y,z"))
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress((tmp_path / "rows.csv").read_bytes()))
    plain.to_json(tmp_path / "rows.json", orient="records")
    plain.to_stata(tmp_path / "rows.dta", write_index=False)
    for name in ("rows.csv.gz", "rows.json", "rows.dta"):
        np.testing.assert_allclose(read_table(tmp_path / name), ROWS, rtol=1e-12)
    assert load(tmp_path / "rows.csv.gz").shape == (3,)


def test_names_that_come_twice_are_counted(tmp_path):
    assert list(read_table(written(tmp_path / "rows.csv", "x,x,"))) == ["x", "x.1", "Unnamed: 2"]


def test_one_word_among_numbers_marks_what_is_missing_and_several_are_refused(tmp_path):
    rows = [*BODY[:9], ["unknown", *BODY[9][1:]], *BODY[10:], *BODY]
    file = written(tmp_path / "rows.csv", "x,y,z", rows=rows)
    with pytest.warns(UserWarning, match="column 'x' holds 'unknown' among numbers, which is taken as missing: 1"):
        data = load(file)
    schema = data.protocol.schema
    assert schema is not None and schema.features[0].kind in ("real", "positive")
    assert schema.features[0].missing == pytest.approx(1 / 60)
    rows[20] = ["n.d.", *BODY[0][1:]]
    with pytest.raises(DataError, match=r"column 'x' holds 'unknown' among numbers \(2 words\)"):
        load(written(tmp_path / "rows.csv", "x,y,z", rows=rows))
