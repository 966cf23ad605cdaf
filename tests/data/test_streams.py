"""Folders of parts as training data: every row once, in an order of (seed, epoch), in constant memory, to the bit."""

from __future__ import annotations

import itertools
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from prioria import build, objectives
from prioria.cli import main
from prioria.data import DataError, Dataset, inspect, load, streams
from prioria.data.own import folders, room
from prioria.data.streams import Blocks, Shuffled
from prioria.data.treatments import without_logs
from prioria.train import fit, resume
from prioria.train.order import Batches
from prioria.train.origin import fingerprint
from prioria.train.step import Step
from prioria.train.together import share
from tests.train.small import assert_same_run
from tests.train.test_resume import at_call, killed

SIZES = [5, 1, 7, 4, 6]
COLUMNS = ["age", "sex", "visits"]


def frame(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    found = pd.DataFrame(
        {
            "id": np.arange(rows) + 1000 * seed,
            "age": rng.normal(40, 10, rows).round(1),
            "sex": rng.choice(["f", "m"], rows),
            "visits": rng.poisson(3, rows),
        }
    )
    found.loc[rng.random(rows) < 0.1, "age"] = np.nan
    return found


def written(folder: Path, parts: dict[str, pd.DataFrame]) -> Path:
    for name, part in parts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        part.to_parquet(folder / name, index=False, row_group_size=40)
    return folder


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "WINDOW_BYTES", 4 * 3 * 100)  # a hundred rows of three numbers


@pytest.fixture
def folder(tmp_path: Path, small_windows: None) -> Path:
    return written(tmp_path / "rows", {f"day={k}/part.parquet": frame(150, k)[["id", *COLUMNS]] for k in (1, 2)})


def blocks(read: list[int] | None = None, window: int = 8) -> Blocks:
    starts = np.cumsum(SIZES) - SIZES

    def rows(block: int) -> np.ndarray:
        if read is not None:
            read.append(block)
        return (starts[block] + np.arange(SIZES[block])).astype(np.float32)[:, None]

    return Blocks(SIZES, 1, rows, "test", window)


