"""The command that regenerates a published table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from prioria.papers import TABLES, cells, computed

Names = Annotated[str | None, Parameter(help="Names with commas between; all by default.")]


def reproduce(
    table: str,
    *,
    rows: Names = None,
    data: Names = None,
    seeds: int = 1,
    budget: str = "cpu",
    jobs: int = 1,
    cluster: str | None = None,
    runs: Path = Path("runs"),
    out: Path = Path("results"),
) -> None:
    """Train what is missing, resume what was cut off, measure, and write one page with the published numbers beside.

    Args:
        table: which; vampprior, vhp, vhp-pendulum, vhp-motion, vhp-faces, dpvae, disentanglement, dependency-graph,
            structures, exponential-family.
        seeds: runs of each cell, with seeds 0, 1, ...
        budget: smoke, cpu or gpu (some tables have more): how long to train and how much to evaluate; the page says.
        jobs: cells computed at the same time on this machine, by a local Dask cluster with one thread for each.
        cluster: address of a Dask scheduler, tcp://host:8786, whose workers see the same folders and data.
        runs: folder of the runs; a run that is there is finished or gone on with, never started again.
        out: folder of the results and of the page.
    """
    if table not in TABLES:
        raise ValueError(f"table {table!r} is unknown; there is {', '.join(TABLES)}")
    chosen = TABLES[table]
    wanted = cells(chosen, budget, rows=_split(rows), data=_split(data), seeds=seeds, runs=runs, out=out)
    for cell, result in computed(wanted, jobs=jobs, cluster=cluster):
        print(f"{cell.data}  {cell.row.name}  seed {cell.seed}: {result.get('headline', 'done')}")
    print(f"Page: {chosen.page(chosen, out, wanted).write(out, chosen.name)}")


def _split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",")]
