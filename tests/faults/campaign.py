"""Injects faults from a seed and counts what came of them: python -m tests.faults.campaign --mutants 1000 --lines 1000.

All runs in this process, which is where the command line is called; only what is to be killed is forked.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import shutil
import signal
import tempfile
import warnings
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.torch import load_file

from prioria.cli import main
from tests.faults import lines, mutants, trainings
from tests.faults.kinds import KINDS

LIMIT = 60.0  # seconds of processor time of a call
WAITING = 600.0  # seconds of a call that waits, and on a machine with much else to do


class Hang(BaseException):
    """A call takes longer than the limit."""


@contextlib.contextmanager
def limited() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hang

    clocks = (signal.ITIMER_PROF, signal.SIGPROF, LIMIT), (signal.ITIMER_REAL, signal.SIGALRM, WAITING)
    before = {number: signal.signal(number, ring) for _, number, _ in clocks}
    for clock, _, seconds in clocks:
        signal.setitimer(clock, seconds)
    try:
        yield
    finally:
        for clock, number, _ in clocks:
            signal.setitimer(clock, 0)
            signal.signal(number, before[number])


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


SMALL = ["--epochs", "1", "--latents", "2", "--network.hidden", "4", "4"]
RUNS = {  # what a run is trained on, and how; DATA stands for a folder
    "bits": ["digits", *SMALL, "--prior", "vamp", "--prior.components", "3"],
    "table": ["DATA/table.csv", *SMALL],
    "pictures": ["DATA/pictures.npy", "--epochs", "1", "--latents", "2", "--network", "conv"],
}


def trained(folder: Path) -> dict[str, Path]:
    """A small run of each kind, with an evaluation."""
    rng, runs = np.random.default_rng(0), {name: folder / name for name in RUNS}
    table = {"age": rng.normal(40, 10, 200), "sex": rng.choice(["f", "m"], 200), "n": rng.poisson(3, 200)}
    pd.DataFrame(table).mask(rng.random((200, 3)) < 0.05).to_csv(folder / "table.csv", index=False)
    np.save(folder / "pictures.npy", rng.integers(0, 256, (100, 1, 8, 8), np.uint8))
    for name, run in runs.items():
        made = [each.replace("DATA", str(folder)) for each in RUNS[name]]
        for line in (
            ["train", *made, "--out", str(run)],
            ["evaluate", str(run), "--num-samples", "5", "--limit", "5"],
        ):
            ended, said = call(line)
            assert ended == "accepted", said
    return runs


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
        if ended == "accepted" and made != right[name]:
            ended = "sealed anew as another run" if "sealed" in what else "wrong load"
        totals[ended] += 1
        if ended not in ("one line", "accepted"):
            print(f"{ended}: {name}: {what}: {said.strip()[-200:]}", flush=True)
    return totals


def unpacked(run: Path, count: int, rng: random.Random) -> Counter[str]:
    """Damages a packed model, and draws from it."""
    totals, line = Counter[str](), mutants.READERS["best/model.safetensors"]
    with tempfile.TemporaryDirectory() as place:
        whole, packed = Path(place) / "whole.zip", Path(place) / "damaged.zip"
        ended, said = call(["pack", str(run), "--out", str(whole)])
        assert ended == "accepted", said
        ended, said, right = result(line, whole, Path(place) / "right")
        assert ended == "accepted", said
        for number in range(count):
            shutil.copyfile(whole, packed)
            what = mutants.damage(packed, rng)
            ended, said, made = result(line, packed, Path(place) / str(number))
            ended = "wrong load" if ended == "accepted" and made != right else ended
            totals[ended] += 1
            if ended not in ("one line", "accepted"):
                print(f"{ended}: packed: {what}: {said.strip()[-200:]}", flush=True)
            shutil.rmtree(packed) if packed.is_dir() else packed.unlink()
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


def campaign(
    *, seed: int, mutated: int, bad_lines: int, kills: int, rooms: int, kinds: Collection[str] = tuple(KINDS)
) -> dict[str, Counter[str]]:
    """Returns the totals of all, and prints them in one line.

    Args:
        seed: of everything.
        mutated: damaged files, of a run of each kind and of a packed model.
        bad_lines: command lines.
        kills: of each kind of training.
        rooms: trainings under a limit of the size of files.
        kinds: of training that are killed.
    """
    with tempfile.TemporaryDirectory() as place:
        runs = trained(Path(place))
        parts = [mutated // 4 + (each < mutated % 4) for each in range(4)]
        rng = random.Random(seed)
        of_runs = [damaged(run, part, rng) for run, part in zip(runs.values(), parts[1:], strict=True)]
        found = {
            "mutants": sum(of_runs, unpacked(runs["table"], parts[0], rng)),
            "command lines": typed(runs["bits"], bad_lines, random.Random(seed + 1)),
            "kills": trainings.killed(kills, random.Random(seed + 2), kinds),
            "limits": trainings.short_of_room(rooms, random.Random(seed + 3)),
        }
    said = "; ".join(
        f"{sum(each.values())} {name}: " + ", ".join(f"{count} {kind}" for kind, count in sorted(each.items()))
        for name, each in found.items()
    )
    print(f"seed {seed}: {said}", flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in {"seed": 0, "mutants": 1000, "lines": 1000, "kills": 100, "limits": 100}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND")
    given = parser.parse_args()
    campaign(
        seed=given.seed,
        mutated=given.mutants,
        bad_lines=given.lines,
        kills=given.kills,
        rooms=given.limits,
        kinds=given.kinds,
    )
