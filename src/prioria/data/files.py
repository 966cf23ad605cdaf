"""Where the original files of a data set lie, how they are fetched and checked, and where parsed copies go."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prioria.data.errors import DataError
from prioria.data.formats import naming
from prioria.storage import write_atomically


@dataclass(frozen=True)
class File:
    """One original file (or folder) of a data set.

    Args:
        path: Path below the data root.
        checksum: "sha256:...", "md5:...", "git:..." (what `git hash-object` prints) or "text:..." (sha256
            without carriage returns, for text that travels with either line ending); several, separated by
            blanks, where any will do; "" = none known.
        address: Public address that is fetched; "" = none.
        page: Where a person finds it, when there is no direct address.
        instead: Another form of the same content, equally good (unpacked, or from another source).
    """

    path: str
    checksum: str = ""
    address: str = ""
    page: str = ""
    instead: File | None = None

    @property
    def forms(self) -> tuple[File, ...]:
        """This file and the other forms of its content, the preferred one first."""
        return (self, *(self.instead.forms if self.instead else ()))

    def at_hand(self, root: Path) -> bool:
        """Whether one form of the file is below the data root."""
        return any((root / form.path).exists() for form in self.forms)

    def locate(self, root: Path) -> Path:
        """The path of one form of the file, fetched first if none is at hand and one has an address.

        Raises:
            DataError: Damaged, or neither at hand nor reachable; names the file, its address and the folder.
        """
        for form in self.forms:
            if (root / form.path).exists():
                _check(root / form.path, form, str(root / form.path))
                return root / form.path
        for form in self.forms:
            if form.address:
                return _download(root, form)
        where = f"find it at {self.page}" if self.page else "it has no public address"
        raise DataError(f"{self.path} is not at hand; {where} and {_put_it(root, self)}")


def data_root(root: str | Path | None = None) -> Path:
    """The folder of the original files: `root`, else the variable PRIORIA_DATA, else the user's cache."""
    return Path(root or os.environ.get("PRIORIA_DATA") or user_cache())


def user_cache() -> Path:
    """The folder of prioria in the user's cache."""
    import pooch

    return Path(pooch.os_cache("prioria"))


def checksum(path: Path, algorithm: str) -> str:
    """The checksum "algorithm:hex" of a file, in the notations of `File`."""
    name = {"git": "sha1", "text": "sha256"}.get(algorithm, algorithm)
    digest = hashlib.new(name, b"blob %d\0" % path.stat().st_size if algorithm == "git" else b"")
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block.replace(b"\r", b"") if algorithm == "text" else block)
    return f"{algorithm}:{digest.hexdigest()}"


def _check(path: Path, file: File, name: str) -> None:
    expected = file.checksum.split()
    if expected and not any(checksum(path, one.partition(":")[0]) == one for one in expected):
        remedy = f"delete it and fetch {file.address}" if file.address else "fetch it again"
        raise DataError(f"{name} is damaged or not the original (expected {file.checksum}); {remedy}")


def _put_it(root: Path, file: File) -> str:
    path = Path(file.path)
    return f"put it into {(root / path).parent}, or set PRIORIA_DATA to the folder that holds {path.parent}/"


def _download(root: Path, file: File) -> Path:
    target = root / file.path
    try:
        write_atomically(target, lambda temporary: _fetch(file, temporary))
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError):
            target.parent.rmdir()  # only if it is empty: a failure leaves no trace
        if isinstance(error, DataError):
            raise
        reason = str(error) if len(str(error)) < 300 else type(error).__name__
        raise DataError(
            f"{file.path} is not at hand and fetching {file.address} failed ({reason}); {_put_it(root, file)}"
        ) from None  # what the network's layers raised on the way is four screens long and says no more
    return target


def _fetch(file: File, path: Path) -> None:
    import pooch
    import requests

    fetch = pooch.HTTPDownloader(progressbar=True, chunk_size=2**16)  # tqdm's bar, on standard error
    try:
        fetch(file.address, str(path), None)
    except requests.HTTPError as error:
        if error.response is not None:
            error.response.close()  # pooch leaves the connection of a refused request open
        raise
    _check(path, file, file.address)


def cached(name: str, source: Path, build: Callable[[], NDArray]) -> NDArray:
    """The array that `build` makes from a file, kept in the user's cache because making it is slow.

    Where the cache cannot be written the array is made every time.
    """
    path = _cache_path(name, source)
    if (kept := _kept(path)) is not None:
        return kept
    array = build()
    with contextlib.suppress(OSError):  # a full or read-only disk costs time, not the data
        write_atomically(path, lambda temporary: _save(temporary, array))
    return array


def unpacked(archive: Path, name: str) -> NDArray:
    """One array of an npz file as a memory map: its packed .npy is copied into the user's cache.

    Where the cache cannot be written the array is read into memory.
    """
    path = _cache_path(f"{archive.stem}-{name}", archive)
    if (kept := _kept(path)) is not None:
        return kept
    with naming(archive):
        with contextlib.suppress(OSError):
            write_atomically(path, lambda temporary: _unpack(archive, f"{name}.npy", temporary))
            return np.load(path, mmap_mode="r", allow_pickle=False)
        with np.load(archive, allow_pickle=False) as arrays:
            return arrays[name]


def _cache_path(name: str, source: Path) -> Path:
    return user_cache() / "parsed" / f"{name}-{checksum(source, 'sha256')[-12:]}.npy"


def _kept(path: Path) -> NDArray | None:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):  # absent or damaged: to be made again
        return None


def _save(path: Path, array: NDArray) -> None:
    with path.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)


def _unpack(archive: Path, member: str, path: Path) -> None:
    with zipfile.ZipFile(archive) as packed, packed.open(member) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 2**20)
