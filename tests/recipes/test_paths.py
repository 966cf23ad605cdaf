"""Studies of interpolation: angles that are read off as they are, joints of the skeleton, and pages that appear."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from prioria.data.pendulum import NOISE, render
from prioria.recipes import motion, pendulum
from prioria.recipes.pendulum import Walk


def frames(degrees: list[float]) -> torch.Tensor:
    return torch.from_numpy(render(np.radians(degrees)).reshape(len(degrees), -1))


@pytest.mark.parametrize(
    ("degrees", "monotone", "jump"),
    [
        (list(range(10, 60)), True, 1),
        (list(range(350, 300, -1)), True, 1),
        (list(range(340, 380, 2)), True, 2),  # over the top of the circle
        ([10, 14, 12, 20], True, 8),  # two degrees back are allowed
        ([10, 14, 11, 20], False, 9),
        ([10, 20, 195, 210], True, 175),
    ],
)
def test_angle_is_read_off_the_nearest_clean_image(degrees: list[float], monotone: bool, jump: float) -> None:
    walk = Walk.of(frames(degrees))
    assert (walk.monotone, walk.jump) == (monotone, jump)
    assert walk.distance == pytest.approx(0, abs=1e-6)


def test_noise_changes_no_angle_and_is_measured_as_distance() -> None:
    noisy = frames(list(range(0, 50, 5)))
    noisy = noisy + NOISE * torch.randn_like(noisy)
    walk = Walk.of(noisy)
    assert walk.monotone and abs(walk.jump - 5) <= 1
    assert walk.distance == pytest.approx(NOISE, rel=0.15)


@pytest.mark.data
def test_every_column_belongs_to_one_joint() -> None:
    joints = motion.joints_of()
    assert sorted(column for columns in joints.values() for column in columns) == list(range(50))
    assert [len(joints[name]) for name in ("lfemur", "ltibia", "lowerback", "rradius")] == [3, 1, 3, 1]


@pytest.mark.slow
@pytest.mark.data
def test_pendulum_study_compares_five_ways_and_draws_them(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="main phase"):
        page = pendulum.study("smoke", tmp_path / "results", tmp_path / "runs").read_text(encoding="utf-8")
    for title in ("VHP + REWO", "VHP + GECO", "VampPrior", "IWAE", "straight line"):
        assert f"| {title}" in page
    folder = tmp_path / "results" / "vhp"
    results = json.loads((folder / "pendulum.json").read_text())["results"]
    assert len(results) == 5 and all(0 <= result["monotone"] <= 1 for result in results)
    assert {path.name for path in folder.glob("*.png")} >= {"update-surfaces.png", "pendulum-strip-iwae.png"}


@pytest.mark.slow
@pytest.mark.data
def test_motion_study_measures_every_joint_of_three_methods(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="main phase"):
        page = motion.study("smoke", tmp_path / "results", tmp_path / "runs").read_text(encoding="utf-8")
    assert "| joint | VHP + REWO | VampPrior | IWAE |" in page and "| rtibia |" in page
    results = json.loads((tmp_path / "results" / "vhp" / "motion.json").read_text())["results"]
    assert all(len(result["joints"]) == len(motion.joints_of()) for result in results.values())
    assert (tmp_path / "results" / "vhp" / "motion-kicking.gif").stat().st_size > 1000
