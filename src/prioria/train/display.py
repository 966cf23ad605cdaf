"""How training goes, on standard error: a bar on a terminal, one line for each epoch anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from prioria.train.log import Line


class _Speed(ProgressColumn):
    """Steps in a second, of late."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{_number(task.speed)} steps/s", style="progress.data.speed")


class Display:
    """Says how training goes.

    Args:
        shown: whether to say anything.
        epochs: how many there will be.
        steps: how many there will be.
    """

    def __init__(self, shown: bool, *, epochs: int, steps: int) -> None:
        self.console = Console(stderr=True, quiet=not shown, soft_wrap=True, markup=False, highlight=False)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),  # what the words leave of the line
            _Speed(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[bound]}"),
        )
        shown = shown and self.console.is_terminal
        self.bar = Progress(*columns, console=self.console, disable=not shown, expand=True)
        self.epochs = epochs
        self.task = self.bar.add_task(f"epoch 1/{epochs}", total=steps, bound="")

    @contextmanager
    def running(self, step: int) -> Iterator[None]:
        """Shows the bar for a while, from a step on."""
        self.bar.update(self.task, completed=step)
        with self.bar:
            yield

    def advance(self) -> None:
        """Counts one more step."""
        self.bar.advance(self.task)

    def epoch(self, train: Line, validation: Line, best: Line, status: dict[str, Any]) -> None:
        """Says what an epoch has come to, in nats: losses, or on a terminal the validation bound and its best."""
        if not self.bar.disable:
            said = f"validation {_number(bound(validation))}, best {_number(bound(best))} ({best['epoch']})"
            self.bar.update(self.task, description=f"epoch {validation['epoch']}/{self.epochs}", bound=said)
            return
        parts = [f"epoch {validation['epoch']}/{self.epochs}"]
        parts += [f"training loss {_number(train['loss'])}", f"validation loss {_number(validation['loss'])}"]
        parts += [f"{name} {_number(value)}" for name, value in status.items()]
        self.say("  ".join(parts) + ("  best" if validation["best"] else ""))

    def say(self, message: str) -> None:
        """Writes a message."""
        self.console.print(message)


def bound(line: Line) -> Any:
    """Returns the bound on log p(x) of a validation line, -(distortion + rate); without these terms minus the loss.

    Example:
        >>> bound({"loss": 7.0, "distortion": 3.0, "rate": 1.0}), bound({"loss": 7.0})
        (-4.0, -7.0)
    """
    distortion, rate = line.get("distortion"), line.get("rate")
    total = line["loss"] if distortion is None or rate is None else distortion + rate
    return None if total is None else -total


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
