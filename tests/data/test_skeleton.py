"""Motion capture: reading Acclaim files, and where the joints are."""

import numpy as np
import pytest
import torch

from prioria.data import DataError, load
from prioria.data.known.cmu_mocap import TRIALS, read_skeleton, read_trial
from prioria.data.known.skeleton import poses, read_amc, read_asf

ASF = """:version 1.10
:root
   order TX TY TZ RX RY RZ
:bonedata
  begin
     id 1
     name upper
     direction 1 0 0
     length 2
     axis 0 0 90 XYZ
    dof rx ry rz
  end
  begin
     id 2
     name lower
     direction 1 0 0
     length 1
     axis 0 0 0 XYZ
    dof rz
  end
:hierarchy
  begin
    root upper
    upper lower
  end
"""
AMC = """#!OML:ASF
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 0 0
lower 0
upper 0 0 0
2
root 0 0 0 0 0 90
lower 90
upper 0 0 0
3
root 0 0 0 0 0 0
lower 0
upper 0 90 0
"""


@pytest.fixture
def arm(tmp_path):
    (tmp_path / "arm.asf").write_text(ASF)
    (tmp_path / "arm.amc").write_bytes(AMC.replace("\n", "\r\n").encode())
    return tmp_path


def test_channels_are_in_the_order_of_the_skeleton(arm):
    skeleton = read_asf(arm / "arm.asf")
    assert skeleton.channels[6:] == ("upper rx", "upper ry", "upper rz", "lower rz")
    assert skeleton.edges == [(0, 1), (1, 2)]
    motion = read_amc(arm / "arm.amc", skeleton)
    assert motion[1].tolist() == [0, 0, 0, 0, 0, 90, 0, 0, 0, 90]


def test_joints_of_an_arm(arm):
    skeleton = read_asf(arm / "arm.asf")
    joints = skeleton.joints(read_amc(arm / "arm.amc", skeleton))
    expected = [
        [[1, 2, 3], [3, 2, 3], [4, 2, 3]],  # at rest, moved
        [[0, 0, 0], [0, 2, 0], [-1, 2, 0]],  # the root turns all by 90 degrees about z, the elbow as much again
        [[0, 0, 0], [2, 0, 0], [3, 0, 0]],  # about the arm's own y, which its axis turns onto minus x: only a twist
    ]
    assert np.allclose(joints, expected)


def test_a_motion_of_another_skeleton_is_refused(arm):
    (arm / "cut.amc").write_text(AMC[:-20])
    with pytest.raises(DataError, match="frame 3 does not fit"):
        read_amc(arm / "cut.amc", read_asf(arm / "arm.asf"))


def test_no_skeleton_is_refused(arm):
    with pytest.raises(DataError, match=r"arm\.amc cannot be read"):
        read_asf(arm / "arm.amc")


@pytest.mark.data
def test_frames_of_two_sources_agree(data_root):
    from scipy.io import loadmat

    frames = loadmat(data_root / "cmu-mocap/35/cmu35WalkJog.mat")["Y"][:90]
    assert np.array_equal(read_trial(data_root, "35_01")[::4], frames)


@pytest.mark.data
def test_a_walker_stands_on_the_ground(data_root):
    skeleton = read_skeleton(data_root)
    joints = skeleton.joints(read_trial(data_root, "35_01")) * 0.056444  # metres
    number = {bone.name: place + 1 for place, bone in enumerate(skeleton.bones)}
    height = joints[:, :, 1]
    feet = height[:, [number["ltoes"], number["rtoes"]]].min(1)
    assert np.ptp(feet) < 0.1  # some foot is always near the ground
    assert np.all((height[:, number["head"]] - feet > 1.4) & (height[:, number["head"]] - feet < 2.1))
    lengths = np.linalg.norm(np.diff(joints[:, skeleton.edges], axis=2)[:, :, 0], axis=-1)
    assert np.allclose(lengths, [0.056444 * bone.length for bone in skeleton.bones], atol=1e-3)


@pytest.mark.slow
@pytest.mark.data
def test_rows_go_back_to_poses(data_root):
    data, skeleton = load("cmu-mocap", root=data_root), read_skeleton(data_root)
    motion = np.concatenate([read_trial(data_root, name)[::4] for name, _, _ in TRIALS])
    order = np.random.default_rng(0).permutation(len(motion))[: len(data.train)]
    kept = np.flatnonzero([not channel.startswith("root") for channel in skeleton.channels])
    found = poses(data.protocol, data.train.tensor(), skeleton)
    changed = np.ptp(motion, axis=0) > 1e-6
    assert changed[kept].sum() == 50
    assert np.allclose(found[:, kept[changed[kept]]], motion[order][:, kept[changed[kept]]], atol=1e-3)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", ["cmu-mocap", "cmu-mocap-35"])
def test_every_channel_spans_the_unit_interval(data_root, name):
    data = load(name, root=data_root)
    x = torch.cat([data.train.tensor(), data.validation.tensor(), data.test.tensor()])
    assert torch.allclose(x.amin(0), torch.zeros(50), atol=1e-5)
    assert torch.allclose(x.amax(0), torch.ones(50), atol=1e-5)
