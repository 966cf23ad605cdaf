"""Every data set that prioria knows by name, and which of them are at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prioria.data.base import Protocol
from prioria.data.digits import DIGITS
from prioria.data.files import data_root
from prioria.data.mnist import MNIST
from prioria.data.mnist_static import MNIST_STATIC
from prioria.data.two_moons import TWO_MOONS

KNOWN_SETS = (
    DIGITS,
    TWO_MOONS,
    MNIST,
    MNIST_STATIC,
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
