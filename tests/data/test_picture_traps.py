"""Traps in folders and archives: each is refused by a look at its header, in one line."""

import os
import struct
import tarfile
import zlib
from pathlib import Path

import pytest
from PIL import Image

from prioria.data import DataError, load
from tests.data.test_pictures import GREY, packed, png, write


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(side: int) -> bytes:
    """A grey PNG of side x side pixels that are all black, and packed to a thousandth."""
    lines = zlib.compress(bytes(side + 1) * side, 9)
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def linked_out(folder: Path) -> Path:
    write(folder / "outside", GREY)
    write(folder / "set", GREY)
    (folder / "set" / "link.png").symlink_to(folder / "outside" / "00.png")
    return folder / "set"


def with_a_pipe(folder: Path) -> Path:
    os.mkfifo(write(folder / "set", GREY) / "pipe.png")
    return folder / "set"


def declaring(folder: Path, size: int) -> Path:
    """A zip whose directory declares another size of its picture."""
    path = packed(folder / "set.zip", {"0.png": png(GREY[0])})
    content = path.read_bytes()
    place = content.rindex(b"PK\1\2")
    path.write_bytes(content[: place + 24] + struct.pack("<I", size) + content[place + 28 :])
    return path


def declaring_tar(folder: Path) -> Path:
    entry = tarfile.TarInfo("0.png")
    entry.size = 8 * 2**40
    (folder / "set.tar").write_bytes(entry.tobuf(tarfile.GNU_FORMAT))
    return folder / "set.tar"


def photographs(folder: Path) -> Path:
    Image.new("RGB", (4032, 3024)).save(folder / "0.jpg")
    return folder


TRAPS = {
    "169 megapixels": (lambda f: packed(f / "set.zip", {"0.png": bomb(13_000)}), "0.png is 13000x13000, .* GiB"),
    "a billion pixels": (lambda f: packed(f / "set.zip", {"0.png": bomb(1)[:16] + struct.pack(">II", 40000, 40000)
                         + b"\x08\0\0\0\0" + struct.pack(">I", zlib.crc32(b"IHDR" + struct.pack(">II", 40000, 40000)
                         + b"\x08\0\0\0\0")) + bomb(1)[33:]}), "1600000000 pixels"),
    "photographs as they are": (photographs, "0.jpg would be a row of 4032x3024 pixels, 36,578,304 values.*--resize"),
    "a link out of the folder": (linked_out, "link.png is a link out of the folder"),
    "a pipe in the folder": (with_a_pipe, "pipe.png is a pipe"),
    "a zip that declares 3 GiB": (lambda f: declaring(f, 3 * 2**30), "0.png declares 3.0 GiB"),
    "a tar that declares 8 TiB": (declaring_tar, "0.png declares 8,192.0 GiB"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "reason"), TRAPS.values(), ids=TRAPS.keys())
def test_traps_are_refused_by_their_headers(make, reason, tmp_path, monkeypatch):
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("a trap was decoded"))
    path = make(tmp_path)
    with pytest.raises(DataError, match=reason) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "rows.npy")
    with pytest.raises(DataError, match="pipe or a device"):
        load(tmp_path / "rows.npy")
