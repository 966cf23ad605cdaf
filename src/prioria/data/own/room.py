"""A look at the headers of arrays before any memory is taken."""

from __future__ import annotations

import math
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from prioria.data.errors import DataError

MAGIC = np.lib.format.MAGIC_PREFIX  # that every array begins with
UNPACKED, GROWTH = 256 * 2**20, 100


def check_sizes(path: Path) -> None:
    """Looks at the headers of the arrays in an .npz file, before any memory is taken."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            with archive.open(member) as stream:
                if stream.read(len(MAGIC)) != MAGIC:
                    raise DataError(f"{path}: its member {member!r} is no array; leave it out")
            with archive.open(member) as stream:
                size = _declared(stream)
            check_room(path, size)


def check_whole(path: Path) -> None:
    """Refuses an .npy file whose header declares more than the file holds."""
    with path.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            return  # another format, which its reader names
        stream.seek(0)
        declared = _declared(stream)
        held = path.stat().st_size - stream.tell()
    if declared > held:
        raise DataError(
            f"{path} declares an array of {declared / 2**20:,.1f} MiB and holds {held / 2**20:,.1f}: it may be "
            "cut off; write it again"
        )


def _declared(stream: Any) -> int:
    """Bytes of the array whose header comes next."""
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0}.get(version, np.lib.format.read_array_header_2_0)
    shape, _, dtype = read(stream)
    return math.prod(shape) * dtype.itemsize


def check_unpacked(path: Path, packed: int, unpacked: int) -> None:
    """Refuses what grows a hundredfold and beyond 256 MiB when it is unpacked.

    Raises:
        DataError: it does; tables of numbers become 2 to 20 times as large.
    """
    if unpacked > max(UNPACKED, GROWTH * packed):
        raise DataError(
            f"{path} has {packed / 2**20:,.1f} MiB and unpacks to {unpacked / 2**20:,.0f}: over a hundred times as "
            "much, as no table does; unpack it, and give the file itself"
        )


PIECE_BY_PIECE = "save the rows as .npy, which is read piece by piece"


def check_room(path: Path, size: int, remedy: str = PIECE_BY_PIECE) -> None:
    """Refuses an array of so many bytes that this machine cannot hold it."""
    room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else sys.maxsize
    if size > room:
        needed = f"{size / 2**30:,.0f} GiB, and this machine has {room / 2**30:,.0f}"
        raise DataError(f"{path} declares an array of {needed}; {remedy}")
