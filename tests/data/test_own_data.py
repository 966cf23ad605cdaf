"""The user's own data: kinds of values, legal likelihoods, splits, and arrays larger than memory."""

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from prioria.data import check_likelihood, inspect, load, read_rows, splits
from prioria.data.base import TILE_BYTES
from prioria.data.own.inspection import survey

RNG = np.random.default_rng(1)
GREY = RNG.integers(0, 256, (60, 1, 4, 5), dtype=np.uint8)


@pytest.mark.parametrize(
    ("rows", "kind", "legal"),
    [
        (RNG.integers(0, 2, (30, 4)), "binary", "Bernoulli"),
        (RNG.integers(0, 2, (30, 4)) > 0, "binary", "Bernoulli"),
        (RNG.integers(0, 2, (30, 4)).astype(np.float32), "binary", "Bernoulli"),
        ((RNG.integers(0, 2, (30, 4)) * 255).astype(np.uint8), "binary", "Bernoulli"),
        (GREY, "grey", "DiscretizedLogistic"),
        (RNG.uniform(0, 1, (30, 4)), "grey", "DiscretizedLogistic"),
        (RNG.poisson(20, (30, 4)), "count", "Multinomial"),
        (RNG.poisson(20, (30, 4)).astype(float), "count", "Multinomial"),
        (RNG.normal(size=(30, 4)), "continuous", "Gaussian"),
        (RNG.integers(-5, 5, (30, 4)), "continuous", "Gaussian"),
    ],
)
def test_kind_and_likelihood(rows, kind, legal):
    protocol = load(rows).protocol
    assert protocol.kind == kind
    check_likelihood(protocol, legal)


def test_a_late_value_decides_the_kind():
    rows = np.zeros((200_000, 4), np.float32)
    rows[::2] = 1
    assert survey(rows, "rows").kind == "binary"
    rows[-1, -1] = 0.5
    assert survey(rows, "rows").kind == "grey"
    rows[-1, -1] = 2
    assert survey(rows, "rows").kind == "count"


def test_moments_of_columns_agree_with_numpy():
    rows = RNG.normal(1e4, 3.0, (300_000, 5))
    found = survey(rows, "rows")
    assert np.allclose(found.mean, rows.mean(0), rtol=1e-12)
    assert np.allclose(found.deviation, rows.std(0), rtol=1e-9)
    assert (found.minimum, found.maximum) == (rows.min(), rows.max())


def test_missing_values_are_counted():
    rows = RNG.normal(size=(100_000, 3))
    rows[70_000, 1] = rows[80_000, 2] = np.nan
    found = survey(rows, "rows")
    assert (found.missing, found.first_missing) == (2, 70_000)
    assert np.allclose(found.mean, np.nanmean(rows, 0))
    assert "2 (first in row 70000)" in str(found)


def test_grey_values_are_centerd_in_their_bins():
    data = load(GREY)
    order = np.random.default_rng(0).permutation(60)
    expected = (GREY[order[:48]].reshape(48, -1) + 0.5) / 256
    assert np.array_equal(data.train.tensor().numpy(), expected.astype(np.float32))
    assert (len(data.train), len(data.validation), len(data.test)) == (48, 6, 6)
    assert data.shape == (1, 4, 5)


def test_dynamic_binarization_of_grey_values():
    data = load(GREY, binarize="dynamic")
    assert data.protocol.likelihoods == ("Bernoulli",)
    assert set(data.train.tensor().unique().tolist()) == {0.0, 1.0}
    assert torch.equal(data.test.tensor(), data.test.tensor())
    order = np.random.default_rng(0).permutation(60)
    assert np.allclose(data.train.mean().numpy(), GREY[order[:48]].reshape(48, -1).mean(0) / 255, atol=1e-6)


def test_relaxed_allows_bernoulli_and_says_what_it_is_not():
    protocol = load(GREY, relaxed=True).protocol
    check_likelihood(protocol, "Bernoulli")
    assert "no likelihoods" in protocol.note


def test_levels_turn_counts_into_grey():
    data = load(RNG.integers(0, 17, (50, 6)), levels=16, binarize="dynamic")
    assert data.protocol.scale == 16.0
    assert set(data.test.tensor().unique().tolist()) == {0.0, 1.0}


