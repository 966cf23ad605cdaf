"""The command that regenerates a published table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from prioria import data as data_sets
from prioria.recipes import EXPERIMENTS, PAIRED, TABLES, Cell, compute, compute_pair_cell, write_page, write_pairs_page

Names = Annotated[str | None, Parameter(help="Names with commas between; all by default.")]


def reproduce(
    table: str,
    *,
    rows: Names = None,
    data: Names = None,
    seeds: int = 1,
    budget: str = "cpu",
    runs: Path = Path("runs"),
    out: Path = Path("results"),
) -> None:
    """Train what is missing, resume what was cut off, evaluate, and write one page with the published numbers beside.

    Args:
        table: which; vampprior, vhp, dependency-graph, dpvae, exponential-family.
        seeds: runs of each cell, with seeds 0, 1, ...
        budget: smoke, cpu or gpu (dpvae: short too): how long to train and how much to evaluate; the page says which.
        runs: folder of the runs; a run that is there is finished or gone on with, never started again.
        out: folder of the results and of the page.
    """
    if table in EXPERIMENTS:
        print(f"Page: {EXPERIMENTS[table](budget, out)}")
        return
    tables = TABLES | PAIRED
    if table not in tables:
        raise ValueError(f"table {table!r} is unknown; there is {', '.join([*tables, *EXPERIMENTS])}")
    chosen = tables[table]
    if budget not in chosen.budgets:
        raise ValueError(f"--budget {budget} is unknown; use {', '.join(chosen.budgets)}")
    cells = [
        Cell(chosen, row, name, seed, budget, runs, out)
        for name in _split(data) or chosen.data
        for row in chosen.select(_split(rows))
        if row.build is not None
        for seed in range(seeds)
    ]
    for cell in cells:
        result = (compute_pair_cell if table in PAIRED else compute)(cell, data_sets.load(cell.data))
        print(f"{cell.data}  {cell.row.name}  seed {cell.seed}: {_line(result)}")
    print(f"Page: {write_pairs_page(chosen, cells, out) if table in PAIRED else write_page(chosen, out)}")


def _split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",")]


def _line(result: dict) -> str:
    found = result["log_likelihood"]
    return f"{found['value']:.2f} +- {found['standard_error']:.2f} nats (K = {found['num_samples']})"
