"""Every kind of training, killed before or after a change of its folder or between two steps, and short of room."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from prioria import VAE, likelihoods, nets, objectives, posteriors, priors
from prioria.train import fit
from prioria.train.optimizer import Optimizer
from tests.train.small import OPTIONS, assert_same_run, digits, elbo, images, vamp

POINTS = ("replace", "fsync", "mkdir", "unlink", "chmod")  # of os: every change of a folder
Kind = tuple[Callable[[], VAE], Callable[[], objectives.Objective], dict[str, Any]]


def plain() -> VAE:
    torch.manual_seed(3)
    return VAE(
        encoder=nets.GatedMLP(64, 12, gated_output=True),
        posterior=posteriors.Gaussian(12, 2),
        prior=priors.RealNVP(2, blocks=2, hidden=4),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 12, 64)),
    )


KINDS: dict[str, Kind] = {
    "warm-up, mean of weights": (vamp, elbo, {}),
    "multiplier in two phases": (plain, lambda: objectives.REWO(objectives.ELBO(), "nats-per-dim=0.9"), {}),
    "discriminator": (plain, lambda: objectives.FactorVAE(3.0, latents=2, hidden=8, layers=2), {}),
    "importance samples": (vamp, lambda: objectives.IWAE(num_samples=3), {"patience": 2, "ema": None}),
    "convolutions": (images, elbo, {"gradient_clip": 1.0}),
    "bfloat16": (vamp, elbo, {"precision": "bf16"}),
}


def train(out: Path, kind: Kind) -> None:
    """Trains a kind in a folder, or goes on with it."""
    model, objective, more = kind
    options = OPTIONS | {"checkpoint_every": "4 steps"} | more
    fit(model(), objective(), digits(), out=out, trackers=(), resume=True, **options)


def killed(count: int, rng: random.Random) -> Counter[str]:
    """Kills trainings of every kind ``count`` times each, goes on, and compares with one that was never killed."""
    totals = Counter[str]()
    for name, kind in KINDS.items():
        with tempfile.TemporaryDirectory() as place:
            whole = Path(place) / "whole"
            train(whole, kind)
            _, changes, steps = _forked(partial(train, Path(place) / "counted", kind), "", -1)
            points = [("change", point) for point in range(2 * changes)] + [("step", point) for point in range(steps)]
            for what, point in rng.sample(points, min(count, len(points))):
                out = Path(place) / f"{what}-{point}"
                died, *_ = _forked(partial(train, out, kind), what, point)
                assert died, (name, what, point)
                train(out, kind)
                totals[_compared(out, whole, f"{name}, {what} {point}")] += 1
                shutil.rmtree(out)
    return totals


def short_of_room(count: int, rng: random.Random) -> Counter[str]:
    """Trains under a limit of the size of files, which must end in one line of an OSError, and goes on without it."""
    totals, kind = Counter[str](), KINDS["warm-up, mean of weights"]
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


def _forked(action: Callable[[], None], what: str, point: int) -> tuple[bool, int, int]:
    """Runs an action in a copy of this process, killed at a point: whether it was, changes of folders, and steps."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
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
        action()
        os.write(writing, f"{made['change']} {made['step']}".encode())
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    said = os.read(reading, 100).decode().split()
    os.close(reading)
    changes, steps = map(int, said or (0, 0))
    return os.WIFSIGNALED(status), changes, steps
