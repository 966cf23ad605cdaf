"""What training says: lines of ``metrics.jsonl``, trackers such as TensorBoard, and a line or a bar on the terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

from torch import Tensor

Line = dict[str, Any]

NAME = "metrics.jsonl"


class Metrics:
    """The lines logged so far, in memory and, where there is a folder, in a file that is cut back to a checkpoint."""

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / NAME
        self.lines: list[Line] = []

    def append(self, line: Line) -> None:
        """Adds a line; what is not finite is written as null."""
        line = {key: None if isinstance(value, float) and not isfinite(value) else value for key, value in line.items()}
        self.lines.append(line)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def cut(self, count: int) -> None:
        """Keeps the first ``count`` lines of the file."""
        assert self.path is not None
        text = self.path.read_bytes().splitlines(keepends=True)[:count] if count else []
        self.path.touch()
        os.truncate(self.path, sum(len(line) for line in text))
        self.lines = [json.loads(line) for line in text]


class Meter:
    """Means of what was measured at each step since they were last taken; sums stay on the device."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0

    def add(self, values: dict[str, Tensor]) -> None:
        """Adds the values of one step."""
        self.sums = {name: self.sums[name] + value for name, value in values.items()} if self.count else values
        self.count += 1

    def take(self) -> dict[str, float]:
        """Returns the means and starts again."""
        means = {name: value.item() / self.count for name, value in self.sums.items()}
        self.sums, self.count = {}, 0
        return means


def printer(progress: bool) -> Callable[[str], None]:
    """Returns what writes a message to standard error, or nothing at all."""
    return (lambda message: print(message, file=sys.stderr, flush=True)) if progress else lambda message: None