def test_standardized_columns():
    rows = RNG.normal([0, 1000, -5], [0.1, 400, 1], (200, 3))
    data = load(rows, standardize=True)
    x = data.train.tensor()
    assert torch.allclose(x.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(x.std(0, correction=0), torch.ones(3), atol=1e-5)
    order = np.random.default_rng(0).permutation(200)
    train = rows[order[:160]]
    assert np.allclose(data.protocol.unscaled(x).numpy(), train, rtol=1e-4, atol=1e-4)
    assert f"{np.log(train.std(0)).sum():.4f}" in data.protocol.note
    assert np.allclose(data.test.tensor(), (rows[order[180:]] - train.mean(0)) / train.std(0), atol=1e-4)


@pytest.mark.parametrize("limit", [2**30, 0])
def test_standardized_columns_owe_nothing_to_the_other_rows(tmp_path, monkeypatch, limit):
    parts = {part: RNG.normal(size=(size, 3)) for part, size in (("train", 20), ("validation", 4), ("test", 6))}
    np.savez(tmp_path / "small.npz", **parts)
    np.savez(tmp_path / "large.npz", **parts | {"test": 100 * parts["test"]})
    small, large = (load(tmp_path / f"{name}.npz", standardize=True).protocol for name in ("small", "large"))
    assert (small.shift, small.scale) == (large.shift, large.scale)
    np.save(tmp_path / "rows.npy", rows := RNG.normal(size=(200, 3)).astype(np.float32))
    monkeypatch.setattr(splits, "IN_MEMORY_BYTES", limit)
    mapped = load(tmp_path / "rows.npy", standardize=True)
    assert np.allclose(mapped.protocol.scale, rows[np.random.default_rng(0).permutation(200)[:160]].std(0), rtol=1e-6)


@pytest.mark.parametrize("binarize", [None, "dynamic"])
def test_a_mapped_array_gives_the_same_splits(tmp_path, monkeypatch, binarize):
    labels = np.arange(60)
    np.save(tmp_path / "rows.npy", GREY)
    small = load((GREY, labels), binarize=binarize)
    monkeypatch.setattr(splits, "IN_MEMORY_BYTES", 0)
    mapped = load(tmp_path / "rows.npy", binarize=binarize)
    assert isinstance(mapped.train.rows, np.memmap)
    for part in ("train", "validation", "test"):
        one, other = getattr(small, part), getattr(mapped, part)
        torch.manual_seed(0)
        expected = one.tensor()
        torch.manual_seed(0)
        assert torch.equal(other.tensor(), expected)
        assert torch.equal(one.mean(), other.mean())


def test_a_mapped_array_is_never_in_memory(tmp_path, monkeypatch):
    rows = np.lib.format.open_memmap(tmp_path / "rows.npy", "w+", np.float32, (60_000, 784))
    for start in range(0, len(rows), 10_000):
        rows[start : start + 10_000] = RNG.normal(size=(10_000, 784))
    rows.flush()
    monkeypatch.setattr(splits, "IN_MEMORY_BYTES", 2**20)
    tracemalloc.start()
    try:
        data = load(tmp_path / "rows.npy")
        data.train.mean()
        x = data.train.batch(torch.randperm(len(data.train))[:100])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert x.shape == (100, 784)
    assert peak < 1.5 * TILE_BYTES < rows.nbytes / 3


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_numpy_files(tmp_path, suffix):
    rows = RNG.normal(size=(30, 2, 3))
    (np.save if suffix == ".npy" else np.savez)(tmp_path / f"rows{suffix}", rows)
    data = load(tmp_path / f"rows{suffix}")
    order = np.random.default_rng(0).permutation(30)
    assert data.shape == (2, 3) and data.name == "rows"
    found = data.protocol.unscaled(data.train.tensor()).numpy()  # three axes are series, of one scale a channel
    assert np.allclose(found, rows[order[:24]].reshape(24, -1), atol=1e-6)


def test_labels_follow_their_rows(tmp_path):
    rows = RNG.normal(size=(40, 2))
    np.savez(tmp_path / "rows.npz", x=rows, y=np.where(rows[:, 0] > 0, "right", "left"))
    data = load(tmp_path / "rows.npz", seed=5)
    assert data.protocol.classes == ("left", "right")
    for part in (data.train, data.validation, data.test):
        assert torch.equal(part.labels, (part.tensor()[:, 0] > 0).long())


def test_a_split_in_the_file_is_kept(tmp_path):
    parts = {part: RNG.normal(size=(size, 3)) for part, size in (("train", 20), ("validation", 4), ("test", 6))}
    labels = {f"{part}_labels": np.arange(len(rows)) for part, rows in parts.items()}
    np.savez(tmp_path / "rows.npz", **parts, **labels)
    data = load(tmp_path / "rows.npz")
    for part, rows in parts.items():
        assert np.allclose(getattr(data, part).tensor().numpy(), rows, atol=1e-6)
        assert getattr(data, part).labels.tolist() == list(range(len(rows)))


def test_csv_and_parquet_hold_the_same(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra 'data' is not installed")
    rows, kinds = RNG.normal(size=(30, 2)).round(3), np.array(["cat", "dog", "eel"] * 10)
    lines = [f"{a},{kind},{b}" for (a, b), kind in zip(rows, kinds, strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join(["width,Label,height", *lines]))
    table = parquet.core.pa.Table.from_pydict({"width": rows[:, 0], "label": kinds, "height": rows[:, 1]})
    parquet.write_table(table, tmp_path / "rows.parquet")
    expected = load((rows, np.arange(30) % 3))
    for name in ("rows.csv", "rows.parquet"):
        data = load(tmp_path / name)
        torch.testing.assert_close(data.protocol.unscaled(data.test.tensor()), expected.test.tensor())
        assert torch.equal(data.train.labels, expected.train.labels)
        assert data.protocol.classes == ("cat", "dog", "eel")
        assert "cat, dog, eel" in str(inspect(tmp_path / name))


def test_the_index_that_pandas_keeps_in_a_parquet_file_is_no_column(tmp_path):
    pytest.importorskip("pyarrow.parquet", reason="the extra 'data' is not installed")
    rows = RNG.normal(size=(30, 2))
    for index in (None, np.arange(30)[::-1]):
        pd.DataFrame(rows, columns=["a", "b"], index=index).to_parquet(tmp_path / "rows.parquet")
        data = load(tmp_path / "rows.parquet")
        torch.testing.assert_close(data.protocol.unscaled(data.test.tensor()), load(rows).test.tensor())


def test_csv_without_header_and_with_holes(tmp_path):
    (tmp_path / "rows.csv").write_text("1;2\n3;\n5;6\n" * 4)
    found = inspect(tmp_path / "rows.csv")
    assert (found.rows, [each.missing for each in found.schema.columns]) == (12, [0, 1 / 3])


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1", "P"])
def test_a_folder_of_pictures(tmp_path, mode):
    pixels = RNG.integers(0, 2, (20, 6, 5), dtype=np.uint8) * 255
    for number, picture in enumerate(pixels):
        folder = tmp_path / ("odd" if number % 2 else "even")
        folder.mkdir(exist_ok=True)
        Image.fromarray(picture).convert(mode).save(folder / f"{number:02}.png")
    data = load(tmp_path)
    channels = 1 if mode in ("1", "L") else 3
    assert data.shape == (channels, 6, 5)
    ordered = np.concatenate([pixels[::2], pixels[1::2]])[np.random.default_rng(0).permutation(20)]
    expected = np.repeat(ordered[:16, None], channels, axis=1).reshape(16, -1) / 255
    assert np.array_equal(data.train.tensor().numpy(), expected)
    assert data.protocol.classes == ("even", "odd")


def test_torch_data_sets_and_loaders():
    rows, labels = torch.randn(50, 3), torch.arange(50)
    pairs = torch.utils.data.TensorDataset(rows, labels)
    state = torch.get_rng_state()
    from_set = load(pairs)
    from_loader = load(torch.utils.data.DataLoader(pairs, batch_size=7))
    from_pair = load((rows, labels))
    assert torch.equal(torch.get_rng_state(), state)
    for data in (from_set, from_loader):
        assert torch.equal(data.train.tensor(), from_pair.train.tensor())
        assert torch.equal(data.test.labels, from_pair.test.labels)


def test_a_loaded_data_set_is_itself():
    data = load("digits")
    assert load(data) is data


def test_origin_loads_the_same_again(tmp_path):
    np.save(tmp_path / "rows.npy", GREY)
    data = load(tmp_path / "rows.npy", binarize="dynamic", seed=3)
    assert data.origin is not None
    again = load(**json.loads(json.dumps(data.origin)))
    assert torch.equal(again.test.tensor(), data.test.tensor()) and again.protocol == data.protocol
    assert load(GREY).origin is None


def test_rows_for_a_trained_model_keep_its_scale():
    digits = load("digits").protocol
    grey = RNG.integers(0, 17, (12, 64))
    rows = read_rows(grey, digits)
    assert set(rows.tensor().unique().tolist()) <= {0.0, 1.0} and torch.equal(rows.tensor(), rows.tensor())
    assert torch.equal(read_rows(grey / 16, digits).tensor(), rows.tensor())
    bits = RNG.integers(0, 2, (12, 1, 8, 8))
    assert np.array_equal(read_rows(bits, digits).tensor().numpy(), bits.reshape(12, 64))
    continuous = load(RNG.normal(5, 2, (40, 3)), standardize=True).protocol
    one = RNG.normal(5, 2, (1, 3))
    expected = (one + np.array(continuous.shift)) / np.array(continuous.scale)
    assert np.allclose(read_rows(one, continuous).tensor().numpy(), expected, atol=1e-5)
