"""caltech101-silhouettes: outlines of objects, binary, with the official split or with one of ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from numpy.typing import NDArray

from prioria.data.base import Dataset, Protocol
from prioria.data.files import File
from prioria.data.formats import read_mat
from prioria.data.known.base import KnownSet
from prioria.data.known.omniglot import upright
from prioria.data.splits import RowsAndLabels, assemble, assemble_random

SIZES = (4100, 2264, 2307)
PROTOCOL = Protocol(
    name="caltech101-silhouettes",
    title="Caltech-101 silhouettes",
    shape=(1, 28, 28),
    kind="binary",
    binarization="static",
    likelihoods=("Bernoulli",),
    split="4,100 / 2,264 / 2,307, the official split1 file",
    source="Marlin, Swersky, Chen, de Freitas 2010",
    note="Pixels are 1 inside the object (1 - raw), as in Tomczak and Welling 2018. Labels are 0 to 100.",
)
RANDOM_PROTOCOL = replace(
    PROTOCOL,
    name="caltech101-silhouettes-random",
    title="Caltech-101 silhouettes, random split",
    split="random 4,100 / 2,264 / 2,307 of all 8,671 (seed 0); NOT the official split",
    note="The sizes are the standard ones but the split is not: no published number is comparable.",
)
ADDRESS = "https://people.cs.umass.edu/~marlin/data/"
SPLIT_FILE = File(
    "caltech101-silhouettes/caltech101_silhouettes_28_split1.mat",
    address=f"{ADDRESS}caltech101_silhouettes_28_split1.mat",
)
WHOLE_FILE = File(
    "caltech101-silhouettes/caltech101_silhouettes_28.mat",
    "sha256:862d0a4b828256d54ad5de7c5066c18c72f355cac5b7cde4c1c3be7c000d180b",
    f"{ADDRESS}caltech101_silhouettes_28.mat",
)


def _part(raw: NDArray, labels: NDArray) -> RowsAndLabels:
    return 1 - upright(raw.T), labels.ravel().astype(int) - 1


def read_split(path: Path) -> list[RowsAndLabels]:
    """Pictures and labels of the official training, validation and test parts."""
    names = [f"{part}_{what}" for part in ("train", "val", "test") for what in ("data", "labels")]
    arrays = read_mat(path, *names)
    return [_part(raw, labels) for raw, labels in zip(arrays[::2], arrays[1::2], strict=True)]


def read(root: Path, seed: int) -> Dataset:
    """The split is official: the seed is not used."""
    return assemble(PROTOCOL, *read_split(SPLIT_FILE.locate(root)))


def read_random(root: Path, seed: int) -> Dataset:
    """The seed is that of the split."""
    rows, labels = _part(*read_mat(WHOLE_FILE.locate(root), "X", "Y"))
    return assemble_random(RANDOM_PROTOCOL, rows, labels, SIZES, seed)


CALTECH101_SILHOUETTES = KnownSet(PROTOCOL, SIZES, read, (SPLIT_FILE,))
CALTECH101_SILHOUETTES_RANDOM = KnownSet(RANDOM_PROTOCOL, SIZES, read_random, (WHOLE_FILE,))
