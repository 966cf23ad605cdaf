"""One cell of a table: train what is missing, resume what was cut off, measure, and keep the result beside the run.

The run's folder is the state: ``result.json`` says that it is finished, ``result/`` holds what belongs to the result
besides numbers. A lock keeps two processes from writing one run at the same time; it dies with its process.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

import prioria
from prioria.data.errors import NotInstalled
from prioria.papers.table import RESULT, Cell, Result, Table, loaded
from prioria.storage import write_atomically, write_json
from prioria.train import Run, fit, resume
from prioria.train.log import NAME as METRICS


def cells(
    table: Table,
    budget: str,
    *,
    rows: Sequence[str] | None = None,
    data: Sequence[str] | None = None,
    seeds: int = 1,
    runs: Path,
    out: Path,
) -> list[Cell]:
    """Returns the cells to run, those of a data set one after the other.

    Args:
        table: which.
        budget: its name.
        rows: names of rows; None for all that can be run and need not be asked for.
        data: names of data sets; None for as many as the budget says.
        seeds: runs of each, with seeds 0, 1, ...
        runs: folder of the runs.
        out: folder of the results.

    Raises:
        ValueError: a name is unknown, a row was named that cannot be run, or there are no seeds.
    """
    if seeds < 1:
        raise ValueError(f"seeds={seeds} must be at least 1")
    table.budget(budget)
    chosen = table.select(rows)
    for row in chosen:
        if rows and row.absent:
            raise ValueError(f"rows={row.name!r} cannot be run: {row.absent}")
    return [
        Cell(table, row, name, seed, budget, runs, out)
        for name in table.sets(data, budget)
        for row in chosen
        if not row.absent and (rows or budget not in row.on_request)
        for seed in range(seeds)
    ]


def beside(cell: Cell) -> list[Cell]:
    """Returns the finished runs of all rows with seed 0, on the data and under the budget of a cell, for pictures that
    show them side by side: also those of earlier commands.
    """
    rows = [replace(cell, row=row, seed=0) for row in cell.table.rows]
    return [each for each in rows if each.result is not None]


def compute(cell: Cell) -> Result:
    """Returns the result of a cell, doing only what is still to do, and copies it to the folder of the results.

    Where the data set's package is not installed there is none but a headline that says so.
    """
    with locked(cell.folder):
        result = cell.result
        if result is None:
            try:
                result = _origin(cell) | dict(cell.table.measure(cell))
            except NotInstalled as error:
                return {"headline": f"left out: {error}"}
            write_json(cell.folder / RESULT, result)
        _publish(cell, result)
    return result


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder for this process alone; where another holds it, says so and waits until that one ends or dies."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"another process is at work in {folder}; waiting for it", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def trained(cell: Cell) -> Run:
    """Returns the finished run: resumed where there is a checkpoint, else trained from the start."""
    data, budget, row = cell.dataset, cell.budget, cell.row
    if row.fit is not None:
        return row.fit(cell, data)
    if (cell.folder / "run.json").exists():
        return resume(cell.folder, epochs=budget.epochs_on(data), data=data)
    assert row.build is not None and row.objective is not None
    torch.manual_seed(cell.seed)
    return fit(
        row.build(loaded(cell.data)),
        row.objective(data, budget),
        data,
        epochs=budget.epochs_on(data),
        batch_size=budget.batch_size,
        patience=budget.patience,
        seed=cell.seed,
        out=cell.folder,
        **row.training,
    )


def scored(cell: Cell) -> tuple[Tensor, str]:
    """Returns the test rows that the budget scores, and which they are in words."""
    test = loaded(cell.data).test
    x = test.tensor(cell.budget.limit)
    return x, f"test, {len(x):,} examples" + " at even distances" * (len(x) < len(test))


def epochs(folder: Path) -> list[dict[str, Any]]:
    """Returns validation loss, distortion and rate of a run after each epoch; none where only a prior was replaced."""
    if not (folder / METRICS).exists():
        return []
    lines = [json.loads(line) for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["split"] == "validation" and "epoch" in line]


def _origin(cell: Cell) -> dict[str, Any]:
    return {
        "row": cell.row.name,
        "data": cell.data,
        "seed": cell.seed,
        "budget": {"name": cell.budget_name, **asdict(cell.budget)},
        "machine": f"{platform.machine()}, {torch.get_num_threads()} thread(s)",
        "version": {"prioria": prioria.__version__, **_commit(), "torch": torch.__version__},
    }


def _commit() -> dict[str, str]:
    """Returns the commit of the code, with "-dirty" where it was changed since; nothing where git does not know it."""
    git = shutil.which("git")
    if git is None:
        return {}

    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [git, "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    if ask("ls-files", "--error-unmatch", Path(__file__).name).returncode != 0:
        return {}  # installed below somebody else's repository
    return {"commit": ask("describe", "--always", "--dirty", "--exclude", "*").stdout.strip()}


def _publish(cell: Cell, result: Result) -> None:
    place = cell.out / cell.name
    for source in cell.attached.glob("*"):
        write_atomically(place / source.name, partial(_copy, source))
    write_json(place.with_suffix(".json"), {**result, "curve": _curve(cell.folder)})


def _copy(source: Path, file: Path) -> None:
    shutil.copyfile(source, file)


def _curve(folder: Path) -> dict[str, list[float]]:
    return {term: [round(line[term], 4) for line in epochs(folder)] for term in ("loss", "distortion", "rate")}
