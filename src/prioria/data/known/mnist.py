"""mnist: handwritten digits, binarized dynamically as in the VampPrior paper."""

from __future__ import annotations

from pathlib import Path

from prioria.data.base import Dataset, Protocol
from prioria.data.files import File
from prioria.data.formats import IDX_IMAGES, IDX_LABELS, read_idx
from prioria.data.known.base import KnownSet
from prioria.data.splits import assemble

PROTOCOL = Protocol(
    name="mnist",
    title="MNIST, dynamic binarization",
    shape=(1, 28, 28),
    kind="grey",
    binarization="dynamic",
    likelihoods=("Bernoulli",),
    split="first 50,000 / last 10,000 of the training file / 10,000 of the test file",
    source="LeCun, Bottou, Bengio, Haffner 1998",
    note="Training pixels are drawn afresh from Bernoulli(v/255) for every batch; validation and test were "
    "drawn once (numpy seed 777, Tomczak and Welling 2018). Not comparable with static or thresholded MNIST.",
    scale=255.0,
    classes=tuple("0123456789"),
)
ADDRESS = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FILES = tuple(
    File(f"mnist/{name}-ubyte.gz", f"sha256:{checksum}", f"{ADDRESS}{name}-ubyte.gz")
    for name, checksum in (
        ("train-images-idx3", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    )
)


def read_idx_set(protocol: Protocol, files: tuple[File, ...], root: Path) -> Dataset:
    """The four idx files of MNIST and of sets made in its form; the last 10,000 training images validate."""
    train_images, train_labels, test_images, test_labels = (file.locate(root) for file in files)
    images, labels = read_idx(train_images, IDX_IMAGES), read_idx(train_labels, IDX_LABELS)
    return assemble(
        protocol,
        (images[:-10000], labels[:-10000]),
        (images[-10000:], labels[-10000:]),
        (read_idx(test_images, IDX_IMAGES), read_idx(test_labels, IDX_LABELS)),
    )


def read(root: Path, seed: int) -> Dataset:
    """The split is official: the seed is not used."""
    return read_idx_set(PROTOCOL, FILES, root)


MNIST = KnownSet(PROTOCOL, (50000, 10000, 10000), read, FILES)
