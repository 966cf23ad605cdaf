"""fashion-mnist: pictures of clothes in MNIST's form, binarized dynamically."""

from __future__ import annotations

from pathlib import Path

from prioria.data.base import Dataset, Protocol
from prioria.data.files import File
from prioria.data.known.base import KnownSet
from prioria.data.known.mnist import read_idx_set

PROTOCOL = Protocol(
    name="fashion-mnist",
    title="Fashion-MNIST, dynamic binarization",
    shape=(1, 28, 28),
    kind="grey",
    binarization="dynamic",
    likelihoods=("Bernoulli",),
    split="first 50,000 / last 10,000 of the training file / 10,000 of the test file",
    source="Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747",
    note="Split and binarization as for mnist are prioria's choice: papers with numbers on this set do not say "
    "theirs, so a comparison with them is of protocols as much as of models.",
    scale=255.0,
    classes=(
        "T-shirt",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
)
ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FILES = tuple(
    File(f"fashion-mnist/{name}-ubyte.gz", f"sha256:{checksum}", f"{ADDRESS}{name}-ubyte.gz")
    for name, checksum in (
        ("train-images-idx3", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        ("train-labels-idx1", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        ("t10k-images-idx3", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        ("t10k-labels-idx1", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    )
)


def read(root: Path, seed: int) -> Dataset:
    """The split is fixed: the seed is not used."""
    return read_idx_set(PROTOCOL, FILES, root)


FASHION_MNIST = KnownSet(PROTOCOL, (50000, 10000, 10000), read, FILES)
