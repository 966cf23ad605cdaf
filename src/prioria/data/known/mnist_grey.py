"""mnist-grey: MNIST as the grey values of the files, for likelihoods of continuous values and image distances."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prioria.data.base import Dataset
from prioria.data.known.base import KnownSet
from prioria.data.known.mnist import FILES, MNIST, read_idx_set

PROTOCOL = replace(
    MNIST.protocol,
    name="mnist-grey",
    title="MNIST, grey values",
    binarization="none",
    likelihoods=("DiscretizedLogistic", "Gaussian"),
    note="Pixels are v/255, as the dpVAE paper takes them. "
    "Densities of grey values are not comparable with those of bits.",
)


def read(root: Path, seed: int) -> Dataset:
    """The split is official: the seed is not used."""
    return read_idx_set(PROTOCOL, FILES, root)


MNIST_GREY = KnownSet(PROTOCOL, MNIST.sizes, read, FILES)
