"""Folders of parts: one in, one out, none twice, whoever is killed and however many work."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from prioria import atomic, build, evaluate, objectives, workers
from prioria import load as load_model
from prioria.cli import main
from prioria.commands import parts
from prioria.commands.score import score_part
from prioria.data import load
from prioria.data.own.parts import part_names
from prioria.train import fit
from tests.commands import dying
from tests.commands.test_commands import call
from tests.train.test_resume import at_call, die, killed

NAMES = ["day=1/part.parquet", "day=2/part.parquet", "day=3/part.parquet"]
COLUMNS = ["age", "sex", "day"]


def frame(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    found = pd.DataFrame(
        {
            "id": [f"{seed}-{k}" for k in range(rows)],
            "age": rng.normal(40, 10, rows),
            "sex": rng.choice(["f", "m"], rows),
        }
    )
    found.loc[rng.random(rows) < 0.2, "age"] = np.nan
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("visits") / "rows"
    for seed, name in enumerate(NAMES):
        (place / name).parent.mkdir(parents=True)
        frame(30 + seed, seed).to_parquet(place / name, index=False, row_group_size=20)
    return place


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out, data = tmp_path_factory.mktemp("runs") / "run", load(folder)
    model = build.model(data, latents=2, network={"kind": "mlp", "hidden": (4,)}, seed=0)
    fit(model, objectives.ELBO(), data, epochs=1, out=out, trackers=(), progress=False)
    return out


@pytest.fixture(scope="module")
def scores(run: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process writes that nothing disturbs."""
    out = tmp_path_factory.mktemp("scores") / "scores"
    parts.over_parts(**score(run, folder, out))
    return out


def score(run: Path, folder: Path, out: Path) -> dict:
    compute = partial(score_part, num_samples=20, threshold=None)
    about = {"command": "score", "num_samples": 20, "threshold": None}
    computes = parts.of_each(folder, compute)
    return {"computes": computes, "model": run, "folder": folder, "out": out, "about": about, "seed": 0}


def tables(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in part_names(out)}


def read(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path, partitioning=None)


def test_a_part_is_scored_as_its_rows_are_alone(run: Path, folder: Path, scores: Path) -> None:
    assert list(tables(scores)) == NAMES
    model = load_model(run)
    for seed, name in enumerate(NAMES):
        rows, found = frame(30 + seed, seed).assign(day=seed + 1), read(scores / name)
        noise = parts._seed(0, name)
        x = torch.from_numpy(model.protocol.schema.encode(rows))
        expected = evaluate.scores(model, x, num_samples=20, seed=noise).log_likelihood
        np.testing.assert_allclose(found["log_likelihood"], expected, rtol=1e-12)
        assert found["id"].tolist() == rows["id"].tolist() and found["row"].tolist() == list(range(len(rows)))
    assert len({parts._seed(seed, name) for seed in range(9) for name in NAMES}) == 27