def test_any_slice_of_an_order_is_found_from_its_place_alone() -> None:
    whole = Shuffled(blocks(), 3, 1)[0:23]
    assert whole.sort().values.equal(torch.arange(23))
    for start in range(23):
        for stop in range(start, 25):
            assert Shuffled(blocks(), 3, 1)[start:stop].equal(whole[start:stop])
    orders = {tuple(Shuffled(blocks(), seed, epoch)[0:23].tolist()) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16  # of 23! and more


def test_rows_are_mixed_within_windows_of_random_blocks() -> None:
    order = Shuffled(blocks(), 0, 0)
    assert len(order.windows) > 2 and sorted(np.concatenate(order.windows)) == list(range(len(SIZES)))
    ends = np.cumsum([sum(SIZES[block] for block in window) for window in order.windows])
    for window, rows in zip(order.windows, np.split(order[0:23].numpy(), ends[:-1]), strict=True):
        assert set(np.searchsorted(np.cumsum(SIZES), rows, side="right")) == set(window)
    long = [Shuffled(blocks(window=100), 0, epoch)[0:23].numpy() for epoch in range(400)]
    # one window: every place has every row alike; 22 degrees of freedom, 1e-6 in one of them
    counts = np.bincount([rows[0] for rows in long], minlength=23)
    assert ((counts - 400 / 23) ** 2 / (400 / 23)).sum() < 70


def test_an_epoch_reads_each_block_once_and_keeps_no_more_than_two_windows() -> None:
    read: list[int] = []
    rows = blocks(read)
    order = Shuffled(rows, 0, 0)
    for start in range(0, 23, 4):
        numbers = order[start : start + 4].numpy()
        assert rows[numbers][:, 0].tolist() == numbers.tolist()
        assert sum(map(len, rows.kept.values())) <= 2 * (8 + max(SIZES))
    assert sorted(read) == list(range(len(SIZES)))
    large = Blocks([10] * 1000, 1, lambda _: np.zeros((10, 1), np.float32), "large", window=20)
    for start in range(0, 10_000, 500):
        large[np.arange(start, start + 500)]
    assert sum(map(len, large.kept.values())) <= 2 * (20 + 10)


def rows_of(split: Any) -> np.ndarray:
    return torch.cat([split.batch(rows) for rows in torch.arange(len(split)).split(64)]).numpy()


def test_a_folder_holds_the_rows_that_one_file_has(folder: Path) -> None:
    whole = pd.concat([frame(150, k).assign(day=k) for k in (1, 2)], ignore_index=True)
    data, alone = load(folder), load(whole)
    assert [column.name for column in data.protocol.schema.features] == ["age", "sex", "visits", "day"]
    assert data.protocol.schema.features == alone.protocol.schema.features  # the sample is all there is
    for part in ("validation", "test"):
        np.testing.assert_array_equal(rows_of(getattr(data, part)), rows_of(getattr(alone, part)))
    mine, other = (np.nan_to_num(rows_of(each.train), nan=-99) for each in (data, alone))
    np.testing.assert_array_equal(mine[np.lexsort(mine.T)], other[np.lexsort(other.T)])
    assert len(data.train) == 240 and data.train.rows.window < 240
    assert str(inspect(folder)).startswith(f"{folder} (2 parts, 8 row groups): 300 rows, 4 of 5 columns are features")


def test_a_sample_judges_a_larger_folder_and_all_other_rows_train(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "SAMPLE_ROWS", 50)
    data = load(folder, seed=5)
    assert (len(data.train), len(data.validation), len(data.test)) == (290, 5, 5)
    whole = np.concatenate([rows_of(getattr(data, part)) for part in ("train", "validation", "test")])
    frames = pd.concat([frame(150, k).assign(day=k) for k in (1, 2)])
    expected = data.protocol.schema.encode(frames)
    whole, expected = np.nan_to_num(whole, nan=-99), np.nan_to_num(expected, nan=-99)
    np.testing.assert_array_equal(whole[np.lexsort(whole.T)], expected[np.lexsort(expected.T)])
    assert "judged by 50 random rows" in str(inspect(folder))
    assert data.protocol.split == "5 validation and 5 test rows at random, all others for training"
    assert len(data.train.tensor(100)) == 40 and data.train.digest() != load(folder, seed=6).train.digest()


def test_an_index_is_one_in_a_sample_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {f"{k}.parquet": frame(150, k).assign(row=np.arange(150) + 150 * k) for k in range(2)}
    monkeypatch.setattr(folders, "SAMPLE_ROWS", 50)
    columns = inspect(written(tmp_path, parts)).schema.columns
    assert {column.name: column.kind for column in columns if column.name in ("id", "row")} == {
        "id": "identifier",
        "row": "index",
    }


def test_folders_of_a_split_are_kept_apart(tmp_path: Path, small_windows: None) -> None:
    parts = {"train/a.parquet": frame(90, 1), "train/b.parquet": frame(60, 2), "test/a.parquet": frame(30, 3)}
    data = load(written(tmp_path, parts))
    assert (len(data.train), len(data.validation), len(data.test)) == (135, 15, 30)
    schema = data.protocol.schema
    np.testing.assert_array_equal(rows_of(data.test), schema.encode(frame(30, 3)))


def test_what_asks_for_random_rows_is_answered_in_the_order_of_epochs_or_by_the_sample(folder: Path) -> None:
    train, generator = load(folder).train, torch.Generator().manual_seed(4)
    rows = rows_of(train)
    drawn = torch.cat([*itertools.islice(train.draws(50, generator), 10)]).numpy()  # five make an epoch of 240
    for epoch in (drawn[:240], drawn[240:]):
        np.testing.assert_array_equal(*(np.sort(np.nan_to_num(each, nan=-99), 0) for each in (epoch, rows)))
    assert not np.array_equal(drawn[:240], drawn[240:], equal_nan=True)
    some, known = np.nan_to_num(train.drawn(30).numpy(), nan=-99), np.nan_to_num(rows, nan=-99)
    assert some.shape == (30, 4) and {*map(tuple, some)} <= {*map(tuple, known)}


def test_a_folder_may_do_without_logarithms_as_a_table_may(folder: Path) -> None:
    for k in (1, 2):
        cost = np.exp(np.random.default_rng(k).normal(3, 1, 150))
        written(folder, {f"day={k}/part.parquet": frame(150, k).assign(cost=cost)})
    whole = pd.concat([pd.read_parquet(folder / f"day={k}", partitioning=None).assign(day=k) for k in (1, 2)])
    data, alone = load(folder), load(whole.reset_index(drop=True))
    assert data.protocol.schema.features[3].treatment == "log"
    data, alone = without_logs(data, ["cost"]), without_logs(alone, ["cost"])
    assert data.protocol.schema.features[3].treatment == "standardize"
    for mine, other in zip(data.protocol.schema.features, alone.protocol.schema.features, strict=True):
        assert mine.name == other.name
        assert (mine.center, mine.scale) == pytest.approx((other.center, other.scale), rel=1e-5)
    np.testing.assert_allclose(rows_of(data.test), rows_of(alone.test), rtol=1e-4, atol=1e-5)


def test_arrow_files_and_other_kinds_of_values(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(2):
        counts = pd.DataFrame(rng.poisson(2.0, (60, 4)), columns=["the", "of", "prior", "latent"])
        (tmp_path / "words").mkdir(exist_ok=True)
        counts.to_feather(tmp_path / "words" / f"{k}.arrow")
    data = load(tmp_path / "words")
    assert data.protocol.kind == "count" and len(data.train.rows.sizes) == 2
    assert rows_of(data.train).min() >= 0 and (rows_of(data.train) == rows_of(data.train).round()).all()
    assert data.train.maximum() == rows_of(data.train).max()


def build_and_fit(data: Dataset, out: Path) -> None:
    model = build.model(data, latents=2, network={"kind": "mlp", "hidden": (8,)}, seed=0)
    fit(model, objectives.ELBO(), data, epochs=3, batch_size=50, out=out, trackers=(), progress=False)


def test_a_stream_that_is_killed_within_an_epoch_goes_on_bit_for_bit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_and_fit(load(folder), tmp_path / "unbroken")
    with monkeypatch.context() as patch:
        patch.setattr(Step, "forward", at_call(10, Step.forward))  # of the second epoch, whose batches are five
        patch.setattr("prioria.train.options.Options.checkpoint_every", "1 step")
        assert killed(lambda: build_and_fit(load(folder), tmp_path / "run")) == -signal.SIGKILL
    resume(tmp_path / "run", trackers=(), progress=False)
    assert_same_run(tmp_path / "run", tmp_path / "unbroken")


def test_processes_share_the_batches_of_one(folder: Path) -> None:
    data = load(folder)
    for rows in Batches(data.train, 50, seed=0, epoch=0):
        shares = [
            share(data.train, rows, SimpleNamespace(process_index=rank, num_processes=2))  # each reads for itself
            for rank in range(2)
        ]
        whole = torch.empty(len(rows), data.dimensions)
        whole[0::2], whole[1::2] = shares
        torch.testing.assert_close(whole, data.train.batch(rows), rtol=0, atol=0, equal_nan=True)


def test_values_that_the_sample_had_not_are_told_once_or_refused(folder: Path, tmp_path: Path) -> None:
    data = load(folder)
    for k in (1, 2):
        written(folder, {f"day={k}/late.parquet": frame(150, k).assign(sex="x")})
    schema = data.protocol.schema.to_json()
    with pytest.warns(UserWarning, match="'sex': .* values are unknown, first 'x'") as told:
        again = load(folder, schema=schema)
        rows_of(again.train)
    assert len([each for each in told if "row group" in str(each.message)]) == 1
    bits = pd.DataFrame(np.eye(4, dtype=int)[np.arange(60) % 4], columns=list("abcd"))
    place = written(tmp_path / "bits", {"0.parquet": bits, "1.parquet": bits})
    data = load(place)
    (bits + 1).to_parquet(place / "1.parquet", row_group_size=40)
    with pytest.raises(DataError, match=r"1.parquet, row group 0: column 'a' has 2 in row 0"):
        rows_of(data.train)


def test_what_a_folder_of_parts_refuses(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="resize, crop"):
        load(folder, resize=(8, 8))
    with pytest.raises(DataError, match="window and step"):
        load(folder, window=4)
    written(tmp_path / "other", {"a.parquet": frame(20, 1), "b.parquet": frame(20, 2).assign(age="old")})
    with pytest.raises(DataError, match=r"b.parquet has other columns than the parts before it"):
        load(tmp_path / "other")
    frame(20, 1).to_feather(folder / "c.feather")
    with pytest.raises(SystemExit, match="2"):
        main(["data", "inspect", str(folder)])
    assert "mixes Parquet and Arrow files" in capsys.readouterr().err
    (folder / "c.feather").unlink()
    (folder / "day=1" / "part.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(DataError, match="part.parquet"):
        load(folder)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'prioria\[data\]'"):
        load(folder)


def test_a_file_that_is_larger_than_memory_becomes_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, {"rows.parquet": frame(150, 1)})
    monkeypatch.setattr(room.os, "sysconf", lambda name: 10)  # ten pages of ten bytes
    with pytest.raises(DataError, match="rows.parquet declares .* put it into a folder of its own"):
        load(tmp_path / "rows.parquet")
    assert len(load(tmp_path).train) == 120


def test_a_run_keeps_to_the_parts_that_it_was_trained_on(folder: Path) -> None:
    data = load(folder)
    written(folder, {"day=3/part.parquet": frame(150, 3)[["id", *COLUMNS]]})
    assert sum(len(getattr(load(folder), part)) for part in ("train", "validation", "test")) == 450
    again = load(**data.origin)
    assert fingerprint(again) == fingerprint(data)
    (folder / "day=2" / "part.parquet").unlink()
    with pytest.raises(DataError, match=r"the part day=2/part.parquet is not there any more \(1 of 2 parts\); put it"):
        load(**data.origin)
    with pytest.raises(DataError, match="are of a folder of parts"):
        load(frame(30, 1), parts=["a.parquet"])
