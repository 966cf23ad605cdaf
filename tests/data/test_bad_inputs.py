"""Bad input of every kind ends in one clear line that names what is wrong, and leaves the input as it was."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from prioria.data import DataError, inspect, load, read_rows, splits
from prioria.data.formats import IDX_IMAGES, read_idx

RNG = np.random.default_rng(0)
GOOD = RNG.normal(size=(40, 3))


def save_npy(folder, array, name="rows.npy"):
    np.save(folder / name, array)
    return folder / name


def save_text(folder, text, name="rows.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def save_pictures(folder, *sizes):
    for number, size in enumerate(sizes):
        Image.new("L", size, number).save(folder / f"{number}.png")
    return folder


def empty_file(folder):
    (folder / "rows.npy").touch()
    return folder / "rows.npy"


def huge_npy(folder):
    path = folder / "huge.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (2**38, 4)})
    return path


def truncated_npy(folder):
    path = save_npy(folder, GOOD)
    path.write_bytes(path.read_bytes()[:-100])
    return path


def damaged_npz(folder):
    np.savez_compressed(folder / "rows.npz", x=GOOD)
    data = bytearray((folder / "rows.npz").read_bytes())
    data[80:120] = bytes(40)
    (folder / "rows.npz").write_bytes(data)
    return folder / "rows.npz"


def object_array(folder):
    np.save(folder / "rows.npy", np.array([[1, "a"], [None, 2]], object), allow_pickle=True)
    return folder / "rows.npy"


def missing_value(folder):
    rows = GOOD[:, :, None].repeat(4, 2)
    rows[7, 1] = np.nan
    return save_npy(folder, rows)


def mixed_sizes(folder):
    return save_pictures(folder, *[(8, 8)] * 5, (8, 9))


def broken_picture(folder):
    save_pictures(folder, *[(8, 8)] * 12)
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:-30])
    return folder


def text_named_png(folder):
    save_text(folder, "not a picture", "0.png")
    return folder


def picture_of_floats(folder):
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(folder / "0.tif")
    return folder


def two_arrays_in_npz(folder):
    np.savez(folder / "rows.npz", first=GOOD, second=GOOD)
    return folder / "rows.npz"


def empty_part(folder):
    np.savez(folder / "rows.npz", train=GOOD, validation=GOOD[:0], test=GOOD)
    return folder / "rows.npz"


def fewer_labels_than_rows(folder):
    np.savez(folder / "rows.npz", x=GOOD, y=np.zeros(39, int))
    return folder / "rows.npz"


def constant_column(folder):
    return save_npy(folder, np.concatenate([GOOD, np.full((40, 1), 5.0)], axis=1))


def zip_without_pictures(folder):
    with zipfile.ZipFile(folder / "set.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    return folder / "set.zip"


def text_named_zip(folder):
    return save_text(folder, "not a zip", "set.zip")


BAD = {
    "empty file": (empty_file, "cannot be read"),
    "truncated npy": (truncated_npy, "cut off"),
    "npy of 8 TiB": (huge_npy, "declares an array of 8,388,608.0 MiB and holds 0.0: it may be cut off"),
    "damaged npz": (damaged_npz, "cannot be read"),
    "object array": (object_array, "never unpickled"),
    "text array": (lambda f: save_npy(f, np.array([["a", "b"]] * 20)), "not real numbers"),
    "complex numbers": (lambda f: save_npy(f, GOOD + 1j), "not real numbers"),
    "NaN in series": (missing_value, "the first in row 7"),
    "nothing but NaN": (lambda f: save_npy(f, np.full((20, 2, 2), np.nan)), "every value is missing"),
    "columns of NaN": (lambda f: save_npy(f, np.full((20, 2), np.nan)), "is a feature"),
    "infinity": (lambda f: save_npy(f, np.where(GOOD > 2, np.inf, GOOD)), "NaN or infinite"),
    "beyond single precision": (lambda f: save_npy(f, GOOD * 1e300), "single precision"),
    "no rows": (lambda f: save_npy(f, np.zeros((0, 4))), "holds no values"),
    "one row": (lambda f: save_npy(f, GOOD[:1]), "1 rows are too few"),
    "labels in place of rows": (lambda f: save_npy(f, np.arange(40) % 10), "looks like labels"),
    "fewer labels than rows": (fewer_labels_than_rows, "39 labels for 40 rows"),
    "a constant column": (constant_column, "column 3 is always 5"),
    "all rows the same": (lambda f: save_npy(f, np.ones((40, 3)) * 2.5), "rows are the same"),
    "two arrays, no names": (two_arrays_in_npz, "first, second"),
    "mixed picture sizes": (mixed_sizes, "0.png is 8x8 grey but 5.png is 8x9 grey"),
    "a truncated picture": (broken_picture, "3.png"),
    "text named .png": (text_named_png, "0.png is no picture"),
    "a picture of floats": (picture_of_floats, "has F pixels"),
    "folder without pictures": (lambda f: f, "holds no picture"),
    "zip without pictures": (zip_without_pictures, "holds no picture"),
    "text named .zip": (text_named_zip, "not a zip"),
    "empty csv": (lambda f: save_text(f, ""), "is empty"),
    "csv of a header only": (lambda f: save_text(f, "a,b\n"), "no rows"),
    "csv with words": (
        lambda f: save_text(f, "a,b\n" + "".join(f"1,{i}\n" for i in range(40)) + "3,four\n4,five\n"),
        "four",
    ),
    "csv with one number among names": (lambda f: save_text(f, "a,7\n" + "x,2\n" * 20), "is a feature"),
    "npz with an empty part": (empty_part, "validation has no rows"),
    "long line": (lambda f: save_text(f, "a,b\n" + "1,2\n" * 9 + "1,2,3\n", "rows.csv"), "2 fields in line 11, saw 3"),
    "long line after a label": (
        lambda f: save_text(f, "a,label\n" + "1,x\n" * 9 + "1,x,3\n", "rows.csv"),
        "2 fields in line 11, saw 3",
    ),
    "short header": (lambda f: save_text(f, "a,b\n" + "1,2,3\n" * 12, "rows.csv"), "2 names, the others 3 fields"),
    "text named .parquet": (lambda f: save_text(f, "no columns", "rows.parquet"), "cannot be read"),
    "pickle": (lambda f: save_text(f, "cos", "model.pkl"), "'.pkl' files are not read|.pkl files are not read"),
    "no such file": (lambda f: f / "absent.npy", "neither a file nor a known data set"),
}


@pytest.mark.parametrize(("make", "reason"), BAD.values(), ids=BAD.keys())
def test_bad_file(make, reason, tmp_path):
    path = make(tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(DataError, match=reason) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 500
    assert path.name in message
    assert before == {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}


def idx(magic, *sizes, values=b""):
    return struct.pack(f">{1 + len(sizes)}i", magic, *sizes) + values


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(idx(2051, 2, 2, 2, values=bytes(8)))[:-12], "cut off"),
        (b"no gzip", "cannot be read"),
        (gzip.compress(idx(2049, 8, values=bytes(8))), "holds labels .* not images"),
        (gzip.compress(idx(1234, 8, values=bytes(8))), "magic 1234"),
        (gzip.compress(idx(2051, 2, 2, 2, values=bytes(7))), "cannot be read"),
        (gzip.compress(b""), "cannot be read"),
    ],
    ids=["truncated gzip", "no gzip", "labels", "wrong magic", "too short", "nothing"],
)
def test_bad_idx(data, reason, tmp_path):
    (tmp_path / "images.gz").write_bytes(data)
    with pytest.raises(DataError, match=reason) as caught:
        read_idx(tmp_path / "images.gz", IDX_IMAGES)
    assert "images.gz" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ([[1, 2], [3]], "one shape"),
        ((GOOD, np.zeros(40), 1), "a tuple of 3"),
        ((GOOD, np.zeros(3)), "3 labels for 40 rows"),
        ((GOOD, np.array([None] * 40)), "neither numbers nor text"),
        ("mnits", "did you mean mnist"),
        (torch.utils.data.TensorDataset(torch.zeros(9, 2), torch.zeros(9), torch.zeros(9)), "3 parts"),
        ([Image.new("L", (2, 2))] * 3 + [None], "not real numbers|one shape"),
    ],
    ids=["ragged list", "triple", "labels", "label type", "misspelt name", "three parts", "objects"],
)
def test_bad_object(source, reason):
    with pytest.raises(DataError, match=reason) as caught:
        load(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"binarize": "dynamic"}, "binarize and relaxed are for grey values, these are continuous"),
        ({"relaxed": True}, "these are continuous"),
        ({"levels": 16}, "levels=16 needs whole values"),
    ],
)
def test_options_that_do_not_fit_the_values(options, reason):
    with pytest.raises(DataError, match=reason):
        load(GOOD, **options)


def test_options_of_a_known_set_are_refused():
    with pytest.raises(DataError, match="its own protocol"):
        load("digits", binarize="dynamic")


def test_standardize_is_for_continuous_values():
    with pytest.raises(DataError, match="these are binary"):
        load(RNG.integers(0, 2, (40, 3)), standardize=True)


def test_columns_without_a_deviation_in_the_training_rows_are_not_standardized(tmp_path):
    train = np.concatenate([RNG.normal(size=(30, 2)), np.full((30, 1), 4)], 1)
    np.savez(tmp_path / "rows.npz", train=train, validation=GOOD[:5], test=GOOD[5:])
    with pytest.raises(DataError, match="column 2 is always 4 in the training rows"):
        load(tmp_path / "rows.npz", standardize=True)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (np.zeros((5, 4)), r"rows of shape \(4,\)"),
        (np.full((5, 64), 300), "trained on 0 to 16"),
        (np.full((5, 64), np.nan), "missing"),
    ],
)
def test_rows_that_do_not_fit_a_trained_model(rows, reason):
    with pytest.raises(DataError, match=reason):
        read_rows(rows, load("digits").protocol)


def test_no_room_for_a_temporary_file(monkeypatch):
    monkeypatch.setattr(splits, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(splits.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 10}))
    with pytest.raises(DataError, match="no room"):
        splits.allocate((100, 10), np.float32)


def test_unreadable_file(tmp_path, monkeypatch):
    path = save_npy(tmp_path, GOOD)

    def denied(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(np, "load", denied)
    with pytest.raises(DataError, match="Permission denied"):
        load(path)


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match=r"pip install 'prioria\[data\]'"):
        load(save_text(tmp_path, "", "rows.parquet"))


def test_non_ascii_paths_are_good(tmp_path):
    folder = tmp_path / "Zahlen überall 数"
    folder.mkdir()
    assert inspect(save_npy(folder, GOOD, "größe.npy")).shape == (40, 3)
    buffer = io.StringIO("höhe;label\n" + "1.5;ä\n2.5;ö\n" * 10)
    assert load(save_text(folder, buffer.getvalue(), "tabelle.csv")).protocol.classes == ("ä", "ö")
