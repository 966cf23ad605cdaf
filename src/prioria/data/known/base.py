"""What one file per data set declares: its protocol, its sizes, its original files and how they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prioria.data.base import Dataset, Protocol
from prioria.data.files import File


@dataclass(frozen=True)
class KnownSet:
    """A data set that prioria knows by name.

    Args:
        protocol: Its protocol.
        sizes: Rows of the training, validation and test split.
        read: (data root, seed of a random split) -> the data set. Sets with a fixed split ignore the seed.
        files: The original files, empty for sets that are generated or bundled.
    """

    protocol: Protocol
    sizes: tuple[int, int, int]
    read: Callable[[Path, int], Dataset]
    files: tuple[File, ...] = ()

    def at_hand(self, root: Path) -> bool:
        """Whether every file is below the data root, so that loading needs no network."""
        return all(file.at_hand(root) for file in self.files)
