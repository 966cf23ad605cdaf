"""The folder of a run while it is trained: still the one that training began in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Place:
    """The folder of a run, known by what the file system calls it and not by its name.

    Args:
        folder: it exists; None where nothing is written.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._identity = None if folder is None else _identity(folder)

    def is_there(self) -> bool:
        """Whether the folder is still where it was."""
        return self.folder is None or _identity(self.folder) == self._identity

    def check(self) -> None:
        """Raises where it is not, before anything is written that would make half of it again.

        Raises:
            ValueError: it was removed, renamed or replaced.
        """
        if not self.is_there():
            raise ValueError(
                f"out={str(self.folder)!r} was removed or renamed while it was trained, so training has stopped and "
                "nothing was written there; if it was renamed, go on with prioria train --resume under its new name"
            )

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Lets threads that write into the folder, as those of trackers do, end without a traceback once it is gone."""
        before = threading.excepthook

        def hook(given: threading.ExceptHookArgs) -> None:
            if not (issubclass(given.exc_type, OSError) and not self.is_there()):
                before(given)

        threading.excepthook = hook
        try:
            yield
        finally:
            threading.excepthook = before


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
