"""frey-faces: grey frames of one video of one face."""

from __future__ import annotations

from pathlib import Path

from prioria.data.base import Dataset, Protocol
from prioria.data.files import File
from prioria.data.formats import read_mat
from prioria.data.known.base import KnownSet
from prioria.data.splits import assemble_random

PROTOCOL = Protocol(
    name="frey-faces",
    title="Frey faces",
    shape=(1, 28, 20),
    kind="grey",
    binarization="none",
    likelihoods=("DiscretizedLogistic", "Gaussian"),
    split="random 1,565 / 200 / 200 (seed 0)",
    source="Frey and Roweis, https://cs.nyu.edu/~roweis/data.html",
    note="Frames of one video: neighbors are near-duplicates across the random split. A "
    "discretized logistic gives probabilities, a Gaussian densities: do not compare one with the other.",
    shift=0.5,
    scale=256.0,
)
FILES = (
    File(
        "frey-faces/frey_rawface.mat",
        "sha256:265a83a23adb081755cd3de375509828e690324d1d60f076b8ecebc840d59c64",
        "https://cs.nyu.edu/~roweis/data/frey_rawface.mat",
    ),
)


def read(root: Path, seed: int) -> Dataset:
    """The seed is that of the split; the published numbers are means over three."""
    (columns,) = read_mat(FILES[0].locate(root), "ff")
    return assemble_random(PROTOCOL, columns.T, None, FREY_FACES.sizes, seed)


FREY_FACES = KnownSet(PROTOCOL, (1565, 200, 200), read, FILES)
