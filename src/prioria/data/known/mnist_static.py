"""mnist-static: MNIST binarized once and for all, the split files of Larochelle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prioria.data.base import Dataset, Protocol
from prioria.data.errors import DataError
from prioria.data.files import File
from prioria.data.formats import content, naming
from prioria.data.known.base import KnownSet
from prioria.data.splits import assemble

PROTOCOL = Protocol(
    name="mnist-static",
    title="MNIST, static binarization",
    shape=(1, 28, 28),
    kind="binary",
    binarization="static",
    likelihoods=("Bernoulli",),
    split="50,000 / 10,000 / 10,000, the three files",
    source="Salakhutdinov and Murray 2008; files of Larochelle and Murray 2011",
    note="Comparable only with numbers on the same files. They have no labels; the test file is ordered by "
    "digit, so a prefix of it is not a random sample.",
)
ADDRESS = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"


def _file(part: str, packed: str, plain: str) -> File:
    name = f"binarized_mnist_{part}.amat"
    path = f"static-binarized-mnist/{name}"
    return File(f"{path}.gz", f"sha256:{packed}", instead=File(path, f"sha256:{plain}", ADDRESS + name))


FILES = (
    _file(
        "train",
        "092365d813e5c21dc079caf1c06c0f651976f886cf649818f5272d338cc5dac2",
        "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
    ),
    _file(
        "valid",
        "a340636f6c4a8df5715467d5a5c4c16a727a9fb7405c2d2f707f3f94403b2f15",
        "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
    ),
    _file(
        "test",
        "7f2dd6edd98e934efff89342d83482a591cfd6f4fbe3445112325b957d519cef",
        "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
    ),
)


def read_amat(path: Path, columns: int = 784) -> NDArray[np.uint8]:
    """Text of one image a line, every value a digit 0 or 1 and a separator: read as bytes, not parsed."""
    data = content(path)
    with naming(path):
        characters = np.frombuffer(data, np.uint8).reshape(-1, columns, 2)
        bits = characters[..., 0] - np.uint8(ord("0"))
        if not bits.size or bits.max() > 1 or characters[..., 1].max() > ord(" "):
            raise DataError(f"{path} is not lines of {columns} zeros and ones")
        return bits


def read(root: Path, seed: int) -> Dataset:
    """The split is official: the seed is not used."""
    train, validation, test = (read_amat(file.locate(root)) for file in FILES)
    return assemble(PROTOCOL, (train, None), (validation, None), (test, None))


MNIST_STATIC = KnownSet(PROTOCOL, (50000, 10000, 10000), read, FILES)
