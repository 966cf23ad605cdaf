"""pendulum: pictures of a rod at a random angle, a one-dimensional circle hidden in 256 pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prioria.data.base import Dataset, Protocol
from prioria.data.known.base import KnownSet
from prioria.data.splits import assemble_random

SIDE, NOISE, THICKNESS = 16, 0.05, 0.1

PROTOCOL = Protocol(
    name="pendulum",
    title="Pendulum 16x16",
    shape=(1, SIDE, SIDE),
    kind="continuous",
    binarization="none",
    likelihoods=("Gaussian",),
    split="random 12,000 / 1,500 / 1,500, generated from the seed",
    source="generated, after the description in Chen, Klushyn et al. 2018: 15,000 pictures of 16x16, the angle "
    "uniform in [0, 360) degrees, Gaussian pixel noise of sd 0.05",
    note="The renderer is prioria's own (the authors' is not public), so likelihoods compare only with each "
    "other. The label is the angle in radians.",
    factors=("angle",),
)


def render(angle: NDArray) -> NDArray[np.float32]:
    """Noise-free pictures (N, 1, 16, 16) of a rod from the center to the rim, hanging down at angle 0.

    A pixel at distance r from the rod has the value exp(-r^2 / (2 0.1^2)), the picture being [-1, 1]^2.
    """
    centers = (np.arange(SIDE) + 0.5) * 2 / SIDE - 1
    down, right = np.meshgrid(centers, centers, indexing="ij")
    direction = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    along = np.clip(down * direction[0] + right * direction[1], 0, 0.8)
    squared = (down - along * direction[0]) ** 2 + (right - along * direction[1]) ** 2
    return np.exp(-squared / (2 * THICKNESS**2)).astype(np.float32)[:, None]


def read(root: Path, seed: int) -> Dataset:
    """Generated: the data root is not used."""
    generator = np.random.default_rng(seed)
    angle = generator.uniform(0, 2 * np.pi, sum(PENDULUM.sizes))
    pictures = render(angle)
    pictures += NOISE * generator.standard_normal(pictures.shape, dtype=np.float32)
    return assemble_random(PROTOCOL, pictures, angle[:, None], PENDULUM.sizes, seed)


PENDULUM = KnownSet(PROTOCOL, (12000, 1500, 1500), read)
