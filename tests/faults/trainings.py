"""Every kind of training, killed before or after a change of its folder or between two steps, and short of room."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import socket
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from prioria.train import fit
from prioria.train.optimizer import Optimizer
from tests.faults.kinds import KINDS, Kind
from tests.train.small import OPTIONS, assert_same_run

POINTS = ("replace", "fsync", "mkdir", "unlink", "chmod")  # of os: every change of a folder
LONGEST = 600  # seconds of a training, at most


def train(out: Path, kind: Kind) -> None:
    """Trains a kind in a folder, or goes on with it."""
    options = OPTIONS | {"batch_size": 120, "checkpoint_every": "3 steps"} | kind.options  # two steps an epoch
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so short a training misses its target, which is said
        fit(kind.model(), kind.objective(), kind.rows(), out=out, trackers=(), resume=True, **options)


def killed(count: int, rng: random.Random, kinds: Collection[str]) -> Counter[str]:
    """Kills trainings of each of the kinds ``count`` times, goes on, and compares with one that was never killed."""
    totals = Counter[str]()
    with tempfile.TemporaryDirectory() as place:
        train(Path(place), KINDS["float32, static data"])  # what a first training imports is then there in all copies
    for name in kinds:
        kind, found = KINDS[name], Counter[str]()
        kind.rows()  # those that are kept are then the same in all copies
        with tempfile.TemporaryDirectory() as place:
            whole = Path(place) / "whole"
            counted = _forked(kind, whole, "", -1, 0)
            assert len(counted) == kind.processes, f"{name}: a training that nobody kills fails"
            points = [
                (what, point, rank)
                for rank, (changes, steps) in enumerate(counted)
                for what, last in (("change", 2 * changes), ("step", steps))
                for point in range(last)
            ]
            for what, point, rank in rng.sample(points, min(count, len(points))):
                out = Path(place) / f"{what}-{point}-{rank}"
                left = _forked(kind, out, what, point, rank)
                assert len(left) < kind.processes, (name, what, point, rank)
                ended = _forked(kind, out, "", -1, 0)
                assert len(ended) == kind.processes, (name, what, point, rank)
                found[_compared(out, whole, f"{name}, {what} {point} of process {rank}")] += 1
                shutil.rmtree(out)
        print(f"{name}: {dict(found)}", flush=True)
        totals += found
    return totals


def short_of_room(count: int, rng: random.Random) -> Counter[str]:
    """Trains under a limit of the size of files, which must end in one line of an OSError, and goes on without it."""
    totals, kind = Counter[str](), KINDS["dynamic data, warm-up, mean of weights"]
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        train(whole, kind)
        largest = max(file.stat().st_size for file in whole.rglob("*") if file.is_file())
        for number in range(count):
            out, limit = Path(place) / f"run-{number}", rng.randrange(1, 2 * largest)
            ended = _limited(partial(train, out, kind), limit)
            if ended not in ("whole", "one line"):
                totals[ended] += 1
                print(f"limit {limit}: {ended}", flush=True)
                continue
            train(out, kind)
            totals[_compared(out, whole, f"limit {limit}")] += 1
    return totals


def _compared(out: Path, whole: Path, what: str) -> str:
    litter = [each.name for each in out.rglob(".prioria-*")]
    try:
        assert_same_run(out, whole)
        assert not litter, litter
    except AssertionError as error:
        print(f"{what}: {str(error)[:300]}", flush=True)
        return "other"
    return "bit-identical"


def _limited(action: Callable[[], None], limit: int) -> str:
    """Runs an action in a copy of this process whose files may have so many bytes."""
    child = os.fork()
    if child == 0:
        code = 3
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            sys.stdout = sys.stderr = Path(os.devnull).open("w")
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            action()
            code = 0
        except OSError as error:
            code = 1 if error.errno in (errno.EFBIG, errno.EIO) and error.filename and str(error) else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return {0: "whole", 1: "one line", 2: "no file named"}.get(os.waitstatus_to_exitcode(status), "traceback")


def _forked(kind: Kind, out: Path, what: str, point: int, victim: int) -> list[tuple[int, int]]:
    """Trains in copies of this process, of which one is killed at a point; the others are then killed as well.

    Returns changes of folders and steps of each that came to its end.
    """
    reading, writing = os.pipe()
    port = _free_port()
    children = dict[int, int]()
    for rank in range(kind.processes):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                signal.alarm(LONGEST)
                _join(rank, kind.processes, port)
                made = _counting(what if rank == victim else "", point)
                train(out, kind)
                os.write(writing, f"{rank} {made['change']} {made['step']}\n".encode())
                code = 0
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(code)
        children[child] = rank
    os.close(writing)
    while children:
        child, status = os.wait()
        del children[child]
        if status != 0:
            for other in children:  # as a launcher does
                os.kill(other, signal.SIGKILL)
    said = os.read(reading, 10_000).decode().splitlines()
    os.close(reading)
    numbers = sorted(tuple(map(int, line.split())) for line in said)
    return [(changes, steps) for _, changes, steps in numbers]


def _join(rank: int, processes: int, port: int) -> None:
    """Says what a launcher says of the processes that it starts."""
    if processes > 1:
        named = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
        os.environ |= {name: str(value) for name, value in named.items()}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _counting(what: str, point: int) -> dict[str, int]:
    """Counts changes of folders and steps of this process, which dies at a point."""
    made = {"change": 0, "step": 0}

    def die(kind: str, now: int) -> None:
        if what == kind and point == now:
            os.kill(os.getpid(), signal.SIGKILL)

    def dying(change: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*args: object, **kwargs: object) -> object:
            die("change", 2 * made["change"])
            found = change(*args, **kwargs)
            die("change", 2 * made["change"] + 1)
            made["change"] += 1
            return found

        return wrapped

    def stepping(step: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*args: object, **kwargs: object) -> object:
            die("step", made["step"])
            made["step"] += 1
            return step(*args, **kwargs)

        return wrapped

    for name in POINTS:
        setattr(os, name, dying(getattr(os, name)))
    Optimizer.step = stepping(Optimizer.step)  # pyright: ignore[reportAttributeAccessIssue]
    return made
