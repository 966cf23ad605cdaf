"""What training writes down: lines of ``metrics.jsonl``, trackers such as TensorBoard."""

from __future__ import annotations

import hashlib
import json
import os
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor

from prioria.atomic import error_text
from prioria.storage import check_file

Line = dict[str, Any]

NAME = "metrics.jsonl"


class Metrics:
    """The lines logged so far, in memory and, where there is a folder, in a file that is cut back to a checkpoint."""

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / NAME
        self.lines: list[Line] = []
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """SHA-256 of all lines as they are written."""
        return self._hash.hexdigest()

    def append(self, line: Line) -> None:
        """Adds a line; what is not finite is written as null."""
        line = {name: None if _lost(value) else value for name, value in line.items()}
        self.lines.append(line)
        written = json.dumps(line) + "\n"
        self._hash.update(written.encode())
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(written)

    def load(self, folder: Path, count: int, digest: str) -> None:
        """Takes the first ``count`` lines of a run back, and cuts off the others where this process writes the file.

        A run whose file was removed goes on without its history.

        Raises:
            ValueError: they are not the lines of the checkpoint.
        """
        path = folder / NAME
        kept = count if path.exists() else 0
        self.lines = read_lines(path, kept, digest) if kept else []
        self._hash = hashlib.sha256("".join(json.dumps(line) + "\n" for line in self.lines).encode())
        if self.path is not None:
            path.touch()
            os.truncate(path, sum(len(line) for line in path.read_bytes().splitlines(keepends=True)[:kept]))

    def last(self, split: str) -> Line:
        """Returns the last line of a split."""
        return next(line for line in reversed(self.lines) if line["split"] == split)

    @property
    def best(self) -> Line | None:
        """The validation line of the best weights so far; None before the first."""
        return next((line for line in reversed(self.lines) if line.get("best")), None)


class Meter:
    """Means of what was measured at each step since they were last taken; sums stay on the device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
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

    def state_dict(self) -> dict[str, Tensor]:
        """Returns the sums, and of how many steps they are."""
        return {"count": torch.tensor(self.count)} | {f"sums.{name}": value for name, value in self.sums.items()}

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Takes back what :meth:`state_dict` returned."""
        self.count = int(state_dict["count"])
        sums = {name.removeprefix("sums."): value for name, value in state_dict.items() if name != "count"}
        self.sums = {name: value.to(self.device) for name, value in sums.items()}


def read_lines(path: Path, count: int | None, digest: str | None) -> list[Line]:
    """Returns the first lines of a file of metrics, all where there is no count.

    Raises:
        ValueError: there is no such file, or they are not those of the digest.
    """
    check_file(path)
    lines = path.read_bytes().splitlines(keepends=True)[:count]
    if digest is not None and hashlib.sha256(b"".join(lines)).hexdigest() != digest:
        raise ValueError(
            f"path={str(path)!r} is not as it was written: its digest is another; bring the file back, or remove it "
            "and go on with the run by prioria train --resume, without its history"
        )
    try:
        return TypeAdapter(list[Line]).validate_python([json.loads(line) for line in lines])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"path={str(path)!r} is damaged ({error_text(error)}); bring the file back") from error


def _lost(value: Any) -> bool:
    return isinstance(value, float) and not isfinite(value)
