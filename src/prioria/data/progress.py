"""The progress bar of a download."""

from __future__ import annotations

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn


class Bar:
    """What pooch asks of a progress bar (total, update, reset, close), drawn by rich on standard error.

    Args:
        name: The file that is fetched.
    """

    def __init__(self, name: str) -> None:
        from rich.console import Console

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task(name, total=None)

    @property
    def total(self) -> float | None:
        """Bytes to fetch; None while the server has not said."""
        return self._progress.tasks[0].total

    @total.setter
    def total(self, size: int) -> None:
        self._progress.start()
        self._progress.update(self._task, total=size)

    def update(self, size: int) -> None:
        """Counts `size` more bytes."""
        self._progress.advance(self._task, size)

    def reset(self) -> None:
        """Back to zero."""
        self._progress.reset(self._task)

    def close(self) -> None:
        """Leaves the finished bar on the screen."""
        self._progress.stop()
