"""Every data set that prioria knows by name, and which of them are at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prioria.data.base import Protocol
from prioria.data.files import data_root
from prioria.data.known.caltech101_silhouettes import CALTECH101_SILHOUETTES, CALTECH101_SILHOUETTES_RANDOM
from prioria.data.known.celeba import CELEBA
from prioria.data.known.cifar10 import CIFAR10, CIFAR10_SAMPLE
from prioria.data.known.cmu_mocap import CMU_MOCAP, CMU_MOCAP_35
from prioria.data.known.digits import DIGITS
from prioria.data.known.dsprites import DSPRITES, DSPRITES_GRID
from prioria.data.known.fashion_mnist import FASHION_MNIST
from prioria.data.known.frey_faces import FREY_FACES
from prioria.data.known.lfwcrop import LFWCROP, LFWCROP_FULL
from prioria.data.known.mnist import MNIST
from prioria.data.known.mnist_grey import MNIST_GREY
from prioria.data.known.mnist_static import MNIST_STATIC
from prioria.data.known.mnist_thresholded import MNIST_THRESHOLDED
from prioria.data.known.olivetti import OLIVETTI
from prioria.data.known.omniglot import OMNIGLOT
from prioria.data.known.omniglot28 import OMNIGLOT28
from prioria.data.known.pendulum import PENDULUM
from prioria.data.known.svhn import SVHN
from prioria.data.known.two_moons import TWO_MOONS

KNOWN_SETS = (
    DIGITS,
    TWO_MOONS,
    PENDULUM,
    MNIST,
    MNIST_STATIC,
    MNIST_THRESHOLDED,
    MNIST_GREY,
    FASHION_MNIST,
    OMNIGLOT,
    OMNIGLOT28,
    CALTECH101_SILHOUETTES,
    CALTECH101_SILHOUETTES_RANDOM,
    FREY_FACES,
    CMU_MOCAP,
    CMU_MOCAP_35,
    DSPRITES,
    DSPRITES_GRID,
    OLIVETTI,
    LFWCROP,
    LFWCROP_FULL,
    CIFAR10,
    CIFAR10_SAMPLE,
    SVHN,
    CELEBA,
)
BY_NAME = {known.protocol.name: known for known in KNOWN_SETS}


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue.

    Args:
        protocol: The protocol of the set.
        sizes: Rows of the training, validation and test split.
        at_hand: Whether loading needs no network.
    """

    protocol: Protocol
    sizes: tuple[int, int, int]
    at_hand: bool


def catalogue(root: str | Path | None = None) -> list[Entry]:
    """Every known data set with its protocol and sizes, and whether its files are below the data root.

    >>> [entry.sizes for entry in catalogue() if entry.protocol.name == "digits"]
    [(1297, 200, 300)]
    """
    return [Entry(known.protocol, known.sizes, known.at_hand(data_root(root))) for known in KNOWN_SETS]
