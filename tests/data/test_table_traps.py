"""Tables that unpack to a hundred times their size, or whose XML grows by itself: one line, before they are read."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prioria.data import DataError, load
from prioria.data.own import room

ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET = (
    f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "lol">{ENTITIES}]><worksheet xmlns="{NAMESPACE}"><sheetData>'
    '<row r="1"><c r="A1" t="inlineStr"><is><t>&e9;</t></is></c></row></sheetData></worksheet>'
)


def with_part(path: Path, name: str, content: str) -> Path:
    """A workbook that pandas wrote, with one of its parts replaced or added."""
    pd.DataFrame({"a": ["x", "y"] * 20, "b": range(40)}).to_excel(path.with_name("whole.xlsx"), index=False)
    with (
        zipfile.ZipFile(path.with_name("whole.xlsx")) as whole,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as changed,
    ):
        for each in whole.namelist():
            changed.writestr(each, content if each == name else whole.read(each))
        if name not in whole.namelist():
            changed.writestr(name, content)
    return path


def test_entities_that_multiply_are_refused(tmp_path: Path) -> None:
    path = with_part(tmp_path / "bomb.xlsx", "xl/worksheets/sheet1.xml", SHEET)
    with pytest.raises(DataError, match=r"bomb\.xlsx cannot be read .*; save it again"):
        load(path)


@pytest.mark.parametrize("suffix", ["xlsx", "csv.gz"])
def test_what_unpacks_to_a_hundred_times_as_much_is_refused(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"large.{suffix}"
    if suffix == "xlsx":
        with_part(path, "xl/more.xml", " " * 10**7)
    else:
        path.write_bytes(gzip.compress(b"1,2\n" * 10**6))
    monkeypatch.setattr(room, "UNPACKED", 10**6)
    with pytest.raises(DataError, match=r"large\..* has 0\.0 MiB and unpacks to .*: over a hundred times as much"):
        load(path)
    monkeypatch.setattr(room, "UNPACKED", 10**9)
    assert suffix == "csv.gz" or len(load(path).train) == 32  # four of five rows


def test_a_member_that_is_no_array_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.ones((20, 3)))
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match=r"x\.npz: its member 'readme\.txt' is no array"):
        load(tmp_path / "x.npz")


def test_a_picture_in_a_zip_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", b"\0" * 10**7)
    monkeypatch.setattr(room, "UNPACKED", 10**6)
    with pytest.raises(DataError, match=r"a\.png has 0\.0 MiB and unpacks to 10"):
        load(tmp_path / "p.zip")
