"""CPU time of rival pieces of code in one process, measured in turns so that all see the same machine."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from statistics import median

import torch

SIDE = 1024  # of the matrices whose product sets the limit


def product() -> Callable[[], object]:
    """Returns the product of two square float32 matrices, 2 SIDE^3 operations: the limit of the machine."""
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    return lambda: a @ b


def race(rivals: Mapping[str, Callable[[], object]], *, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Returns for each rival the CPU seconds of one call in each round, in a new order every round.

    Args:
        rivals: what is timed, by name.
        rounds: how often each is timed.
        seconds: about how long each is called over and over in one round; at least once.
    """
    order, generator = list(rivals), random.Random(0)
    calls = {name: max(1, round(seconds / _warm(call))) for name, call in rivals.items()}
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        generator.shuffle(order)
        for name in order:
            times[name].append(_seconds(rivals[name], calls[name]))
    return times


def ratio(numerator: list[float], denominator: list[float]) -> float:
    """Returns the median over rounds of a ratio of times of the same round."""
    return median(a / b for a, b in zip(numerator, denominator, strict=True))


def _warm(call: Callable[[], object]) -> float:
    call()
    return _seconds(call, 2)


def _seconds(call: Callable[[], object], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - start) / calls
