"""Tables of packages: one that is not installed is left out, and the others are measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from prioria.cli import main
from prioria.papers import TABLES
from prioria.papers.own_sets import folder_of


def test_sets_whose_package_is_missing_are_left_out_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(cell):
        if cell.data == "iris":
            folder_of("a_package_that_nobody_has")
        return {"headline": f"measured {cell.data}", "shape": [1, 1]}

    table = replace(TABLES["own-tables"], measure=measure, page=lambda *_: Page())
    monkeypatch.setitem(TABLES, "own-tables", table)
    with pytest.raises(SystemExit) as end:
        places = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
        main(["reproduce", "own-tables", "--data", "iris,wine", *places])
    said = capsys.readouterr().out
    assert not end.value.code and "measured wine" in said
    assert "iris  default  seed 0: left out: this table comes with the package a_package_that_nobody_has" in said
    assert not list((tmp_path / "out").rglob("iris*/**/*.json"))  # so that it is measured once there is the package


class Page:
    """A page that is not looked at."""

    def write(self, out: Path, name: str) -> Path:
        return out / name
