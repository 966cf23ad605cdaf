"""The command that regenerates a published table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from prioria.papers import TABLES, Cell, cells, claims, compute, computed

Names = Annotated[str | None, Parameter(help="Names with commas between; all by default.")]
CLAIMS = "claims"


def reproduce(
    table: str,
    *,
    rows: Names = None,
    data: Names = None,
    seeds: int = 1,
    budget: str = "cpu",
    jobs: int = 1,
    cluster: str | None = None,
    list_cells: Annotated[bool, Parameter(negative="")] = False,
    cell: int | None = None,
    render_only: Annotated[bool, Parameter(negative="")] = False,
    runs: Path = Path("runs"),
    out: Path = Path("results"),
) -> None:
    """Train what is missing, resume what was cut off, measure, and write one page with the published numbers beside.

    Args:
        table: which; vampprior, vhp, vhp-pendulum, vhp-motion, vhp-faces, dpvae, disentanglement, dependency-graph,
            structures, exponential-family, own-tables, imputation; or claims, for the page of what all of them show,
            README.md.
        seeds: runs of each cell, with seeds 0, 1, ...
        budget: smoke, cpu or gpu (some tables have more): how long to train and how much to evaluate; the page says.
        jobs: cells computed at the same time on this machine, by a local Dask cluster with one thread for each.
        cluster: address of a Dask scheduler, tcp://host:8786, whose workers see the same folders and data.
        list_cells: print the numbers of the cells with what is still to do, and do nothing.
        cell: number of the one cell to compute, as --list-cells counts them; the page is left for --render-only.
        render_only: write the page from the results that are there; nothing is trained.
        runs: folder of the runs; a run that is there is finished or gone on with, never started again.
        out: folder of the results and of the page.
    """
    if sum((list_cells, cell is not None, render_only)) > 1:
        raise ValueError("--list-cells, --cell and --render-only are three commands; give one of them")
    if table == CLAIMS:
        print(f"Page: {claims.page(out).write(out, 'README')}")
        return
    if table not in TABLES:
        raise ValueError(f"table {table!r} is unknown; there is {', '.join([*TABLES, CLAIMS])}")
    chosen = TABLES[table]
    wanted = cells(chosen, budget, rows=_split(rows), data=_split(data), seeds=seeds, runs=runs, out=out)
    if list_cells:
        _list(wanted)
    elif cell is not None:
        _compute(wanted, cell, jobs, cluster)
    else:
        done = () if render_only else computed(wanted, jobs=jobs, cluster=cluster)
        for each, result in done:
            print(_line(each, result.get("headline", "done")))
        print(f"Page: {chosen.page(chosen, out, () if render_only else wanted).write(out, chosen.name)}")


def _list(wanted: Sequence[Cell]) -> None:
    width = len(str(len(wanted) - 1))
    for number, each in enumerate(wanted):
        print(f"{number:{width}}  {_line(each, each.state)}")


def _compute(wanted: Sequence[Cell], number: int, jobs: int, cluster: str | None) -> None:
    if not 0 <= number < len(wanted):
        raise ValueError(f"cell={number} is none of 0 to {len(wanted) - 1}; --list-cells shows them")
    if jobs != 1 or cluster is not None:
        raise ValueError(f"cell={number} is one cell in this process; leave out --jobs and --cluster")
    chosen = wanted[number]
    print(_line(chosen, compute(chosen).get("headline", "done")))


def _line(cell: Cell, says: str) -> str:
    return f"{cell.data}  {cell.row.name}  seed {cell.seed}: {says}"


def _split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",")]
