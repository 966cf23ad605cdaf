"""Acclaim skeletons and motions (.asf, .amc), and the joint positions that a pose puts them in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from prioria.data.base import Protocol
from prioria.data.errors import DataError
from prioria.data.formats import content, naming

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

ROOT_CHANNELS = tuple(f"root {axis}" for axis in ("tx", "ty", "tz", "rx", "ry", "rz"))


@dataclass(frozen=True)
class Bone:
    """One bone of a skeleton.

    Args:
        name: Its name.
        parent: The bone that it hangs on, or "root".
        direction: Unit vector (3,) in the rest pose, in the coordinates of the world.
        length: In the units of the root's position.
        axis: The rotation (degrees about x, then y, then z) of the bone's own coordinates.
        freedoms: The rotations it can make, some of "rx", "ry", "rz".
    """

    name: str
    parent: str
    direction: NDArray
    length: float
    axis: NDArray
    freedoms: tuple[str, ...]


@dataclass(frozen=True)
class Skeleton:
    """Bones, every one after its parent, and the order of the channels of a pose.

    Args:
        bones: The bones.
        channels: Names "BONE FREEDOM" of a pose's values: root first, then bones in the order of the file.
    """

    bones: tuple[Bone, ...]
    channels: tuple[str, ...]

    @property
    def edges(self) -> list[tuple[int, int]]:
        """Pairs of joint numbers, one a bone: where it starts and where it ends."""
        number = {"root": 0} | {bone.name: place + 1 for place, bone in enumerate(self.bones)}
        return [(number[bone.parent], number[bone.name]) for bone in self.bones]

    def joints(self, poses: NDArray) -> NDArray:
        """Positions (T, 1 + bones, 3) of the root and of the far end of every bone.

        With A the rotation of the bone's axis, M that of its channels and G its parent's,
        G_bone = G A M A^-1 and end = start + length G_bone direction.

        Args:
            poses: (T, channels): positions in the file's units, angles in degrees.
        """
        column = {name: poses[:, place] for place, name in enumerate(self.channels)}
        still = np.zeros(len(poses))
        turns = {"root": _turn(np.stack([column[name] for name in ROOT_CHANNELS[3:]], axis=1))}
        ends = {"root": np.stack([column[name] for name in ROOT_CHANNELS[:3]], axis=1)}
        for bone in self.bones:
            axis = _turn(bone.axis)
            angles = [column.get(f"{bone.name} {freedom}", still) for freedom in ("rx", "ry", "rz")]
            turns[bone.name] = turns[bone.parent] * axis * _turn(np.stack(angles, axis=1)) * axis.inv()
            reach = turns[bone.name].apply(bone.length * bone.direction)
            ends[bone.name] = ends[bone.parent] + reach
        return np.stack(list(ends.values()), axis=1)


def _turn(angles: NDArray) -> Rotation:
    """Turns about the fixed axes x, then y, then z, by angles (3,) or (T, 3) in degrees."""
    from scipy.spatial.transform import Rotation  # a third of a second that only stick figures need

    return Rotation.from_euler("xyz", angles, degrees=True)


def read_asf(path: Path) -> Skeleton:
    """The skeleton of an .asf file (root order TX TY TZ RX RY RZ, axes XYZ, degrees)."""
    text = content(path).decode("ascii", "replace")
    with naming(path):
        bone_data, hierarchy = text.split(":bonedata")[1].split(":hierarchy")
        parents = _parents(hierarchy)
        bones = [_bone(block, parents) for block in bone_data.split("begin")[1:]]
        channels = [f"{bone.name} {freedom}" for bone in bones for freedom in bone.freedoms]
        by_name = {bone.name: bone for bone in bones}
        return Skeleton(tuple(by_name[name] for name in parents), (*ROOT_CHANNELS, *channels))


def _parents(hierarchy: str) -> dict[str, str]:
    """Child to parent; the file lists every bone before its children."""
    lines = [line.split() for line in hierarchy.splitlines()]
    families = [words for words in lines if words and words[0] not in ("begin", "end")]
    return {child: family[0] for family in families for child in family[1:]}


def _bone(block: str, parents: dict[str, str]) -> Bone:
    fields = {words[0]: words[1:] for line in block.splitlines() if (words := line.split())}
    name = fields["name"][0]
    direction, axis = np.array(fields["direction"], float), np.array(fields["axis"][:3], float)
    freedoms = tuple(freedom.lower() for freedom in fields.get("dof", ()))
    return Bone(name, parents[name], direction, float(fields["length"][0]), axis, freedoms)


def read_amc(path: Path, skeleton: Skeleton) -> NDArray:
    """The poses (T, channels) of an .amc file, its channels in the order of the skeleton.

    Raises:
        DataError: The motion is of another skeleton, or the file is cut off.
    """
    widths: dict[str, int] = {}
    for channel in skeleton.channels:
        bone = channel.split()[0]
        widths[bone] = widths.get(bone, 0) + 1
    frames: list[dict[str, list[str]]] = []
    with naming(path):
        for words in map(str.split, content(path).decode("ascii", "replace").splitlines()):
            if len(words) == 1 and words[0].isdigit():
                frames.append({})
            elif frames and words:
                frames[-1][words[0]] = words[1:]
        for number, frame in enumerate(frames, start=1):
            if {bone: len(values) for bone, values in frame.items()} != widths:
                raise DataError(
                    f"{path}: frame {number} does not fit the skeleton; it is cut off or of another subject"
                )
        return np.array([[value for bone in widths for value in frame[bone]] for frame in frames], float)


def poses(protocol: Protocol, x: Tensor, skeleton: Skeleton) -> NDArray:
    """Poses (N, channels) in degrees for a model's rows x (N, D), upright at the origin, for `Skeleton.joints`."""
    full = np.zeros((len(x), len(skeleton.channels)))
    columns = [skeleton.channels.index(channel) for channel in protocol.channels]
    full[:, columns] = protocol.unscaled(x.detach().cpu()).numpy()
    return full
