"""Files that are replaced as a whole: after a kill, a full disk or a crash at any moment there is the old or the new.

What is being written lies in a hidden folder beside its place, named after the process; whoever writes there next
removes those of processes that have died.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

PREFIX = ".prioria-"
NUMBERS = itertools.count()


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Calls ``write`` on a temporary file and moves it to ``path``, which then has the permissions of new files.

    Raises:
        OSError: it cannot be written; the message names ``path``.
        ValueError: ``path`` is a folder, a device, a pipe, or a link out of its folder.
    """
    check_regular(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    with _workplace(path) as place:
        temporary = place / path.name
        write(temporary)
        temporary.chmod(_new_mode(place))  # safetensors gives its files to their owner alone
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)


def check_place(path: Path) -> None:
    """Raises what :func:`write_atomically` would, before the work whose result is to be written.

    It writes a byte there and removes it, with the folders that were made for it.
    """
    check_regular(path)
    missing = [each for each in path.parents if not each.exists()]
    try:
        with _named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        with _workplace(path) as place:
            (place / path.name).write_bytes(b"\0")
    finally:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()


def check_regular(path: Path) -> None:
    """Raises ValueError where a path is there and is no file, or a link out of its folder."""
    if not path.name:
        raise ValueError(f"path={str(path)!r} names no file; give one, such as run/report.html")
    try:
        kind = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        raise ValueError(f"path={str(path)[:200]!r} is no name of a file ({error_text(error)})") from error
    if stat.S_ISLNK(kind):
        target = path.resolve()
        if target.parent != path.parent.resolve():
            raise ValueError(f"path={str(path)!r} is a link to {target}, out of its folder; give that file itself")
        kind = target.stat().st_mode if target.exists() else stat.S_IFREG
    if not stat.S_ISREG(kind):
        what = "a folder" if stat.S_ISDIR(kind) else "a device, pipe or socket"
        raise ValueError(f"path={str(path)!r} is {what}, which a file would replace; give another name")


def own_folder(folder: Path, name: str) -> Path:
    """Returns a folder within another that prioria writes to and removes from.

    Raises:
        ValueError: it is a link out of the other.
    """
    own = folder / name
    if own.is_symlink() and not own.resolve().is_relative_to(folder.resolve()):
        raise ValueError(
            f"path={str(own)!r} is a link to {own.resolve()}, out of the folder; put a folder in its place"
        )
    return own


def sweep(folder: Path) -> None:
    """Removes what processes of this machine that have died were writing into a folder."""
    for place in folder.glob(f"{PREFIX}*"):
        host, _, rest = place.name.removeprefix(PREFIX).rpartition("@")
        number = rest.partition("-")[0]
        if host == _host() and number.isdecimal() and not _is_alive(int(number)):
            shutil.rmtree(place, ignore_errors=True)


def error_text(error: BaseException) -> str:
    """Returns what an error of the operating system says, in few words."""
    return (getattr(error, "strerror", None) or str(error)).splitlines()[0] if str(error) else type(error).__name__


@contextmanager
def _workplace(path: Path) -> Iterator[Path]:
    place = path.parent / f"{PREFIX}{_host()}@{os.getpid()}-{next(NUMBERS)}"
    with _named(path):
        try:
            place.mkdir()
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Names the file in errors of the operating system; a full disk is none to safetensors."""
    try:
        yield
    except SafetensorError as error:
        raise OSError(errno.EIO, f"cannot be written ({error_text(error)})", str(path)) from error
    except OSError as error:
        if error.errno is None:  # of a download, which says what it was
            raise
        raise OSError(error.errno, f"cannot be written ({error_text(error)})", str(path)) from error


def _new_mode(place: Path) -> int:
    probe = place / ".mode"
    probe.touch()
    return stat.S_IMODE(probe.stat().st_mode)


def _flush(path: Path) -> None:
    """Waits until the disk has a file, or the names in a folder."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _host() -> str:
    return socket.gethostname().replace("/", "-")[:40]


def _is_alive(process: int) -> bool:
    if os.name == "nt":
        return True  # signal 0 would end it there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
