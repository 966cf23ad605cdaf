"""omniglot28: the original 105x105 characters averaged to 28x28, for machines without chardata.mat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from prioria.data.base import Dataset, Protocol
from prioria.data.files import File, cached
from prioria.data.formats import naming
from prioria.data.known.base import KnownSet
from prioria.data.own.pictures import list_pictures, stack
from prioria.data.splits import assemble_random

PROTOCOL = Protocol(
    name="omniglot28",
    title="OMNIGLOT 28x28, derived",
    shape=(1, 28, 28),
    kind="grey",
    binarization="dynamic",
    likelihoods=("Bernoulli",),
    split="random 23,000 / 1,345 / 8,115 of all 32,460 characters (seed 0)",
    source="Lake, Salakhutdinov, Tenenbaum 2015, 105x105 originals averaged over boxes to 28x28, strokes bright",
    note="Not chardata.mat: another resizing and another split, so no published OMNIGLOT number is comparable.",
    scale=255.0,
)
ADDRESS = "https://github.com/brendenlake/omniglot/raw/master/python/"
DERIVED = ("omniglot/omniglot28_derived.npz", "sha256:7f7e70c5f6a83fd92c7dece956818c7fb4a0fdb8a140a6757f43421ca4ba708c")


def _either(part: str, *checksums: str) -> File:
    """The derived file, or the zip file of the originals: as published or packed again without compression."""
    name = f"images_{part}.zip"
    original = File(f"omniglot/{name}", " ".join(checksums), ADDRESS + name)
    return File(*DERIVED, instead=original)


FILES = (
    _either(
        "background",
        "md5:68d2efa1b9178cc56df9314c21c6e718",
        "sha256:2391352b1ff4fb92dd530e668cddd9fa4bf80813ea5772f1c650b91ecc271b86",
    ),
    _either(
        "evaluation",
        "md5:6b91aef0f799c5bb55b94e3f2daec811",
        "sha256:c6b848a420f00be83df02f940f65a502c2e4c044cc79fdabd28945b770cc1742",
    ),
)


def shrink(image: Image.Image) -> Image.Image:
    """28x28 box averages of a black-on-white picture, strokes bright."""
    return ImageOps.invert(image).resize((28, 28), Image.Resampling.BOX)


def derive(path: Path) -> tuple[NDArray[np.uint8], NDArray]:
    """Shrunk pictures and alphabet numbers from a zip file of the originals (.../ALPHABET/characterNN/...)."""
    names = list_pictures(path)
    alphabets = np.unique([name.split("/")[1] for name in names], return_inverse=True)[1]
    return cached(f"omniglot28-{path.stem}", path, lambda: stack(path, names, shrink)), alphabets


def read_part(path: Path, part: str) -> tuple[NDArray[np.uint8], NDArray]:
    """Pictures and alphabet numbers of the part "background" or "evaluation"."""
    if path.suffix == ".zip":
        return derive(path)
    with naming(path), np.load(path, allow_pickle=False) as arrays:
        return arrays[part], arrays[f"{part}_alphabet"]


def read(root: Path, seed: int) -> Dataset:
    """The seed is that of the split."""
    background, evaluation = FILES
    rows, alphabets = read_part(background.locate(root), "background")
    more_rows, more_alphabets = read_part(evaluation.locate(root), "evaluation")
    labels = np.concatenate([alphabets, more_alphabets + alphabets.max() + 1])
    pictures = np.concatenate([rows.reshape(-1, 28, 28), more_rows.reshape(-1, 28, 28)])
    return assemble_random(PROTOCOL, pictures, labels, OMNIGLOT28.sizes, seed)


OMNIGLOT28 = KnownSet(PROTOCOL, (23000, 1345, 8115), read, FILES)
