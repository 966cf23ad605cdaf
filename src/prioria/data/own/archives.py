"""Folders, zip and tar files as one thing: names with declared sizes, and the bytes of each, read in place."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from pathlib import Path, PurePosixPath

from prioria.data.errors import DataError
from prioria.data.formats import naming
from prioria.data.own.room import check_unpacked

TARS = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
LARGEST_FILE = 2**30
"""Bytes that one file of an archive may declare: a picture has less, and a bomb has more."""

LITTER = frozenset(("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"))
"""What operating systems leave beside pictures."""

Stream = io.BufferedIOBase
Keep = Callable[[str], bool]


def is_tar(path: Path) -> bool:
    """Whether a file is called like a tar file, packed or not."""
    return path.name.lower().endswith(TARS)


def is_litter(name: str) -> bool:
    """Whether a file was left by an operating system: __MACOSX, .DS_Store, Thumbs.db, and all that a dot hides."""
    parts = PurePosixPath(name).parts
    return any(part in LITTER for part in parts) or (bool(parts) and parts[-1].startswith("."))


def members(path: Path, keep: Keep) -> list[str]:
    """Names of the files in a folder or archive that are kept and are no litter, sorted.

    Raises:
        DataError: One of them is no plain file, leads out of the folder, or declares more than `LARGEST_FILE`.
    """
    with naming(path):
        found = _listing(path, lambda name: keep(name) and not is_litter(name))
    for name, size in found.items():
        _check_size(path / name, size)
    return sorted(found)


def _listing(path: Path, keep: Keep) -> Mapping[str, int]:
    if path.is_dir():
        return _files(path, keep)
    if not is_tar(path):
        with zipfile.ZipFile(path) as archive:
            return {entry.filename: entry.file_size for entry in archive.infolist() if keep(entry.filename)}
    with tarfile.open(path) as archive:
        return {entry.name: entry.size for entry in _plain(path, archive) if keep(entry.name)}


def _files(folder: Path, keep: Keep) -> dict[str, int]:
    root, found = folder.resolve(), {}
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        if not keep(name) or file.is_dir():
            continue
        if file.is_symlink() and not file.resolve().is_relative_to(root):
            raise DataError(f"{file} is a link out of the folder; put the file itself there, or leave it out")
        if not file.is_file():
            raise DataError(f"{file} is a pipe, a device or a link to nothing; put a file there, or leave it out")
        found[name] = file.stat().st_size
    return found


def _plain(path: Path, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The plain files of a tar; each size is looked at before the archive is unpacked beyond it."""
    for entry in archive:
        _check_size(path / entry.name, entry.size)
        if entry.isreg():
            yield entry


def _check_size(file: Path, size: int) -> None:
    if size > LARGEST_FILE:
        raise DataError(
            f"{file} declares {size / 2**30:,.1f} GiB, and {LARGEST_FILE / 2**30:g} GiB is the most that is read of "
            "one picture's file; leave it out"
        )


def opened(path: Path, names: Collection[str]) -> Generator[tuple[str, Stream], None, None]:
    """The named files as streams, each with its name; those of a tar in its own order, as a packed one cannot go back.

    Close it (`contextlib.closing`) where its reader may end early: the last file stays open until then.

    Args:
        path: A folder, a zip or a tar file.
        names: As `members` returns them.
    """
    yield from (_from_folder if path.is_dir() else _from_tar if is_tar(path) else _from_zip)(path, names)


def _from_folder(path: Path, names: Collection[str]) -> Iterator[tuple[str, Stream]]:
    for name in names:
        with naming(path / name):
            stream = (path / name).open("rb")
        with stream:
            yield name, stream


def _from_zip(path: Path, names: Collection[str]) -> Iterator[tuple[str, Stream]]:
    with naming(path), zipfile.ZipFile(path) as archive:
        for name in names:
            entry = archive.getinfo(name)
            check_unpacked(path / name, entry.compress_size, entry.file_size)
            with naming(path / name):
                content = io.BytesIO(archive.read(name))  # never more than it declares
            yield name, content


def _from_tar(path: Path, names: Collection[str]) -> Iterator[tuple[str, Stream]]:
    wanted = set(names)
    with naming(path), tarfile.open(path) as archive:
        for entry in _plain(path, archive):
            stream = archive.extractfile(entry) if entry.name in wanted else None
            if stream is not None:
                yield entry.name, io.BytesIO(stream.read())
