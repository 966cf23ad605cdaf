"""olivetti: forty people, ten grey pictures of each, at the original 92x112 pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from prioria.data.base import Dataset, Protocol
from prioria.data.files import File
from prioria.data.known.base import KnownSet
from prioria.data.own.pictures import list_pictures, stack
from prioria.data.splits import assemble_random

PROTOCOL = Protocol(
    name="olivetti",
    title="Olivetti (ORL) faces",
    shape=(1, 112, 92),
    kind="grey",
    binarization="none",
    likelihoods=("DiscretizedLogistic", "Gaussian"),
    split="random 320 / 40 / 40 (seed 0); the set has no official split",
    source="Samaria and Harter 1994, AT&T Laboratories Cambridge (Olivetti Research Laboratory)",
    note="Every person is in every part of the split. Not scikit-learn's 64x64 version of the same pictures.",
    shift=0.5,
    scale=256.0,
)
FILES = (
    File(
        "olivetti-att-faces/att_faces.zip",
        "sha256:591ee3fe091cf8ba972a76a039b911b2ea2fd04f57c03d3f9176be9493fbda3a",
        "https://www.cl.cam.ac.uk/Research/DTG/attarchive/pub/data/att_faces.zip",
    ),
)


def read(root: Path, seed: int) -> Dataset:
    """The seed is that of the split; labels are the people, 0 to 39."""
    path = FILES[0].locate(root)
    names = list_pictures(path)
    people = np.array([int(Path(name).parent.name.removeprefix("s")) - 1 for name in names])
    return assemble_random(PROTOCOL, stack(path, names), people, OLIVETTI.sizes, seed)


OLIVETTI = KnownSet(PROTOCOL, (320, 40, 40), read, FILES)
