"""Injects faults from a seed and counts what came of them: python -m tests.faults.campaign --mutants 1000 --lines 1000.

All runs in this process, which is where the command line is called; only what is to be killed is forked.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shutil
import signal
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from prioria.cli import main
from prioria.train import fit
from tests.faults import lines, mutants
from tests.train.small import OPTIONS, assert_same_run, digits, elbo, vamp

LIMIT = 60.0  # seconds of a call
POINTS = ("replace", "fsync", "mkdir", "unlink", "chmod")  # of os: every change of a folder


class Hang(BaseException):
    """A call takes longer than the limit."""


@contextlib.contextmanager
def limited() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def call(arguments: list[str]) -> tuple[str, str]:
    """Runs a command line: how it ended ("accepted", "one line", "traceback", "hang"), and what it said."""
    said, wrong = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with limited():
                main(arguments)
            return "accepted", said.getvalue()
        except SystemExit as end:
            if end.code in (0, None):
                return "accepted", said.getvalue()
            clean = end.code == 2 and "should not happen" not in wrong.getvalue()
            return "one line" if clean else "traceback", wrong.getvalue()
        except Hang:
            return "hang", ""
        except BaseException as error:
            return "traceback", repr(error)


def trained(folder: Path) -> Path:
    """A small run with an evaluation."""
    small = [
        "--epochs",
        "1",
        "--latents",
        "2",
        "--network.hidden",
        "4",
        "4",
        "--prior",
        "vamp",
        "--prior.components",
        "3",
    ]
    for line in (
        ["train", "digits", *small, "--out", str(folder)],
        ["evaluate", str(folder), "--num-samples", "5", "--limit", "5"],
    ):
        ended, said = call(line)
        assert ended == "accepted", said
    return folder


def result(arguments: list[str], run: Path, out: Path) -> tuple[str, str, bytes]:
    """How a command ended on a run, what it said, and what it made."""
    ended, said = call([each.replace("RUN", str(run)).replace("OUT", str(out)) for each in arguments])
    if ended != "accepted":
        return ended, said, b""
    made = out / "s.npy"
    if made.exists():
        return ended, said, np.load(made).tobytes()
    if arguments[0] != "train":
        return ended, said, said.encode()
    return (
        ended,
        said,
        b"".join(t.numpy().tobytes() for _, t in sorted(load_file(run / "best/model.safetensors").items())),
    )


def damaged(run: Path, count: int, rng: random.Random) -> Counter[str]:
    """Damages a file of a copy of the run, and reads it; a result that differs from that of the run is a wrong load."""
    totals, right = Counter[str](), dict[str, bytes]()
    for number in range(-len(mutants.READERS), count):
        names = list(mutants.READERS)
        name = names[number] if number < 0 else rng.choice(names)
        with tempfile.TemporaryDirectory() as place:
            copy, out = Path(place) / "run", Path(place) / "out"
            shutil.copytree(run, copy)
            what = "nothing" if number < 0 else mutants.damage(copy / name, rng)
            ended, said, made = result(mutants.READERS[name], copy, out)
        if number < 0:
            assert ended == "accepted", (name, said)
            right[name] = made
            continue
        if ended == "accepted" and made != right[name] and "sealed" not in what:
            ended = "wrong load"  # what is sealed again is another run, and read as such
        totals[ended] += 1
        if ended in ("traceback", "hang", "wrong load"):
            print(f"{ended}: {name}: {what}: {said.strip()[-200:]}", flush=True)
    return totals


def typed(run: Path, count: int, rng: random.Random) -> Counter[str]:
    """Types bad command lines."""
    totals, known = Counter[str](), lines.options()
    for _ in range(count):
        with tempfile.TemporaryDirectory() as place:
            line = [each.replace("RUN", str(run)).replace("OUT", place) for each in lines.bad(rng, known)]
            ended, said = call(line)
        totals[ended] += 1
        if ended in ("traceback", "hang"):
            print(f"{ended}: {' '.join(line)[:200]}: {said.strip()[-200:]}", flush=True)
    return totals


def train(out: Path) -> None:
    fit(vamp(), elbo(), digits(), out=out, trackers=(), resume=True, **(OPTIONS | {"checkpoint_every": "4 steps"}))


def crashed(count: int, rng: random.Random) -> Counter[str]:
    """Kills a training before or after a change of its folder, goes on, and compares with one that was never killed."""
    totals = Counter[str]()
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        train(whole)
        most = _forked(lambda: train(Path(place) / "counted"), None)[1]
        points = rng.sample(range(2 * most), min(count, 2 * most))
        for point in points:
            out = Path(place) / f"run-{point}"
            killed, _ = _forked(lambda out=out: train(out), point)
            assert killed, point
            train(out)
            litter = [each.name for each in out.rglob(".prioria-*")]
            try:
                assert_same_run(out, whole)
                assert not litter, litter
                totals["bit-identical"] += 1
            except AssertionError as error:
                totals["other"] += 1
                print(f"crash point {point}: {error}", flush=True)
    return totals


def _forked(action: Callable[[], None], point: int | None) -> tuple[bool, int]:
    """Runs an action in a copy of this process, killed at a point; whether it was, and how many changes it made."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        made = 0

        def dying(change: Callable[..., object]) -> Callable[..., object]:
            def wrapped(*args: object, **kwargs: object) -> object:
                nonlocal made
                if point == 2 * made:
                    os.kill(os.getpid(), signal.SIGKILL)
                found = change(*args, **kwargs)
                if point == 2 * made + 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                made += 1
                return found

            return wrapped

        for name in POINTS:
            setattr(os, name, dying(getattr(os, name)))
        action()
        os.write(writing, str(made).encode())
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    said = os.read(reading, 100)
    os.close(reading)
    return os.WIFSIGNALED(status), int(said or 0)


def campaign(*, seed: int, mutated: int, bad_lines: int, kills: int) -> dict[str, Counter[str]]:
    """Returns the totals of all three, and prints them in one line."""
    with tempfile.TemporaryDirectory() as place:
        run = trained(Path(place) / "run")
        found = {
            "mutants": damaged(run, mutated, random.Random(seed)),
            "command lines": typed(run, bad_lines, random.Random(seed + 1)),
            "kills": crashed(kills, random.Random(seed + 2)),
        }
    said = "; ".join(
        f"{sum(each.values())} {name}: " + ", ".join(f"{count} {kind}" for kind, count in sorted(each.items()))
        for name, each in found.items()
    )
    print(f"seed {seed}: {said}", flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in {"seed": 0, "mutants": 1000, "lines": 1000, "kills": 100}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    campaign(seed=given.seed, mutated=given.mutants, bad_lines=given.lines, kills=given.kills)