def test_the_strangest_rows_and_a_threshold_are_of_all_parts(
    run: Path, folder: Path, scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("score", run, folder, "--out", tmp_path / "s", "--num-samples", 20, "--top", 4, "--contamination", 0.1)
    said = capsys.readouterr().out
    every = pd.concat([read(scores / name).assign(part=name) for name in NAMES], ignore_index=True)
    found = pd.concat([read(tmp_path / "s" / name) for name in NAMES], ignore_index=True)
    np.testing.assert_array_equal(found["log_likelihood"], every["log_likelihood"])
    threshold = every["log_likelihood"].sort_values().iloc[int(0.1 * len(every))]
    assert found["anomalous"].tolist() == (every["log_likelihood"] < threshold).tolist()
    assert found["anomalous"].sum() == 9
    assert f"9 rows of all parts lie below {threshold:.2f} nats and are flagged" in said
    assert "no number" not in said  # ages that are missing
    strangest = every.nsmallest(4, "log_likelihood")
    stems = tuple(name.removesuffix(".parquet") for name in NAMES)
    shown = [line.strip() for line in said.splitlines() if line.strip().startswith(stems)]
    for line, (_, row) in zip(shown, strangest.iterrows(), strict=True):
        assert line.split()[:3] == [row["part"].removesuffix(".parquet"), f"{row['row']}", f"{row['id']}"]
        assert f"{row['log_likelihood']:.2f}" in line and "(" in line


@pytest.mark.slow
def test_numbers_are_those_of_one_process_on_any_cluster(
    run: Path, folder: Path, scores: Path, cluster: str, tmp_path: Path
) -> None:
    call("score", run, folder, "--out", tmp_path / "two", "--num-samples", 20, "--cluster", cluster)
    assert tables(tmp_path / "two") == tables(scores)
    for name, options in {"encode": [], "impute": ["--draws", 2], "sample": ["-n", 50, "--parts", 3]}.items():
        what = [name, run] if name == "sample" else [name, run, folder]
        call(*what, *options, "--out", tmp_path / name / "one")
        call(*what, *options, "--out", tmp_path / name / "two", "--cluster", cluster)
        assert len(tables(tmp_path / name / "one")) == 3
        assert tables(tmp_path / name / "one") == tables(tmp_path / name / "two")
    drawn = [read(path) for path in sorted((tmp_path / "sample" / "one").glob("*.parquet"))]
    assert [len(each) for each in drawn] == [17, 17, 16] and drawn[0].columns.tolist() == COLUMNS
    assert not drawn[0].head(16).equals(drawn[2])
    filled = read(tmp_path / "impute" / "one" / NAMES[0])
    assert len(filled) == 60 and filled["age"].notna().all() and set(filled["draw"]) == {1, 2}
    encoded = read(tmp_path / "encode" / "one" / NAMES[1])
    model, rows = load_model(run), frame(31, 1).assign(day=2)
    with torch.no_grad():
        z = model.encode(torch.from_numpy(model.protocol.schema.encode(rows)))
    np.testing.assert_allclose(encoded[["z_0", "z_1"]], z, rtol=1e-5, atol=1e-6)


def test_a_part_that_is_there_is_not_made_again_unless_its_rows_are_newer(
    run: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["score", run, folder, "--out", tmp_path / "out", "--num-samples", 20]
    call(*command)
    before = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in NAMES}
    (tmp_path / "out" / NAMES[2]).unlink()
    later = before[NAMES[1]] + 10**9
    os.utime(folder / NAMES[1], ns=(later, later))
    capsys.readouterr()
    call(*command)
    assert capsys.readouterr().out == f"2 parts with 63 rows in {tmp_path / 'out'}; 1 were there already\n"
    assert (tmp_path / "out" / NAMES[0]).stat().st_mtime_ns == before[NAMES[0]]
    os.utime(folder / NAMES[1], ns=(before[NAMES[0]] - 10**9,) * 2)


def test_a_driver_that_is_killed_within_a_part_loses_no_other(
    run: Path, folder: Path, scores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        # each file is flushed, then its folder: the third is the second part, which is written and not in its place
        patch.setattr(atomic, "_flush", at_call(5, atomic._flush, die))
        assert killed(lambda: parts.over_parts(**score(run, folder, out))) == -signal.SIGKILL
    assert list(tables(out)) == NAMES[:1] and list(out.rglob(".prioria-*/*"))
    before = (out / NAMES[0]).stat().st_mtime_ns
    parts.over_parts(**score(run, folder, out))
    assert (out / NAMES[0]).stat().st_mtime_ns == before
    assert tables(out) == tables(scores) and not list(out.rglob(".prioria-*"))


@pytest.mark.slow
def test_a_worker_that_is_killed_within_a_part_changes_no_number(
    run: Path, folder: Path, scores: Path, tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    compute = partial(dying.score_and_die_once, marker=tmp_path / "died")
    given = score(run, folder, tmp_path / "out") | {"computes": parts.of_each(folder, compute)}
    parts.over_parts(**given, jobs=2)
    assert int((tmp_path / "died").read_text()) != os.getpid()
    assert tables(tmp_path / "out") == tables(scores)


def test_a_bad_part_stops_no_other(run: Path, folder: Path, tmp_path: Path, capsys) -> None:
    rows = tmp_path / "rows"
    for name in ("a", "b", "c"):
        rows.mkdir(exist_ok=True)
        frame(20, 1).to_parquet(rows / f"{name}.parquet")
    (rows / "b.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(SystemExit, match="2"), pytest.warns(UserWarning, match="'day' is missing"):
        main(["encode", str(run), str(rows), "--out", str(tmp_path / "out")])
    told = capsys.readouterr()
    assert told.out == f"2 parts with 40 rows in {tmp_path / 'out'}\n"
    assert "1 of 3 parts failed, the first: b.parquet" in told.err
    assert list(tables(tmp_path / "out")) == ["a.parquet", "c.parquet"]


def test_what_parts_refuse(
    run: Path, folder: Path, scores: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    frame(20, 1).to_parquet(other / "part-0.parquet")
    monkeypatch.setitem(sys.modules, "distributed", None)
    command, out = ["score", run, folder], ["--out", tmp_path / "out"]
    for arguments, message in {
        (*command,): "name a folder for the new ones",
        (*command, "--out", tmp_path / "scores.csv"): "names a file",
        (*command, "--out", folder / "scores"): "lies in the folder of the data",
        (*command, "--out", scores, "--num-samples", 30): "parts of another num_samples (20, now 30)",
        (*command, *out, "--jobs", 0): "at least 1",
        (*command, *out, "--jobs", 2, "--cluster", "tcp://localhost:1"): "give one of them",
        (*command, *out, "--jobs", 2): "pip install 'prioria[cluster]'",
        ("score", run, folder / NAMES[0], "--jobs", 2): "for folders of parts",
        ("sample", run, *out, "--parts", 9, "-n", 4): "must be from 1 to --num-samples, 4",
        ("sample", run, "--out", other, "--parts", 2): "which this command did not write",
        ("evaluate", run, "--data", tmp_path / "nowhere"): "neither a file nor",
    }.items():
        with pytest.raises(SystemExit, match="2"):
            main([str(each) for each in arguments])
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_piece_that_ends_every_worker_is_named(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")

    def killing(piece: int) -> int:
        raise distributed.KilledWorker("piece", SimpleNamespace(address="tcp://127.0.0.1:1"), 3)

    with pytest.raises(ValueError, match="piece 7: every worker that took it died"):
        list(workers.each(killing, [7], key=lambda piece: f"piece {piece}", cluster=cluster))
    with pytest.raises(ValueError, match="is not reached"):
        monkeypatch.setattr(distributed, "Client", unreachable)
        list(workers.each(abs, [7], key=str, cluster="tcp://127.0.0.1:1"))


def unreachable(address: str) -> None:
    raise OSError(f"Timed out trying to connect to {address}")
