"""cifar10: small color photographs of ten kinds of things, whole and as a sample."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from prioria.data.base import Dataset, Protocol
from prioria.data.errors import DataError
from prioria.data.files import File
from prioria.data.formats import content, naming
from prioria.data.known.base import KnownSet
from prioria.data.splits import RowsAndLabels, assemble

SIZES, SAMPLE_SIZES = (45000, 5000, 10000), (1800, 200, 1000)
PROTOCOL = Protocol(
    name="cifar10",
    title="CIFAR-10",
    shape=(3, 32, 32),
    kind="grey",
    binarization="none",
    likelihoods=("DiscretizedLogistic", "Gaussian"),
    split="first 45,000 / last 5,000 of the five training batches / 10,000 of the test batch",
    source="Krizhevsky 2009",
    note="Likelihoods of a discretized logistic are usually quoted in bits per dimension: nats / (3072 ln 2), "
    "without the sign. A Gaussian gives densities of x = (v + 0.5) / 256.",
    shift=0.5,
    scale=256.0,
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)
SAMPLE_PROTOCOL = replace(
    PROTOCOL,
    name="cifar10-sample",
    title="CIFAR-10, sample",
    split="first 1,800 / next 200 of the first training batch / first 1,000 of the test batch",
    note="A twentieth of the training set: its numbers are not CIFAR-10 results.",
)
FILE = File(
    "cifar10/cifar-10-binary.tar.gz",
    "md5:c32a1d4ab5d03f1284b67883e8d87530",
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    instead=File("cifar10/cifar-10-batches-bin"),
)
SAMPLE_FILES = (
    File(
        "cifar10-sample/data_batch_1_first2000.bin",
        "sha256:eae30ce617c27eb358b2409617ac9c388f67c480af37b07393173a79541bb8f4",
    ),
    File(
        "cifar10-sample/test_batch_first1000.bin",
        "sha256:8314c96d7cd65618193bab23acdd5d4c4af15bf6dd00a1781d55beedf3be1ef5",
    ),
)
TRAINING = tuple(f"data_batch_{number}.bin" for number in range(1, 6))


def records(data: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, 3, 32, 32) and labels of CIFAR's binary records: a label byte, then red, green and blue."""
    if not data or len(data) % 3073:
        raise DataError(f"{path} holds {len(data)} bytes, which are not records of 3073; fetch it again")
    values = np.frombuffer(data, np.uint8).reshape(-1, 3073)
    return values[:, 1:].reshape(-1, 3, 32, 32), values[:, 0]


def read_batches(path: Path) -> dict[str, bytes]:
    """The batch files by name, from the tar file or from the folder that it unpacks to."""
    if path.is_dir():
        return {name: content(path / name) for name in (*TRAINING, "test_batch.bin")}
    with naming(path), tarfile.open(path) as archive:
        files = {Path(member.name).name: archive.extractfile(member) for member in archive if member.isfile()}
        return {name: file.read() for name, file in files.items() if file and name.endswith(".bin")}


def _cut(
    rows: np.ndarray, labels: np.ndarray, test: RowsAndLabels, size: int
) -> tuple[RowsAndLabels, RowsAndLabels, RowsAndLabels]:
    return (rows[:size], labels[:size]), (rows[size:], labels[size:]), test


def read(root: Path, seed: int) -> Dataset:
    """The split is fixed: the seed is not used."""
    path = FILE.locate(root)
    batches = read_batches(path)
    with naming(path):
        training = b"".join(batches[name] for name in TRAINING)
        rows, labels = records(training, path)
        return assemble(PROTOCOL, *_cut(rows, labels, records(batches["test_batch.bin"], path), SIZES[0]))


def read_sample(root: Path, seed: int) -> Dataset:
    """The split is fixed: the seed is not used."""
    (rows, labels), test = (records(content(path), path) for path in (file.locate(root) for file in SAMPLE_FILES))
    return assemble(SAMPLE_PROTOCOL, *_cut(rows, labels, test, SAMPLE_SIZES[0]))


CIFAR10 = KnownSet(PROTOCOL, SIZES, read, (FILE,))
CIFAR10_SAMPLE = KnownSet(SAMPLE_PROTOCOL, SAMPLE_SIZES, read_sample, SAMPLE_FILES)
