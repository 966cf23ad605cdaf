"""Where the original files of a data set lie, how they are fetched and checked, and where parsed copies are kept."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prioria.data.base import DataError
from prioria.storage import write_atomically


@dataclass(frozen=True)
class File:
    """One original file of a data set.

    Args:
        path: Path below the data root.
        checksum: "sha256:...", "md5:..." or "git:..." (what `git hash-object` prints); "" where none is known.
        address: Public address; "" where there is none.
        instead: Another form of the same content, equally good (unpacked, or from another source).
    """

    path: str
    checksum: str = ""
    address: str = ""
    instead: File | None = None

    @property
    def forms(self) -> tuple[File, ...]:
        """This file and the other forms of its content, the preferred one first."""
        return (self, *(self.instead.forms if self.instead else ()))

    def at_hand(self, root: Path) -> bool:
        """Whether one form of the file is below the data root."""
        return any((root / form.path).exists() for form in self.forms)

    def locate(self, root: Path) -> Path:
        """The path of one form of the file, downloaded first if none is at hand and it has an address.

        Raises:
            DataError: The file is damaged, or neither at hand nor reachable: names the file, address and folder.
        """
        for form in self.forms:
            if (root / form.path).exists():
                return _checked(root / form.path, form)
        for form in self.forms:
            if form.address:
                return _download(root, form)
        raise DataError(
            f"{self.path} is not below {root} and has no public address; put it into {_folder(root, self)}"
        )


def data_root(root: str | Path | None = None) -> Path:
    """The folder of the original files: `root`, else the variable PRIORIA_DATA, else the user's cache."""
    return Path(root or os.environ.get("PRIORIA_DATA") or user_cache())


def user_cache() -> Path:
    """The folder of the user's cache for prioria."""
    import pooch

    return Path(pooch.os_cache("prioria"))


def _folder(root: Path, file: File) -> Path:
    return (root / file.path).parent


def _checked(path: Path, file: File) -> Path:
    if file.checksum and (found := checksum(path, file.checksum.partition(":")[0])) != file.checksum:
        remedy = f"delete it and fetch {file.address}" if file.address else "fetch it again"
        raise DataError(
            f"{path} is not the original file or is damaged ({found}, expected {file.checksum}); {remedy}"
        )
    return path


def checksum(path: Path, algorithm: str) -> str:
    """The checksum "algorithm:hex" of a file; "git" is the sha1 of git's blob, header included."""
    digest = (
        hashlib.sha1(b"blob %d\0" % path.stat().st_size) if algorithm == "git" else hashlib.new(algorithm)
    )
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return f"{algorithm}:{digest.hexdigest()}"


def _download(root: Path, file: File) -> Path:
    folder = _folder(root, file)
    known = None if file.checksum.startswith("git:") else file.checksum or None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _checked(_fetched(file, known, folder), file)
    except DataError:
        raise
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:200]
        raise DataError(
            f"{file.path} is not at hand and could not be fetched from {file.address} ({reason}); "
            f"put it into {folder}, or set PRIORIA_DATA to the folder that holds {Path(file.path).parent}/"
        ) from error


def _fetched(file: File, known: str | None, folder: Path) -> Path:
    import pooch

    from prioria.data.progress import Bar

    name = Path(file.path).name
    downloader = pooch.HTTPDownloader(progressbar=Bar(name), chunk_size=2**16)
    return Path(pooch.retrieve(file.address, known, name, folder, downloader=downloader))


def cached(name: str, build: Callable[[], NDArray]) -> NDArray:
    """The array that `build` makes, kept as NAME.npy in the user's cache because making it is slow.

    Where the cache cannot be written the array is made every time.
    """
    path = user_cache() / "parsed" / f"{name}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):  # absent or damaged: make it again
        return np.load(path, mmap_mode="r", allow_pickle=False)
    array = build()
    with contextlib.suppress(OSError):  # a cache on a full or read-only disk costs time, not the data
        write_atomically(path, lambda temporary: _save(temporary, array))
    return array


def _save(path: Path, array: NDArray) -> None:
    with path.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
