"""lfwcrop: faces of public people in color, every sixth picture and all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prioria.data.base import Dataset, Protocol
from prioria.data.files import File
from prioria.data.known.base import KnownSet
from prioria.data.own.pictures import list_pictures, stack
from prioria.data.splits import assemble_random

SIZES, FULL_SIZES = (1766, 220, 220), (10587, 1323, 1323)
PROTOCOL = Protocol(
    name="lfwcrop",
    title="LFWcrop color, every sixth picture",
    shape=(3, 64, 64),
    kind="grey",
    binarization="none",
    likelihoods=("DiscretizedLogistic", "Gaussian"),
    split="random 1,766 / 220 / 220 (seed 0) of every sixth of 13,233 pictures by name",
    source="Sanderson and Lovell 2009, cropped from Labeled Faces in the Wild (Huang et al. 2007)",
    note="No split for generative models is official, and a sixth of the set is not the set: numbers compare only "
    "with each other.",
    shift=0.5,
    scale=256.0,
)
FULL_PROTOCOL = replace(
    PROTOCOL,
    name="lfwcrop-full",
    title="LFWcrop color",
    split="random 10,587 / 1,323 / 1,323 (seed 0)",
    note="No split for generative models is official: numbers compare only with each other.",
)
FULL_FILE = File("lfwcrop/lfwcrop_color.zip", address="https://conradsanderson.id.au/lfwcrop/lfwcrop_color.zip")
FILE = File(
    "lfwcrop/lfwcrop_color_every6th.zip",
    "sha256:e1f9287c48e5e2bab8e14f7fa04fc51f750bb6a3d9c5363a5d56c7a706ec3367",
    instead=FULL_FILE,
)


def read(root: Path, seed: int) -> Dataset:
    """The seed is that of the split."""
    path = FILE.locate(root)
    names = list_pictures(path)
    chosen = names if path.name == Path(FILE.path).name else names[::6]
    return assemble_random(PROTOCOL, stack(path, chosen), None, SIZES, seed)


def read_full(root: Path, seed: int) -> Dataset:
    """The seed is that of the split."""
    path = FULL_FILE.locate(root)
    return assemble_random(FULL_PROTOCOL, stack(path, list_pictures(path)), None, FULL_SIZES, seed)


LFWCROP = KnownSet(PROTOCOL, SIZES, read, (FILE,))
LFWCROP_FULL = KnownSet(FULL_PROTOCOL, FULL_SIZES, read_full, (FULL_FILE,))
