"""A classical density: it scores rows and draws some."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Density:
    """A density that was fitted to rows.

    Args:
        score: rows (N, D) -> log p(x) (N,), nats.
        draw: how many, and random numbers -> rows (N, D).
    """

    score: Callable[[Array], Array]
    draw: Callable[[int, np.random.Generator], Array]

    def __call__(self, rows: Array) -> Array:
        """Returns log p(x) of rows (N, D) in nats (N,)."""
        return self.score(rows)


def chosen(logs: Array, generator: np.random.Generator) -> NDArray[np.int64]:
    """Positions (...) along the last axis of log-probabilities, drawn by the Gumbel maximum (Gumbel, 1954)."""
    return (logs + generator.gumbel(size=logs.shape)).argmax(-1)
