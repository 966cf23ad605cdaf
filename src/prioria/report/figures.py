"""Stick figures: poses as pictures, by forward kinematics."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from prioria.data import Protocol
from prioria.data.files import data_root
from prioria.data.known.skeleton import poses, read_asf
from prioria.report.style import INK

SIDE, LINE, VIEW = 144, 3, math.radians(40)  # pixels of a tile and of a bone; the angle that the body is seen at
REACH = 1.15  # half the height of a tile, in heights of the tallest figure above or below the hips


def stick_figures(values: Float[Tensor, "n D"], protocol: Protocol) -> UInt8[np.ndarray, "n H W 3"]:
    """Draws poses of a body, all on one scale and from one side.

    Args:
        values: rows in the model's scale.
        protocol: of poses, which names the skeleton.

    Raises:
        ValueError: the skeleton's file is not at hand.
    """
    skeleton = read_asf(data_root() / protocol.skeleton)
    joints = skeleton.joints(poses(protocol, values, skeleton))
    across = joints[..., 0] * math.cos(VIEW) + joints[..., 2] * math.sin(VIEW)
    plane = np.stack([across, -joints[..., 1]], -1)
    scale = SIDE / 2 / (REACH * np.abs(plane).max())
    return np.stack([_draw(SIDE / 2 + scale * pose, skeleton.edges) for pose in plane])


def _draw(joints: NDArray, edges: list[tuple[int, int]]) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (SIDE, SIDE), "white")
    pencil = ImageDraw.Draw(picture)
    for start, end in edges:
        pencil.line([tuple(joints[start]), tuple(joints[end])], fill=INK, width=LINE)
    return np.asarray(picture)
