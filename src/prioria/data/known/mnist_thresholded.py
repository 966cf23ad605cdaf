"""mnist-thresholded: MNIST cut at one half, the protocol of the report on latent dependency graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prioria.data.base import Dataset, Protocol
from prioria.data.formats import IDX_IMAGES, IDX_LABELS, read_idx
from prioria.data.known.base import KnownSet
from prioria.data.known.mnist import FILES
from prioria.data.splits import assemble

TRAINING = 48000

PROTOCOL = Protocol(
    name="mnist-thresholded",
    title="MNIST, thresholded",
    shape=(1, 28, 28),
    kind="binary",
    binarization="static",
    likelihoods=("Bernoulli",),
    split="first 48,000 / last 12,000 of the training file / 10,000 of the test file",
    source="LeCun, Bottou, Bengio, Haffner 1998",
    note="A pixel is 1 where it lies above the middle between the darkest and the brightest of its image. Smooth edges "
    "make it easier than drawn bits, by several nats: not comparable with static or dynamic MNIST.",
    classes=tuple("0123456789"),
)


def thresholded(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """1 where a pixel, scaled so that its image spans 0 to 1, is above one half."""
    pixels = images.reshape(len(images), -1).astype(np.int16)
    low, high = pixels.min(1, keepdims=True), pixels.max(1, keepdims=True)
    return (2 * pixels > low + high).astype(np.uint8)


def read(root: Path, seed: int) -> Dataset:
    """The split is fixed: the seed is not used."""
    images, labels, test, test_labels = (file.locate(root) for file in FILES)
    bits, digits = thresholded(read_idx(images, IDX_IMAGES)), read_idx(labels, IDX_LABELS)
    train, validation = (bits[:TRAINING], digits[:TRAINING]), (bits[TRAINING:], digits[TRAINING:])
    held_out = thresholded(read_idx(test, IDX_IMAGES)), read_idx(test_labels, IDX_LABELS)
    return assemble(PROTOCOL, train, validation, held_out)


MNIST_THRESHOLDED = KnownSet(PROTOCOL, (TRAINING, 12000, 10000), read, FILES)
