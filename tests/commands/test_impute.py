"""Filling a table in and drawing rows with columns given, as a user types it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_iris

from prioria import data, improvement, starts
from tests.commands.test_commands import call


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("impute")
    iris = load_iris(as_frame=True)
    frame = iris.data.iloc[:, 1:].set_axis(["width", "length", "petal"], axis=1)
    frame.assign(kind=iris.target_names[iris.target]).to_csv(place / "iris.csv", index=False)
    rows = data.load(place / "iris.csv")
    train, validation = rows.train.tensor().numpy(), rows.validation.tensor().numpy()
    start = starts.mixture(train, validation, rows.protocol.schema, budget=1e8)
    improvement.improve(starts.build(start, full=True), rows, steps=1, out=place / "run")
    return place


@pytest.mark.slow
def test_holes_are_filled_in_original_kinds_and_the_rest_stays(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = pd.read_csv(folder / "iris.csv")
    holes = whole.copy()
    holes.loc[::3, "petal"], holes.loc[1::3, "kind"] = None, None
    holes.to_csv(folder / "holes.csv", index=False)
    call("impute", folder / "run", folder / "holes.csv", "--out", folder / "filled.csv", "--draws", 4)
    assert "100 missing entries of 100 rows filled in, 4 times" in capsys.readouterr().out
    filled = pd.read_csv(folder / "filled.csv")
    assert len(filled) == 600 and not filled[list(whole)].isna().any().any()
    first = filled[filled["draw"] == 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(first[["width", "length"]], whole[["width", "length"]])
    # of three species the petals tell the right one nearly always, and the species the petal's width to .2 or so
    named = first["kind"][1::3] == whole["kind"][1::3]
    assert named.mean() > 0.8
    assert (first["petal"] - whole["petal"]).abs()[::3].mean() < 0.35
    assert first["petal_sd"].notna().sum() == first["kind_probability"].notna().sum() == 50
    assert ((first["petal"] * 10).round() / 10 == first["petal"]).all()  # on the grid of the table


def test_rows_are_drawn_with_columns_given(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "given.csv"
    call("sample", folder / "run", "--given", "kind=setosa", "-n", 50, "--out", out)
    found, whole = pd.read_csv(out), pd.read_csv(folder / "iris.csv")
    assert (found["kind"] == "setosa").all() and len(found) == 50
    assert found["length"].mean() < whole[whole["kind"] != "setosa"]["length"].min()
    capsys.readouterr()
    call("sample", folder / "run", "--given", "kind=setosa", "--given", "width=3.5", "-n", 3)
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("color=red", "column 'color' is unknown; the model has width, length, petal, kind"),
        ("kind=tulip", "column 'kind': 'tulip' is not known; give one of setosa, versicolor, virginica"),
        ("setosa", "--given setosa must be COLUMN=VALUE"),
    ],
)
def test_unknown_columns_and_levels_are_named(
    folder: Path, given: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from prioria.cli import main

    with pytest.raises(SystemExit, match="2"):
        main(["sample", str(folder / "run"), "--given", given, "-n", "3"])
    assert message in capsys.readouterr().err
