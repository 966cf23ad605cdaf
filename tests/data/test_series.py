"""Series: rows of time steps, three axes, and windows of a long table, with one scale a channel."""

import json

import numpy as np
import pytest
import torch

from prioria.data import DataError, inspect, load, read_rows

RNG = np.random.default_rng(0)
WALKS = RNG.normal(size=(60, 24)).cumsum(1) * 7 + 300


def write_table(path, steps=500):
    level, flow = RNG.normal(size=(2, steps)).cumsum(1)
    days = np.datetime64("2020-01-01") + np.arange(steps)
    columns = zip(days, level.tolist(), flow.tolist(), ["wet", "dry"] * (steps // 2), strict=True)
    lines = [f"{day},{a},{b},{weather}" for day, a, b, weather in columns]
    path.write_text("day,level,flow,weather\n" + "\n".join(lines))
    return np.stack([level, flow], 1)


def test_rows_are_series_of_one_channel():
    data = load(WALKS, series=True)
    assert data.shape == (1, 24) and data.protocol.kind == "continuous" and data.protocol.series is not None
    train = data.train.tensor()
    assert abs(train.mean()) < 1e-4 and abs(train.std(correction=0) - 1) < 1e-4  # of all steps together
    assert not torch.allclose(train.mean(0), torch.zeros(24), atol=0.05)
    assert np.abs(data.protocol.unscaled(train).numpy()[:, None] - WALKS).max(2).min(1).max() < 1e-3


def test_three_axes_are_series_and_grey_ones_pictures():
    both = np.stack([WALKS, 1000 * WALKS], 1)
    data = load(both)
    assert data.shape == (2, 24)
    assert torch.allclose(data.train.tensor().unflatten(1, (2, 24)).std((0, 2), correction=0), torch.ones(2), atol=1e-3)
    assert load(RNG.integers(0, 256, (20, 6, 5)).astype(np.uint8)).shape == (1, 6, 5)
    assert load(RNG.random((20, 6, 5))).shape == (1, 6, 5)


def test_windows_of_a_table_do_not_reach_from_part_to_part(tmp_path):
    values = write_table(tmp_path / "river.csv")
    with pytest.warns(UserWarning, match="'weather'"):
        data = load(tmp_path / "river.csv", window=24, step=6)
    assert data.shape == (2, 24)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [(400 - 24) // 6 + 1, 5, 5]
    starts = {"train": range(0, 377, 6), "validation": range(400, 427, 6), "test": range(450, 477, 6)}
    for name, places in starts.items():
        expected = np.stack([values[place : place + 24].T for place in places])
        rows = data.protocol.unscaled(getattr(data, name).tensor()).numpy().reshape(-1, 2, 24)
        assert np.abs(rows - expected).max() < 1e-4
    again = load(**json.loads(json.dumps(data.origin)))  # by its schema, which leaves weather out
    assert again.protocol == data.protocol
    later = read_rows(tmp_path / "river.csv", data.protocol).tensor()
    assert torch.equal(later[:63], data.train.tensor()) and len(later) == (500 - 24) // 6 + 1


def test_series_are_inspected_as_they_are_cut(tmp_path):
    write_table(tmp_path / "river.csv")
    with pytest.warns(UserWarning, match="'weather'"):
        found = inspect(tmp_path / "river.csv", window=24, step=6)
    assert found.shape == (63 + 5 + 5, 2, 24) and found.kind == "continuous"
    assert inspect(np.abs(WALKS.round()), series=True).shape == (60, 1, 24)


def test_an_array_of_steps_is_cut_too():
    assert load(WALKS.reshape(-1), window=10).shape == (1, 10)
    assert load(WALKS.reshape(-1, 2), window=10, step=3).shape == (2, 10)


@pytest.mark.parametrize(
    ("rows", "options", "reason"),
    [
        (WALKS, {"window": 10}, "60 steps in time hold no window of 10 in the last tenth.* give 100 steps"),
        (WALKS, {"window": 100}, "cut from a table of as many steps"),
        (WALKS, {"window": 1}, "window=1 must be at least 2"),
        (WALKS, {"step": 3}, "say how long these are, as in window=48"),
        (WALKS[:, None, None], {"series": True}, "holds no series"),
        (
            np.ones((40, 2, 5)) * [[[1.5], [2.5]]] + np.arange(40)[:, None, None] * [[[1], [0]]],
            {},
            "column 5 is always",
        ),
    ],
)
def test_what_is_no_series_is_refused(rows, options, reason):
    with pytest.raises(DataError, match=reason):
        load(rows, **options)


def test_options_of_series_are_not_for_known_sets():
    with pytest.raises(DataError, match="series, window and step for your series"):
        load("digits", series=True)
