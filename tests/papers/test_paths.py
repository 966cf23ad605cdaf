"""Studies of interpolation: angles that are read off as they are, joints of the skeleton, and pages that appear."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from prioria import VAE, data, likelihoods, nets, posteriors, priors
from prioria.cli import main
from prioria.data.known.pendulum import NOISE, render
from prioria.papers import Cell, cells, motion, pendulum
from prioria.papers.paths import unfolded
from prioria.papers.pendulum import Walk
from prioria.report.strips import Strip
from prioria.storage import write_json


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


def test_a_ring_of_data_starts_as_a_ring_of_latents() -> None:
    torch.manual_seed(3)
    encoder, posterior = nets.MLP(256, 128, 128, activation="tanh", activate_output=True), posteriors.Gaussian(128, 2)
    decoder = likelihoods.Gaussian(nets.MLP(2, 256), scale=NOISE)
    model = VAE(encoder=encoder, posterior=posterior, prior=priors.StandardNormal(2), likelihood=decoder)
    state, ring = torch.get_rng_state(), frames(list(range(0, 360, 5)))

    def turns() -> np.ndarray:
        z = model.encode(ring).double().numpy()
        away = z - z.mean(0)
        angles = np.unwrap(np.arctan2(away[:, 1], away[:, 0]), axis=0)
        return np.diff(np.append(angles, angles[0] + 2 * np.pi * np.sign(angles[-1] - angles[0])))

    before = turns()
    unfolded(model, data.load("pendulum"))
    assert torch.equal(torch.get_rng_state(), state)
    after = turns()
    assert abs(before).max() > 0.5 and (np.sign(after) == np.sign(after[0])).all() and abs(after.sum()) < 6.3


def reproduced(table: str, folder: Path) -> str:
    command = ["reproduce", table, "--budget", "smoke", "--runs", str(folder / "runs"), "--out", str(folder)]
    with pytest.warns(UserWarning, match="main phase"), pytest.raises(SystemExit) as end:
        main(command)
    assert not end.value.code
    return (folder / f"{table}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("study", "where", "files"),
    [
        (pendulum, "path_of", ["vhp-pendulum-strips.png"]),
        (motion, "_path", [f"vhp-motion-{movement}.png" for movement in motion.SHOWN]),
    ],
)
def test_pictures_side_by_side_hold_the_methods_of_earlier_commands_too(
    study: ModuleType, where: str, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def path(cell: Cell, *_: str) -> Strip:
        drawn.append(cell.row.name)
        return Strip(np.zeros((4, 8, 8, 3), np.uint8))

    monkeypatch.setattr(study, where, path)
    monkeypatch.setattr(motion, "joints_of", dict)
    for row, seed in (("vhp-rewo", 0), ("iwae", 0), ("vamp", 1)):
        write_json(tmp_path / "runs" / study.TABLE.place(study.TABLE.data[0], row, "smoke", seed) / "result.json", {})
    later = cells(study.TABLE, "smoke", rows=["iwae"], runs=tmp_path / "runs", out=tmp_path)
    for command in (later, []):  # the second has no run at hand
        shown = [picture.file for picture in study.page(study.TABLE, tmp_path, command).images]
        assert [file for file in shown if "updates" not in file] == files
    assert drawn == ["vhp-rewo", "iwae"] * len(files)


@pytest.mark.slow
@pytest.mark.data
def test_pendulum_study_compares_six_ways_and_draws_them(tmp_path: Path) -> None:
    page = reproduced("vhp-pendulum", tmp_path)
    for title in ("VHP + REWO", "VHP + GECO", "VampPrior", "IWAE"):
        assert f"<summary>{title} (smoke)</summary>" in page
    assert "## Straight lines" in page
    results = [json.loads(path.read_text()) for path in (tmp_path / "vhp-pendulum").rglob("*.json")]
    assert len(results) == 10 and all(0 <= result["monotone"] <= 1 for result in results)
    assert page.count("strip.png)") == 10 and len(list(tmp_path.glob("vhp-pendulum/**/path.gif"))) == 10
    assert all(result["mutual"]["parts"] >= 1 and result["far"] <= result["pockets"] for result in results)
    assert "## Graphs of mutual neighbors" in page and "## How well the prior fits" in page
    assert all(f"vhp-pendulum-{name}.png" in page for name in ("updates", "evolution", "strips"))


@pytest.mark.slow
@pytest.mark.data
def test_motion_study_measures_every_joint_of_three_methods(tmp_path: Path) -> None:
    page = reproduced("vhp-motion", tmp_path)
    assert page.count("rtibia: ") == 3
    results = [json.loads(path.read_text()) for path in (tmp_path / "vhp-motion").rglob("*.json")]
    assert len(results) == 3 and all(len(result["joints"]) == len(motion.joints_of()) for result in results)
    assert (tmp_path / "vhp-motion-kicking.gif").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.data
def test_faces_study_measures_paths_of_three_methods_and_leaves_the_other_set_empty(tmp_path: Path) -> None:
    page = reproduced("vhp-faces", tmp_path)
    assert "<summary>VampPrior (smoke)</summary>" in page
    results = [json.loads(path.read_text()) for path in (tmp_path / "vhp-faces").rglob("*.json")]
    assert {result["row"] for result in results} == {"vhp-rewo", "vamp", "iwae"}
    assert all(0 < result["change"][0] <= result["change"][1] and result["nodes"] >= 2 for result in results)
    assert page.count("strip.png)") == 3
    assert "No row of lfwcrop." in page
