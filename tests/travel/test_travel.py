"""A run that is copied without its data to another place works there, and speaks the units of its data."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from palmerpenguins import load_penguins
from scipy.stats import norm

import prioria
from prioria import data, evaluate
from prioria.cli import main
from prioria.data import carried, written
from prioria.storage import write_sealed
from tests.commands.test_commands import arrays, call

SMALL = ["--network.hidden", "16", "16", "--latents", "2", "--epochs", "2"]
SIZES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    found = load_penguins()[SIZES].dropna().reset_index(drop=True)
    found.insert(0, "id", [f"P{number:03}" for number in range(len(found))])
    return found


@pytest.fixture(scope="module")
def trained(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and no data."""
    home, away = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("away")
    table.to_csv(home / "penguins.csv", index=False)
    call("train", home / "penguins.csv", *SMALL, "--out", home / "run")
    shutil.copytree(home / "run", away / "run")
    shutil.rmtree(home)
    return away


@pytest.fixture
def away(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a copy of a run whose data is gone."""
    monkeypatch.chdir(trained)
    return trained


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr().err.strip()
    assert end.value.code == 2 and len(said.splitlines()) == 1
    return said


def test_samples_have_names_and_kinds(away: Path, table: pd.DataFrame) -> None:
    call("sample", "run", "--num-samples", 40, "--out", "x.csv")
    found = pd.read_csv("x.csv")
    assert list(found) == SIZES and found["body_mass_g"].dtype == np.int64
    assert (found > 0).all().all()
    assert (found["body_mass_g"] % 5 == 0).all()  # the step of the scales in the data
    text = (away / "x.csv").read_text().splitlines()[1:]
    assert all(len(line.split(",")[0].partition(".")[2]) <= 1 for line in text)
    for name in SIZES:  # the model has hardly been trained: a few deviations around the mean
        assert abs(found[name].mean() - table[name].mean()) < 2 * table[name].std()
    call("sample", "run", "--num-samples", 40, "--out", "x.json")
    assert pd.DataFrame(json.loads(Path("x.json").read_text())).astype(float).equals(found.astype(float))


def test_scores_are_in_the_units_of_the_data(away: Path, table: pd.DataFrame) -> None:
    table.head(30).to_csv("rows.csv", index=False)
    call("score", "run", "rows.csv", "--num-samples", 40, "--out", "scores.csv")
    found, model = pd.read_csv("scores.csv"), prioria.load("run")
    assert found["id"].tolist() == table["id"].head(30).tolist() and found["row"].tolist() == list(range(30))
    assert model.protocol is not None and model.protocol.schema is not None
    values, volume = table[SIZES].head(30).to_numpy(), np.zeros(30)
    for d, column in enumerate(model.protocol.schema.features):  # dv/dx of v = c + s x, or of v = exp(c + s x)
        volume += np.log(column.scale) + (np.log(values[:, d]) if column.treatment == "log" else 0)
    x = data.read_rows(table.head(30), model.protocol)
    inside = evaluate.log_likelihood(model, x, num_samples=40).pointwise.numpy()
    np.testing.assert_allclose(found["log_likelihood"], inside - volume, atol=1e-4)


def test_a_row_without_a_number_does_not_stop_the_others(away: Path, table: pd.DataFrame) -> None:
    rows = table.head(20).copy()
    rows.to_csv("rows.csv", index=False)
    call("score", "run", "rows.csv", "--num-samples", 20, "--out", "whole.csv")
    rows.loc[3, "bill_depth_mm"], rows.loc[7, "body_mass_g"] = np.nan, np.inf
    rows.loc[11, "bill_length_mm"] = 100.0
    rows.to_csv("rows.csv", index=False)
    infinite = pytest.warns(UserWarning, match="'body_mass_g': 1 values are not positive or not finite, first inf")
    with infinite, pytest.warns(UserWarning, match="2 of 20 rows have no finite estimate and are -inf: row 3, 7"):
        call("score", "run", "rows.csv", "--num-samples", 20, "--top", 3, "--contamination", 0.15, "--out", "s.csv")
    whole, found = pd.read_csv("whole.csv"), pd.read_csv("s.csv")
    assert found.index[~found["scored"]].tolist() == [3, 7] and np.isneginf(found["log_likelihood"][[3, 7]]).all()
    others = [row for row in range(20) if row not in (3, 7, 11)]
    np.testing.assert_allclose(found["log_likelihood"][others], whole["log_likelihood"][others], rtol=1e-5)
    assert found.index[found["anomalous"]].tolist() == [3, 7, 11]
    assert found.sort_values("rank").index[:3].tolist() == [3, 7, 11]
    firsts = [found["columns"][row].partition(" ")[0] for row in (3, 7, 11)]
    assert firsts == ["bill_depth_mm", "body_mass_g", "bill_length_mm"]
    assert found["columns"].drop([3, 7, 11]).isna().all()


def test_columns_are_scored_by_their_own_density() -> None:
    """Under a standard normal that knows nothing of z, log p of a column is that of scipy."""
    torch.manual_seed(0)
    model = prioria.build.model("two-moons", latents=2, seed=0)
    for parameter in model.likelihood.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(5, 2)
    found = evaluate.column_log_likelihoods(model, x, num_samples=3)
    assert found is not None
    np.testing.assert_allclose(found, norm.logpdf(x, scale=model.likelihood.log_scale.exp().detach()), rtol=1e-5)


def test_encodings_have_names(away: Path, table: pd.DataFrame) -> None:
    rows = table.head(10)[["id", *SIZES[::-1]]]  # in another order
    rows.to_csv("rows.csv", index=False)
    call("encode", "run", "rows.csv", "--out", "z.parquet")
    found, model = pd.read_parquet("z.parquet"), prioria.load("run")
    assert list(found) == ["row", "id", "z_0", "z_1"]
    expected = model.encode(table.head(10))  # a table is read by the names of its columns
    np.testing.assert_allclose(found[["z_0", "z_1"]], expected, rtol=1e-5)
    call("encode", "run", "rows.csv", "--out", "z.npz")
    np.testing.assert_allclose(arrays(Path("z.npz"))["z"], expected, rtol=1e-5)


def test_rows_of_the_data_are_asked_for_where_they_are_needed(away: Path, table: pd.DataFrame, capsys) -> None:
    for command in (["evaluate", "run", "--num-samples", 5], ["report", "run"], ["interpolate", "run"]):
        said = refused(capsys, *command)
        assert "penguins.csv, which is not there" in said and "--data PATH" in said
    table.to_csv("elsewhere.csv", index=False)
    call("evaluate", "run", "--num-samples", 5, "--data", "elsewhere.csv")
    assert json.loads(Path("run/evaluation.json").read_text())["log_likelihood"]["num_samples"] == 5
    table[::-1].to_csv("elsewhere.csv", index=False)
    assert "is not what the run was trained on" in refused(capsys, "evaluate", "run", "--data", "elsewhere.csv")
    Path("elsewhere.csv").unlink()


def test_strict_refuses_what_is_otherwise_taken_as_missing(away: Path, table: pd.DataFrame, capsys) -> None:
    table.head(10).drop(columns="body_mass_g").to_csv("rows.csv", index=False)
    for command in (["score", "run", "rows.csv"], ["encode", "run", "rows.csv", "--out", "z.csv"]):
        said = refused(capsys, *command, "--strict")
        assert "column 'body_mass_g' is missing" in said and "leave --strict out" in said
    table.head(10).to_csv("rows.csv", index=False)
    call("score", "run", "rows.csv", "--num-samples", 5, "--strict")


def test_runs_are_compared_and_resumed_where_the_data_lies_now(away: Path, table: pd.DataFrame, tmp_path: Path, capsys):
    table.to_csv(tmp_path / "elsewhere.csv", index=False)
    shutil.copytree("run", tmp_path / "run")
    shutil.copytree("run", tmp_path / "other")
    moved = ["--data", tmp_path / "elsewhere.csv"]
    assert "--data PATH" in refused(capsys, "compare", tmp_path / "run", tmp_path / "other")
    call("train", "--resume", tmp_path / "other", "--epochs", "+1", *moved)
    call("compare", tmp_path / "run", tmp_path / "other", *moved)
    assert "best epoch" in capsys.readouterr().out


def test_a_suffix_that_is_not_written_is_refused_first(away: Path, capsys) -> None:
    assert "'x.xyz' is named as no format that is written here" in refused(capsys, "sample", "run", "--out", "x.xyz")


def test_a_model_keeps_its_treatment_when_it_is_saved(away: Path, tmp_path: Path) -> None:
    model = prioria.load("run")
    model.save(tmp_path / "model")
    assert prioria.load(tmp_path / "model").protocol == model.protocol
    call("sample", tmp_path / "model", "--num-samples", 3, "--out", tmp_path / "x.tsv")
    assert list(pd.read_csv(tmp_path / "x.tsv", sep="\t")) == SIZES


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 9}, "is not a treatment of rows of format"),
        ({"shape": [4, "x"]}, "shape=.* is not a shape"),
        ({"shape": []}, "shape=.* is empty|is not a shape"),
        ({"scale": float("nan")}, "NaN is no number"),
        ({"scale": [1.0, 2.0]}, "scale has 2 numbers for 4 columns"),
        ({"scale": -1.0}, "not positive"),
        ({"kind": "sound"}, "kind='sound' is not one of binary"),
        ({"title": 3}, "title='3' is not text"),
        ({"command": "ls"}, "'command' is unknown"),
        ({"skeleton": "../../etc/passwd"}, "no file below the root"),
        ({"pictures": {"crop": 1}}, "pictures="),
        ({"series": {"window": "x"}}, "series="),
        ({"schema": None}, "schema"),
    ],
)
def test_a_damaged_treatment_is_refused(away: Path, tmp_path: Path, change: dict, message: str) -> None:
    shutil.copytree("run/best", tmp_path / "model")
    file = tmp_path / "model" / carried.FILE
    write_sealed(file, {key: value for key, value in json.loads(file.read_text()).items() if key != "digest"} | change)
    with pytest.raises(ValueError, match=message) as found:
        prioria.load(tmp_path / "model")
    assert carried.FILE in str(found.value) and "\n" not in str(found.value)


def test_a_treatment_that_was_edited_is_refused(away: Path, tmp_path: Path) -> None:
    shutil.copytree("run/best", tmp_path / "model")
    file = tmp_path / "model" / carried.FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | {"title": "another"}))
    with pytest.raises(ValueError, match=r"treatment\.json.* is not what was written|treatment\.json.*digest"):
        prioria.load(tmp_path / "model")


def test_documents_are_as_long_as_those_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = np.random.default_rng(0).multinomial(1, np.full(6, 1 / 6), size=60) * 7
    np.save(tmp_path / "counts.npy", counts + np.eye(6, dtype=int)[np.arange(60) % 6])  # 8 words each
    monkeypatch.chdir(tmp_path)
    call("train", "counts.npy", *SMALL, "--likelihood", "multinomial", "--out", "run")
    Path("counts.npy").unlink()
    call("sample", "run", "--num-samples", 20, "--out", "x.csv")
    found = pd.read_csv("x.csv")
    assert (found.sum(axis=1) == 8).all() and list(found) == [f"x{number}" for number in range(6)]


def test_a_frame_of_categories_has_their_names() -> None:
    penguins = load_penguins()
    known = data.load(penguins).protocol
    assert known.schema is not None
    x = torch.from_numpy(known.schema.encode(penguins))
    found = written.frame(known, x)
    assert (
        found["species"].tolist() == penguins["species"].tolist()
        and found["year"].tolist() == penguins["year"].tolist()
    )
    assert carried.from_json(json.loads(json.dumps(carried.to_json(known)))) == known


AWAY = """
import sys
from prioria.cli import main
import prioria

for line in sys.stdin.read().splitlines():
    try:
        main(line.split())
    except SystemExit as end:
        assert not end.code, (line, end.code)
assert tuple(prioria.load("run").sample(2).shape) == (2, 4)
"""


@pytest.mark.slow
def test_all_commands_that_need_no_rows_of_the_data_work_in_another_process(away: Path, table: pd.DataFrame) -> None:
    table.head(20).to_csv("rows.csv", index=False)
    table.to_csv("moved.csv", index=False)
    lines = [
        "sample run --out samples.csv",
        "encode run rows.csv --out z.csv",
        "score run rows.csv --num-samples 20 --top 3 --out scores.csv",
        "impute run rows.csv --draws 2 --num-samples 20 --out filled.csv",
        "export run --out exported",
        "evaluate run --data moved.csv --num-samples 20",
        "report run --data moved.csv",
    ]
    command = [sys.executable, "-c", AWAY]
    subprocess.run(command, input="\n".join(lines), text=True, check=True, cwd=away, capture_output=True, timeout=500)
    for name in ("samples.csv", "z.csv", "scores.csv", "filled.csv", "run/evaluation.json", "run/report.html"):
        assert (away / name).stat().st_size > 0
    assert any((away / "exported").iterdir())
