"""How training goes, on standard error: a bar on a terminal, one line for each epoch anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from prioria.train.log import Line


class Display:
    """Says how training goes.

    Args:
        shown: whether to say anything.
        epochs: how many there will be.
        steps: how many there will be.
    """

    def __init__(self, shown: bool, *, epochs: int, steps: int) -> None:
        self.console = Console(stderr=True, quiet=not shown, soft_wrap=True, markup=False, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=self.console, disable=not (shown and self.console.is_terminal))
        self.epochs = epochs
        self.task = self.bar.add_task("training", total=steps)

    @contextmanager
    def running(self, step: int) -> Iterator[None]:
        """Shows the bar for a while, from a step on."""
        self.bar.update(self.task, completed=step)
        with self.bar:
            yield

    def advance(self) -> None:
        """Counts one more step."""
        self.bar.advance(self.task)

    def epoch(self, train: Line, validation: Line, status: dict[str, Any]) -> None:
        """Says what an epoch has come to; losses are in nats."""
        parts = [f"epoch {validation['epoch']}/{self.epochs}"]
        parts += [f"training loss {_number(train['loss'])}", f"validation loss {_number(validation['loss'])}"]
        parts += [f"{name} {_number(value)}" for name, value in status.items()]
        message = "  ".join(parts) + ("  best" if validation["best"] else "")
        if self.bar.disable:
            self.say(message)
        else:
            self.bar.update(self.task, description=message)

    def say(self, message: str) -> None:
        """Writes a message."""
        self.console.print(message)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
