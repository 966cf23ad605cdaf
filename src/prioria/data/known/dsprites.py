"""dsprites: white shapes on black whose five factors are known, whole and as a coarser grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prioria.data.base import Dataset, Protocol
from prioria.data.files import File, unpacked
from prioria.data.formats import naming
from prioria.data.known.base import KnownSet
from prioria.data.splits import assemble_random

PROTOCOL = Protocol(
    name="dsprites",
    title="dSprites",
    shape=(1, 64, 64),
    kind="binary",
    binarization="static",
    likelihoods=("Bernoulli",),
    split="random 80 / 10 / 10 % (seed 0); the set has no official split",
    source="Matthey, Higgins, Hassabis, Lerchner 2017",
    note="Labels are the factors' class numbers. Disentanglement papers train on all rows: their scores compare, "
    "likelihoods on this split do not.",
    factors=("shape", "scale", "orientation", "x", "y"),
)
GRID_PROTOCOL = replace(
    PROTOCOL,
    name="dsprites-grid",
    title="dSprites, grid of 46,080",
    source="Matthey, Higgins, Hassabis, Lerchner 2017; every fourth orientation and every second position, C. Gillon",
    note="A sixteenth of dSprites (3 shapes x 6 scales x 10 orientations x 16 x 16 positions): neither scores nor "
    "likelihoods are dSprites results.",
)
FILE = File(
    "dsprites/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
    "git:d98996d3f8ee1550e06b9d4ed78d0beb478910d5",
    "https://github.com/google-deepmind/dsprites-dataset/raw/master/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
)
GRID_FILE = File(
    "dsprites/dsprites_downsampled.npz",
    "sha256:8a632f70c0dbd279dd771854981a3de945b2448eddbd9b2af59fb83e8728f871",
    "https://github.com/colleenjg/neuromatch_ssl_tutorial/raw/130380eb77e46a993489d7c6c89d0c9ee8ce3ed3/"
    "dsprites/dsprites_downsampled.npz",
)


def read_npz(path: Path) -> tuple[NDArray, NDArray]:
    """Pictures, memory-mapped where they are large, and factors (N, 5) of shape, scale, orientation, x and y."""
    pictures = unpacked(path, "imgs")
    with naming(path), np.load(path, allow_pickle=False) as arrays:
        return pictures, arrays["latents_classes"][:, -5:]  # the whole set has a constant color in front


def read(root: Path, seed: int) -> Dataset:
    """The seed is that of the split."""
    return assemble_random(PROTOCOL, *read_npz(FILE.locate(root)), DSPRITES.sizes, seed)


def read_grid(root: Path, seed: int) -> Dataset:
    """The seed is that of the split."""
    return assemble_random(GRID_PROTOCOL, *read_npz(GRID_FILE.locate(root)), DSPRITES_GRID.sizes, seed)


DSPRITES = KnownSet(PROTOCOL, (589824, 73728, 73728), read, (FILE,))
DSPRITES_GRID = KnownSet(GRID_PROTOCOL, (36864, 4608, 4608), read_grid, (GRID_FILE,))
