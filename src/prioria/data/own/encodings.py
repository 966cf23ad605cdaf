"""Text files as they come: packed or not, in one of several encodings."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import struct
from io import TextIOWrapper
from pathlib import Path

from prioria.data.errors import DataError
from prioria.data.own.room import check_room, check_unpacked

HEAD = 2**16  # characters of a text file by which it is judged
MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
ZEROS = 0.25  # share of zero bytes at even or odd places, from which each letter has two


def opened(path: Path, encoding: str) -> TextIOWrapper:
    """The text of a file, unpacked if its name ends in .gz."""
    if path.suffix.lower() == ".gz":
        with path.open("rb") as packed:
            packed.seek(max(path.stat().st_size - 4, 0))
            unpacked = struct.unpack("<I", packed.read(4).rjust(4, b"\0"))[0]
            check_room(path, unpacked)
            check_unpacked(path, path.stat().st_size, unpacked)
        return TextIOWrapper(gzip.open(path), encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def encoding_of(path: Path) -> str:
    """What its first bytes say: a mark, every other byte zero, or else UTF-8 where it fits and Windows-1252.

    Raises:
        DataError: nothing fits.
    """
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
        head = stream.read(HEAD)
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding
    even, odd = (head[start::2].count(0) / max(len(head) // 2, 1) for start in (0, 1))
    if max(even, odd) > ZEROS > min(even, odd):  # of two bytes a letter, one is zero
        return "utf-16-be" if even > odd else "utf-16-le"
    for encoding in ("utf-8-sig", "cp1252"):
        with contextlib.suppress(UnicodeDecodeError):
            codecs.getincrementaldecoder(encoding)().decode(head)  # its last letter may be cut off
            return encoding
    raise DataError(f"{path} is text in neither UTF-8, UTF-16 nor Windows-1252; save it in UTF-8")
