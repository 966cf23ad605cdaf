"""svhn: house numbers photographed in the street, cropped to one digit."""

from __future__ import annotations

from pathlib import Path

from numpy.typing import NDArray

from prioria.data.base import Dataset, Protocol
from prioria.data.files import File
from prioria.data.formats import read_mat
from prioria.data.known.base import KnownSet
from prioria.data.splits import assemble

VALIDATION = 5000
PROTOCOL = Protocol(
    name="svhn",
    title="SVHN, cropped digits",
    shape=(3, 32, 32),
    kind="grey",
    binarization="none",
    likelihoods=("DiscretizedLogistic", "Gaussian"),
    split="first 68,257 / last 5,000 of the training file / 26,032 of the test file",
    source="Netzer, Wang, Coates, Bissacco, Wu, Ng 2011",
    note="The validation digits are the last ones, since digits of one house number are neighbors in the file. "
    "The 531,131 extra digits are not used.",
    shift=0.5,
    scale=256.0,
    classes=tuple("0123456789"),
)
ADDRESS = "http://ufldl.stanford.edu/housenumbers/"
FILES = (
    File("svhn/train_32x32.mat", "md5:e26dedcc434d2e4c54c9b2d4a06d8373", f"{ADDRESS}train_32x32.mat"),
    File("svhn/test_32x32.mat", "md5:eb5a983be6a315427106f1b164d9cef3", f"{ADDRESS}test_32x32.mat"),
)


def read_digits(path: Path) -> tuple[NDArray, NDArray]:
    """Pictures (N, 3, 32, 32) and labels; the file writes the digit 0 as 10."""
    pictures, labels = read_mat(path, "X", "y")
    return pictures.transpose(3, 2, 0, 1), labels.ravel() % 10


def read(root: Path, seed: int) -> Dataset:
    """The split is fixed: the seed is not used."""
    (rows, labels), test = (read_digits(file.locate(root)) for file in FILES)
    train = rows[:-VALIDATION], labels[:-VALIDATION]
    return assemble(PROTOCOL, train, (rows[-VALIDATION:], labels[-VALIDATION:]), test)


SVHN = KnownSet(PROTOCOL, (68257, VALIDATION, 26032), read, FILES)
