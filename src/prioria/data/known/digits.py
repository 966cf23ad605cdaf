"""digits: the 8x8 handwritten digits that scikit-learn carries, so that a first run needs no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from prioria.data.base import Dataset, Protocol
from prioria.data.known.base import KnownSet
from prioria.data.splits import assemble_random

PROTOCOL = Protocol(
    name="digits",
    title="Optical digits 8x8",
    shape=(1, 8, 8),
    kind="grey",
    binarization="dynamic",
    likelihoods=("Bernoulli",),
    split="random 1,297 / 200 / 300 (seed 0)",
    source="Alpaydin and Kaynak 1998, UCI repository; the copy bundled with scikit-learn",
    note="The split and the binarization are prioria's own: no published likelihood is comparable.",
    scale=16.0,
    classes=tuple("0123456789"),
)


def read(root: Path, seed: int) -> Dataset:
    """Bundled: the data root is not used."""
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    return assemble_random(PROTOCOL, np.asarray(values, np.uint8), np.asarray(labels), DIGITS.sizes, seed)


DIGITS = KnownSet(PROTOCOL, (1297, 200, 300), read)
