"""Work of many pieces, one after the other or on Dask workers of this machine or of a cluster.

Files are the state, not the cluster: a worker that dies has its piece done by another, and a driver that dies is
started again with the same command. All machines must see the same folders.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from distributed import Client

LOOPBACK = "127.0.0.1:0"  # any free port, for this machine alone; None would be 8787 of all its addresses
PATIENCE = 600  # seconds that a worker may take to start, on a machine that has other things to do
ALONE = threading.Lock()  # torch's global random numbers belong to a process: one piece at a time in each

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def each(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    *,
    key: Callable[[Piece], str],
    jobs: int = 1,
    cluster: str | None = None,
) -> Iterator[tuple[Piece, Result]]:
    """Yields pieces with their results as they are done, each computed with one thread where there are several workers.

    Args:
        work: a function of a module that workers can import, or a partial of one.
        pieces: what it is called with.
        key: names a piece; two drivers of one cluster share pieces of one name.
        jobs: workers on this machine; 1 computes one after the other in this process.
        cluster: address of a Dask scheduler, tcp://host:8786, to use instead.

    Raises:
        ValueError: not a number of jobs, both jobs and a cluster, no such cluster, Dask is not installed, or a piece
            that ended every worker that it was given to.

    Example:
        >>> dict(each(abs, [-1, 2], key=str))
        {-1: 1, 2: 2}
    """
    check(jobs, cluster)
    if jobs == 1 and cluster is None:
        yield from ((piece, work(piece)) for piece in pieces)
        return
    if not pieces:
        return
    with _connected(min(jobs, len(pieces)), cluster) as client:
        yield from _distributed(work, pieces, key, client)


def check(jobs: int, cluster: str | None) -> None:
    """Raises ValueError where it cannot be worked so."""
    if jobs < 1:
        raise ValueError(f"jobs={jobs} must be at least 1")
    if jobs > 1 and cluster is not None:
        raise ValueError(f"jobs={jobs} are workers on this machine, cluster={cluster!r} has its own; give one of them")
    if jobs == 1 and cluster is None:
        return
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        asked = f"jobs={jobs}" if cluster is None else f"cluster={cluster!r}"
        raise ValueError(f"{asked} needs Dask, which is not installed; pip install 'prioria[cluster]'") from error


def _distributed(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], key: Callable[[Piece], str], client: Client
) -> Iterator[tuple[Piece, Result]]:
    from distributed import KilledWorker, as_completed

    futures = {client.submit(_alone, work, piece, key=key(piece)): piece for piece in pieces}
    for future in as_completed(futures):
        try:
            yield futures[future], future.result()
        except KilledWorker as error:
            raise ValueError(
                f"{key(futures[future])}: every worker that took it died, perhaps for lack of memory; what the others "
                "have finished is kept"
            ) from error


def _alone(work: Callable[[Piece], Result], piece: Piece) -> Result:
    with ALONE:
        torch.set_num_threads(1)
        return work(piece)


@contextmanager
def _connected(jobs: int, address: str | None) -> Iterator[Client]:
    from distributed import Client, LocalCluster

    if address is not None:
        try:
            client = Client(address)
        except (OSError, ValueError) as error:
            raise ValueError(f"cluster={address!r} is not reached ({error}); start it by: dask scheduler") from error
        with client:
            yield client
        return
    options = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": LOOPBACK, "death_timeout": PATIENCE}
    options |= {"silence_logs": logging.ERROR}  # what Dask warns of, such as a worker that it starts again, is its work
    with LocalCluster(n_workers=jobs, **options) as workers, Client(workers) as client:
        yield client
