"""Curves hold the numbers of the history."""

from pathlib import Path

import pytest

from prioria import Run
from prioria.report import curves
from prioria.report.history import read_history, terms_of


def line(split: str, step: int, **terms: float | bool) -> dict:
    return {"split": split, "epoch": 1, "step": step, **terms}


HISTORY = [
    line("train", 10, loss=9.0, distortion=6.0, rate=3.0, gradient_norm=1.0, **{"rate/z2": 1.0, "rate/z1": 2.0}),
    line("validation", 10, loss=8.0, distortion=6.0, rate=2.0, best=True, **{"rate/z2": 0.5, "rate/z1": 1.5}),
    line("train", 20, loss=7.0, distortion=5.0, rate=2.0, gradient_norm=1.0, **{"rate/z2": 0.5, "rate/z1": 1.5}),
    line("validation", 20, loss=8.5, distortion=6.5, rate=2.0, best=False, **{"rate/z2": 0.5, "rate/z1": 1.5}),
]


def test_every_group_has_its_rate():
    assert terms_of(HISTORY) == ["loss", "distortion", "rate", "rate/z2", "rate/z1"]
    visible = [axes.get_title(loc="left") for axes in curves(HISTORY).axes if axes.get_visible()]
    assert visible == ["objective", "distortion", "rate", "rate of z2", "rate of z1"]


def test_lines_and_the_dot_are_those_of_the_history():
    (axes,) = curves(HISTORY, ["loss"]).axes
    drawn = {item.get_label(): [list(values) for values in item.get_data()] for item in axes.get_lines()}
    assert drawn == {"train": [[10, 20], [9.0, 7.0]], "validation": [[10, 20], [8.0, 8.5]]}
    assert axes.collections[0].get_offsets().tolist() == [[10, 8.0]]


def test_a_loss_that_was_not_finite_is_left_out():
    missing = [*HISTORY, line("train", 30, loss=None, distortion=5.0)]
    (axes,) = curves(missing, ["loss"]).axes
    assert list(axes.get_lines()[0].get_xdata()) == [10, 20]


def test_the_first_steps_do_not_set_the_scale():
    history = [line("validation", step, loss=1000.0 if step < 50 else 1.0) for step in range(10, 1001, 10)]
    (axes,) = curves(history, ["loss"]).axes
    assert axes.get_ylim()[1] < 10


def test_history_of_a_run_is_read_from_its_folder(folder: Path):
    assert read_history(folder / "vamp") == Run.load(folder / "vamp").history


def test_nothing_validated_is_refused():
    with pytest.raises(ValueError, match="no validation"):
        curves(HISTORY[:1])


@pytest.mark.parametrize("content", [None, b"{", b"\xff"], ids=["missing", "cut off", "no text"])
def test_damaged_history_is_named(content: bytes | None, tmp_path: Path):
    if content is not None:
        (tmp_path / "metrics.jsonl").write_bytes(content)
    with pytest.raises(ValueError, match=r"metrics\.jsonl.*lines of JSON"):
        read_history(tmp_path)


def test_a_single_line_of_training_can_be_seen():
    terms = {"step": 5, "loss": 36.1, "distortion": 34.1, "rate": 2.0}
    (axes,) = curves([{"split": "train", **terms}, {"split": "validation", "best": True, **terms}], ["loss"]).axes
    assert [line.get_marker() for line in axes.lines] == [".", "."]
