"""The cells of a grid, one after the other or on a Dask cluster.

Run folders are the state, not the cluster: a worker that dies has its cell done by another, which goes on from the
checkpoint, and a driver that dies is started again with the same command. All machines must see the same folders.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from prioria.papers.cell import compute
from prioria.papers.table import Cell, Result

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 600  # seconds that a worker may take to start, on a machine that has other things to do
ALONE = threading.Lock()  # torch's global random numbers belong to a process: one cell at a time in each


def computed(cells: Sequence[Cell], *, jobs: int = 1, cluster: str | None = None) -> Iterator[tuple[Cell, Result]]:
    """Yields cells with their results as they are done, each computed with one thread where there are several workers.

    Args:
        cells: what to compute.
        jobs: workers on this machine; 1 computes one after the other in this process.
        cluster: address of a Dask scheduler, tcp://host:8786, to use instead.

    Raises:
        ValueError: not a number of jobs, both jobs and a cluster, no such cluster, or Dask is not installed.
    """
    if jobs < 1:
        raise ValueError(f"jobs={jobs} must be at least 1")
    if jobs > 1 and cluster is not None:
        raise ValueError(f"jobs={jobs} are workers on this machine, cluster={cluster!r} has its own; give one of them")
    if jobs == 1 and cluster is None:
        yield from ((cell, compute(cell)) for cell in cells)
        return
    with _connected(jobs, cluster) as client:
        yield from _distributed(cells, client)


def _distributed(cells: Sequence[Cell], client: Client) -> Iterator[tuple[Cell, Result]]:
    from distributed import as_completed

    there = [replace(cell, runs=cell.runs.absolute(), out=cell.out.absolute()) for cell in cells]
    # the folder is the key: two drivers of one cluster share the cells that both want
    futures = {client.submit(_computed_alone, cell, key=str(cell.folder)): cell for cell in there}
    for future in as_completed(futures):
        yield futures[future], future.result()


def _computed_alone(cell: Cell) -> Result:
    with ALONE:
        torch.set_num_threads(1)
        return compute(cell)


@contextmanager
def _connected(jobs: int, address: str | None) -> Iterator[Client]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        asked = f"jobs={jobs}" if address is None else f"cluster={address!r}"
        raise ValueError(f"{asked} needs Dask, which is not installed; pip install 'prioria[cluster]'") from error
    if address is not None:
        with Client(address) as client:
            yield client
        return
    options = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": None, "death_timeout": PATIENCE}
    with LocalCluster(n_workers=jobs, **options) as workers, Client(workers) as client:
        yield client
