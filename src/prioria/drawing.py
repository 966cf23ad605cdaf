"""Rows as pictures: images as they are, poses of a body as stick figures by forward kinematics."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from prioria.data import Protocol
from prioria.data.files import data_root
from prioria.data.known.skeleton import poses, read_asf

INK, FIELD = "#1c2430", "#f1f4f8"  # of what is dark, and where there is no ink
TILE = 72  # pixels of a tile, about
SIDE, LINE, VIEW = 144, 3, math.radians(40)  # pixels of a tile and of a bone; the angle that the body is seen at
REACH = 1.15  # half the height of a tile, in heights of the tallest figure above or below the hips


def is_drawable(protocol: Protocol) -> bool:
    """Says whether rows can be drawn: pictures, and poses of a body."""
    return len(protocol.shape) == 3 or bool(protocol.skeleton)


def drawn(values: Float[Tensor, "n D"], protocol: Protocol) -> UInt8[np.ndarray, "n H W 3"]:
    """Returns rows as pictures on one scale: images as they are, poses as stick figures.

    Raises:
        ValueError: the data are neither.
    """
    if protocol.skeleton:
        return stick_figures(values, protocol)
    if not is_drawable(protocol):
        raise ValueError(
            f"data={protocol.name!r} of shape {protocol.shape} cannot be drawn; it must be pictures or poses"
        )
    low, high = value_range(values)
    return tiles((values - low) / (high - low), protocol)


def value_range(rows: Tensor) -> tuple[float, float]:
    """Returns what is shown as darkest and brightest: 0 and 1 where values lie between them, else their extremes."""
    low, high = rows.min().item(), rows.max().item()
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, max(high, low + 1e-6))


def tiles(values: Float[Tensor, "n D"], protocol: Protocol) -> UInt8[np.ndarray, "n H W 3"]:
    """Returns values between 0 and 1 as colors, each picture enlarged by the same whole number of times."""
    pictures = values.reshape(-1, *protocol.shape).clamp(0, 1).numpy()
    if protocol.shape[0] != 3:
        pictures = np.repeat(pictures.mean(1, keepdims=True), 3, axis=1)
    if protocol.kind == "binary" or protocol.binarization != "none":
        pictures = _rgb(FIELD) + pictures * (_rgb(INK) - _rgb(FIELD))
    times = max(1, round(TILE / max(protocol.shape[1:])))
    return (pictures * 255).round().astype(np.uint8).transpose(0, 2, 3, 1).repeat(times, 1).repeat(times, 2)


def _rgb(color: str) -> NDArray[np.float32]:
    channels = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    return np.array(channels, dtype=np.float32)[:, None, None]


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
