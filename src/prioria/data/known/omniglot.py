"""omniglot: handwritten characters of fifty alphabets, 28x28, in the form that published likelihoods use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prioria.data.base import Dataset, Protocol
from prioria.data.files import File
from prioria.data.formats import read_mat
from prioria.data.known.base import KnownSet
from prioria.data.splits import assemble

VALIDATION = 1345

PROTOCOL = Protocol(
    name="omniglot",
    title="OMNIGLOT, chardata.mat",
    shape=(1, 28, 28),
    kind="grey",
    binarization="dynamic",
    likelihoods=("Bernoulli",),
    split="23,000 / random 1,345 of the 24,345 training characters / 8,070 test characters",
    source="Lake, Salakhutdinov, Tenenbaum 2015; chardata.mat of Burda, Grosse, Salakhutdinov 2016",
    note="Grey values are probabilities, drawn afresh for training and once for validation and test, as in Tomczak "
    "and Welling 2018. Thresholded or differently resized OMNIGLOT differs by several nats.",
)
FILES = (
    File(
        "omniglot/chardata.mat",
        "git:016a3536ffe5e1d38e42563a18d7a78bfaf643ec",
        "https://github.com/yburda/iwae/raw/master/datasets/OMNIGLOT/chardata.mat",
    ),
)


def upright(columns: NDArray) -> NDArray:
    """Pictures (N, 28, 28) from MATLAB's (784, N), whose pixels run down the columns of a picture."""
    return columns.T.reshape(-1, 28, 28).transpose(0, 2, 1)


def read_chardata(path: Path) -> tuple[tuple[NDArray, NDArray], tuple[NDArray, NDArray]]:
    """Pictures and alphabet numbers of the training and of the test characters."""
    data, target, test_data, test_target = read_mat(path, "data", "target", "testdata", "testtarget")
    return (upright(data), target.argmax(0)), (upright(test_data), test_target.argmax(0))


def read(root: Path, seed: int) -> Dataset:
    """The seed says which training characters validate."""
    (rows, labels), test = read_chardata(FILES[0].locate(root))
    order = np.random.default_rng(seed).permutation(len(rows))
    train, validation = np.split(order, [len(rows) - VALIDATION])
    return assemble(PROTOCOL, (rows[train], labels[train]), (rows[validation], labels[validation]), test)


OMNIGLOT = KnownSet(PROTOCOL, (23000, VALIDATION, 8070), read, FILES)
