"""Tables and arrays in other forms that people have: sheets, JSON lines, encodings, written numbers, named arrays."""

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from prioria.data import DataError, Split, load, splits
from prioria.data.own import encodings
from prioria.data.own.inspection import survey
from prioria.data.own.tables import read_table

RNG = np.random.default_rng(5)
FRAME = pd.DataFrame(
    {
        "height": RNG.normal(2, 1, 40).round(3),
        "visits": RNG.integers(0, 30, 40),
        "town": RNG.choice(["Ulm", "Köln"], 40),
    }
)
X, Y = RNG.normal(size=(40, 3)), RNG.integers(0, 2, 40)


def sheets(place: Path, **given: pd.DataFrame) -> Path:
    with pd.ExcelWriter(place) as book:
        for name, rows in given.items():
            rows.to_excel(book, sheet_name=name, header=False, index=False)
    return place


def cells(*above: list, left: int = 0) -> pd.DataFrame:
    """The table as cells of a sheet, below lines and beside empty columns."""
    rows = [*above, list(FRAME.columns), *FRAME.to_numpy(object).tolist()]
    return pd.DataFrame([([None] * left + row + [None] * 3)[: 3 + left] for row in rows], dtype=object)


@pytest.mark.parametrize(
    "given",
    [
        {"a": cells()},
        {"a": cells(["Our trees"])},
        {"a": cells(["Report 2020", None, 5], [], ["made by", "me"], [])},
        {"a": cells(["Measured", None, "Place"])},  # groups of columns
        {"a": cells([], [], left=2)},
        {"Read me": pd.DataFrame([["how it was made"], ["by whom"]]), "Data": cells()},
    ],
)
def test_the_table_of_a_workbook_is_found(given, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pd.testing.assert_frame_equal(read_table(sheets(tmp_path / "book.xlsx", **given)), FRAME, check_dtype=False)


def test_what_is_left_out_of_a_workbook_is_said(tmp_path):
    with pytest.warns(UserWarning, match="lines before the table, left out: 1"):
        read_table(sheets(tmp_path / "title.xlsx", a=cells(["Our trees"])))
    with pytest.warns(UserWarning, match="sheet 'a' is read, and left out: b"):
        read_table(sheets(tmp_path / "two.xlsx", a=cells(), b=cells()))
    numbers = pd.DataFrame(X)
    np.testing.assert_allclose(read_table(sheets(tmp_path / "bare.xlsx", a=numbers)), X)


def test_json_of_every_kind(tmp_path):
    records = FRAME.to_json(orient="records", lines=True)
    texts = {
        "rows.jsonl": records,
        "rows.ndjson": records,
        "lines.json": records,
        "split.json": FRAME.to_json(orient="split", index=False),
        "below.json": json.dumps({"data": FRAME.to_dict("records")}),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        pd.testing.assert_frame_equal(read_table(tmp_path / name)[list(FRAME)], FRAME, check_dtype=False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_encodings(encoding, tmp_path):
    (tmp_path / "rows.csv").write_bytes(FRAME.to_csv(index=False).encode(encoding))
    pd.testing.assert_frame_equal(read_table(tmp_path / "rows.csv"), FRAME, check_dtype=False)


def test_what_no_encoding_fits_is_refused(tmp_path):
    (tmp_path / "rows.csv").write_bytes("町,x\n東京,1\n大阪,2\n".encode("shift_jis") + b"\x81\x8d\n")
    with pytest.raises(DataError, match="neither UTF-8, UTF-16 nor Windows-1252; save it in UTF-8"):
        read_table(tmp_path / "rows.csv")


VALUES = np.array([1250.5, 80.25, 999999.75, 3.5, 12.25, 1234567.5])


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ([f"{v:,.2f}" for v in VALUES], VALUES),
        ([f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for v in VALUES], VALUES),
        ([f"{v:,.2f}".replace(",", " ").replace(".", ",") for v in VALUES], VALUES),
        ([f"${v:,.2f}" for v in VALUES], VALUES),
        ([f"-€{v:.2f}" if k % 2 else f"€{v:.2f}" for k, v in enumerate(VALUES)], VALUES * ([1, -1] * 3)),
        ([f"{v:.2f} €".replace(".", ",") for v in VALUES], VALUES),
        ([f"{v:.1f}%" for v in (1.5, 2.5, 99.0, 0.0, 5.5, 7.5)], np.array([1.5, 2.5, 99.0, 0.0, 5.5, 7.5])),
        (["1,5", "2", "3,25", "4", "0,125", "10"], np.array([1.5, 2, 3.25, 4, 0.125, 10])),
        (["1,234", "512", "2,000", "17", "900", "3,001"], np.array([1234, 512, 2000, 17, 900, 3001])),
    ],
)
def test_numbers_as_people_write_them(words, values, tmp_path):
    pd.DataFrame({"name": list("abcdef"), "price": words}).to_csv(tmp_path / "rows.csv", index=False)
    found = read_table(tmp_path / "rows.csv")["price"]
    np.testing.assert_allclose(found, values)


@pytest.mark.parametrize(
    "words",
    [["$5", "7", "8"], ["$5", "€7", "$8"], ["1.2.3", "4.5.6", "7.8.9"], ["5 m", "6", "7"]],
)
def test_words_that_are_no_numbers_stay_words(words, tmp_path):
    pd.DataFrame({"code": words, "x": [1.5, 2.5, 3.5]}).to_csv(tmp_path / "rows.csv", index=False)
    assert list(read_table(tmp_path / "rows.csv")["code"]) == words


def test_sentences_are_one_column_and_years_are_a_header(tmp_path):
    (tmp_path / "notes.csv").write_text("note\n" + "".join(f"free text number {k} x\n" for k in range(30)))
    assert list(read_table(tmp_path / "notes.csv")) == ["note"]
    years = pd.DataFrame(RNG.normal(2012, 20, (30, 4)).round(1), columns=range(2010, 2014))
    years.to_csv(tmp_path / "years.csv", index=False)
    assert list(read_table(tmp_path / "years.csv")) == ["2010", "2011", "2012", "2013"]


def test_decimals_spans_of_time_and_bytes_of_a_parquet_file(tmp_path):
    from decimal import Decimal

    columns = {
        "price": [Decimal(f"{k}.25") for k in range(20)],
        "took": pd.to_timedelta(np.arange(20), unit="min"),
        "code": [b"a", b"b"] * 10,
    }
    pd.DataFrame(columns).to_parquet(tmp_path / "rows.parquet")
    found = read_table(tmp_path / "rows.parquet")
    assert found["price"].tolist() == [k + 0.25 for k in range(20)]
    assert found["took"].tolist() == [60.0 * k for k in range(20)]
    assert found["code"].tolist() == ["a", "b"] * 10


@pytest.mark.parametrize(
    "names",
    [("X", "y"), ("data", "target"), ("features", "labels"), ("images", "labels"), ("x", "Y")],
)
def test_arrays_by_their_common_names(names, tmp_path):
    np.savez(
        tmp_path / "rows.npz", **dict(zip(names, (X, Y[:, None]), strict=True)), feature_names=np.array(["a", "b", "c"])
    )
    data = load(tmp_path / "rows.npz")
    assert data.shape == (3,) and sorted(torch_labels(data)) == sorted(Y)


@pytest.mark.parametrize("form", ["X_{}", "x_{}", "{}_x", "{}_images", "{}"])
def test_parts_of_a_split_by_their_common_names(form, tmp_path):
    label = "y_{}" if "x" in form.lower() else "{}_labels"
    arrays = {
        form.format("train"): X,
        form.format("test"): X[:12],
        label.format("train"): Y,
        label.format("test"): Y[:12],
    }
    np.savez(tmp_path / "rows.npz", **arrays)
    data = load(tmp_path / "rows.npz")
    assert [len(each) for each in (data.train, data.validation, data.test)] == [36, 4, 12]
    np.testing.assert_allclose(data.test.tensor(), X[:12], rtol=1e-6)
    assert data.test.labels.tolist() == Y[:12].tolist()


def torch_labels(data) -> list[int]:
    return [label for part in (data.train, data.validation, data.test) for label in part.labels.tolist()]


def test_two_arrays_of_one_meaning_are_refused(tmp_path):
    np.savez(tmp_path / "rows.npz", x=X, data=X)
    with pytest.raises(DataError, match="beside others of its meaning; keep one"):
        load(tmp_path / "rows.npz")


def test_records_and_columns_first_arrays(tmp_path):
    records = np.array([(1.5 * k, k % 7) for k in range(40)], dtype=[("size", "f8"), ("count", "i4")])
    np.save(tmp_path / "records.npy", records)
    assert [each.name for each in load(tmp_path / "records.npy").protocol.schema.columns] == ["size", "count"]
    np.save(tmp_path / "columns.npy", np.asfortranarray(X))
    np.save(tmp_path / "rows.npy", X)
    assert load(tmp_path / "columns.npy").train.digest() == load(tmp_path / "rows.npy").train.digest()


def test_pictures_with_channels_last_are_turned(tmp_path):
    pictures = RNG.integers(0, 256, (20, 16, 12, 3), dtype=np.uint8)
    np.save(tmp_path / "last.npy", pictures)
    np.save(tmp_path / "first.npy", pictures.transpose(0, 3, 1, 2))
    last, first = load(tmp_path / "last.npy"), load(tmp_path / "first.npy")
    assert last.shape == (3, 16, 12) and last.train.digest() == first.train.digest()
    square = RNG.random((20, 16, 16)) * 255
    assert load(square).protocol.kind == "grey" and load(square).shape == (1, 16, 16)


def test_arrays_too_large_for_memory_are_not_turned_in_it(tmp_path, monkeypatch):
    np.save(tmp_path / "columns.npy", np.asfortranarray(X))
    np.save(tmp_path / "last.npy", RNG.integers(0, 256, (20, 16, 12, 3), dtype=np.uint8))
    monkeypatch.setattr(splits, "IN_MEMORY_BYTES", 0)
    with pytest.raises(DataError, match="stored column by column; save np.ascontiguousarray"):
        load(tmp_path / "columns.npy")
    with pytest.raises(DataError, match="channels last.*save np.moveaxis"):
        load(tmp_path / "last.npy")


@pytest.mark.parametrize("unit", [1e30, 1e-30])
def test_large_and_tiny_columns_are_standardized(unit):
    values = RNG.normal(size=200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load(pd.DataFrame({"a": unit * values, "b": values}))
    a, b = data.train.tensor().unbind(1)
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    written = data.protocol.schema.decode(data.test.tensor().numpy())
    np.testing.assert_allclose(written["a"] / unit, written["b"], rtol=1e-4, atol=1e-5)


def test_numbers_that_single_precision_has_not_are_missing_or_refused():
    values = RNG.normal(size=40)
    few = pd.DataFrame({"a": values, "b": values})
    few.loc[[3, 5], "a"] = [1e300, np.inf]
    with pytest.warns(UserWarning, match=r"column 'a': values that are infinite or exceed .*taken as missing: 2"):
        data = load(few)
    assert sum(int(part.tensor().isnan().sum()) for part in (data.train, data.validation, data.test)) == 2
    with pytest.raises(DataError, match="column 'a': 40 of 40 values are infinite or exceed.*--ignore a"):
        load(few.assign(a=1e300 * values))
    with pytest.raises(DataError, match="column 'a': .*multiply them by a power of ten, or say --ignore a"):
        load(few.assign(a=1e-300 * values))


def test_one_number_and_a_word_are_two_names_and_a_table_of_constants_says_so():
    found = load(pd.DataFrame({"a": ["1"] * 20 + ["m"], "b": RNG.normal(size=21)}))
    assert found.protocol.schema.columns[0].levels == ("1", "m")
    with pytest.raises(DataError, match=r"no column of a \(constant\), b \(constant\) is a feature"):
        load(pd.DataFrame({"a": [1] * 20, "b": [2] * 20}))


def test_few_rows_are_held_out_by_twos():
    """Of one row there is no error of a mean."""
    data = load(pd.DataFrame(RNG.normal(size=(12, 2)), columns=["a", "b"]))
    assert [len(each) for each in (data.train, data.validation, data.test)] == [8, 2, 2]


def test_pictures_of_sixteen_bits_have_grey_levels(tmp_path):
    """As counts of words they would have millions of nats."""
    np.save(tmp_path / "deep.npy", RNG.integers(0, 4096, (30, 1, 16, 16), dtype=np.uint16))
    data = load(tmp_path / "deep.npy")
    assert (
        data.protocol.kind == "grey"
        and data.protocol.scale == 4096
        and data.protocol.likelihoods[0] == "FrequencyGaussian"
    )
    counts = RNG.poisson(300, (30, 16)).astype(np.uint16)
    assert load(counts).protocol.kind == "count"


def test_lines_longer_than_what_is_looked_at_first(tmp_path):
    """A table of genes has a header of a megabyte."""
    names = [f"gene of a long name {number:020}" for number in range(3500)]
    wide = pd.DataFrame(RNG.normal(size=(12, len(names))).round(2), columns=names)
    wide.to_csv(tmp_path / "wide.csv", index=False)
    limit = csv.field_size_limit()
    assert len(",".join(names)) > max(limit, encodings.HEAD)
    found = read_table(tmp_path / "wide.csv")
    assert list(found) == names and len(found) == 12 and csv.field_size_limit() == limit


def test_a_letter_that_is_cut_in_two_does_not_change_the_encoding(tmp_path):
    text = "x" * (encodings.HEAD - 1) + "é,y\n1,2\n3,4\n"
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    assert encodings.encoding_of(tmp_path / "rows.csv") == "utf-8-sig"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says what of a file is in memory")
def test_a_pass_over_a_memory_map_leaves_none_of_it_in_memory(tmp_path):
    def mapped() -> int:
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(lines["RssFile"].split()[0]) // 1024

    rows = np.lib.format.open_memmap(tmp_path / "rows.npy", "w+", np.float32, (2**14, 1024))  # 64 MiB
    rows[:] = 0.0
    rows[::2] = 1.5
    del rows
    before, rows = mapped(), np.load(tmp_path / "rows.npy", mmap_mode="r")
    survey(rows, "rows")
    assert mapped() - before < 16
    split = Split(rows, None, load(np.asarray(rows[:20]) + 0.1).protocol)
    for start in range(0, len(rows), 512):
        split.batch(torch.arange(start, start + 512))
    assert mapped() - before < 16
