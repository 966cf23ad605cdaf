"""The cells of a grid, one after the other or on a Dask cluster.

Run folders are the state, not the cluster: a worker that dies has its cell done by another, which goes on from the
checkpoint, and a driver that dies is started again with the same command. All machines must see the same folders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from prioria import workers
from prioria.papers.cell import compute
from prioria.papers.table import Cell, Result


def computed(cells: Sequence[Cell], *, jobs: int = 1, cluster: str | None = None) -> Iterator[tuple[Cell, Result]]:
    """Yields cells with their results as they are done, each computed with one thread where there are several workers.

    Args:
        cells: what to compute.
        jobs: workers on this machine; 1 computes one after the other in this process.
        cluster: address of a Dask scheduler, tcp://host:8786, to use instead.

    Raises:
        ValueError: not a number of jobs, both jobs and a cluster, no such cluster, or Dask is not installed.
    """
    if jobs > 1 or cluster is not None:
        cells = [replace(cell, runs=cell.runs.absolute(), out=cell.out.absolute()) for cell in cells]
    # the folder is the key: two drivers of one cluster share the cells that both want
    yield from workers.each(compute, cells, key=lambda cell: str(cell.folder), jobs=jobs, cluster=cluster)
