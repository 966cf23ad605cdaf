"""two-moons: two interleaved half circles in the plane, for densities that can be drawn and integrated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prioria.data.base import Dataset, Protocol
from prioria.data.known.base import KnownSet
from prioria.data.splits import assemble_random

NOISE = 0.05  # standard deviation
PROTOCOL = Protocol(
    name="two-moons",
    title="Two moons",
    shape=(2,),
    kind="continuous",
    binarization="none",
    likelihoods=("Gaussian",),
    split="random 2,000 / 200 / 200, generated from the seed",
    source="generated: half circles of radius 1 around (0, 0) and (1, 1/2), Gaussian noise of sd 0.05",
    note="Densities in nats of the plane; another noise or another scale shifts them.",
    classes=("upper", "lower"),
)


def two_moons(count: int, noise: float, generator: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Points (count, 2) near (cos t, sin t) and (1 - cos t, 1/2 - sin t), t in [0, pi], and their moon."""
    angle = generator.uniform(0, np.pi, count)
    moon = generator.integers(0, 2, count)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.where(moon[:, None] == 0, upper, np.array([1.0, 0.5]) - upper)
    return points + noise * generator.standard_normal((count, 2)), moon


def read(root: Path, seed: int) -> Dataset:
    """Generated: the data root is not used."""
    points, moon = two_moons(sum(TWO_MOONS.sizes), NOISE, np.random.default_rng(seed))
    return assemble_random(PROTOCOL, points, moon, TWO_MOONS.sizes, seed)


TWO_MOONS = KnownSet(PROTOCOL, (2000, 200, 200), read)
