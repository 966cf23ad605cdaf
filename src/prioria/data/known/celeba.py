"""celeba: aligned faces of celebrities, cropped and resized to 64x64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from prioria.data.base import Dataset, Protocol
from prioria.data.errors import DataError
from prioria.data.files import File, cached
from prioria.data.formats import content, naming
from prioria.data.known.base import KnownSet
from prioria.data.own.pictures import list_pictures, stack
from prioria.data.splits import assemble

CROP, SIDE = 148, 64
PROTOCOL = Protocol(
    name="celeba",
    title="CelebA 64x64",
    shape=(3, SIDE, SIDE),
    kind="grey",
    binarization="none",
    likelihoods=("DiscretizedLogistic", "Gaussian"),
    split="162,770 / 19,867 / 19,962, the official partition list",
    source="Liu, Luo, Wang, Tang 2015",
    note="The center 148x148 of the aligned 178x218 picture, resized to 64x64 with Pillow's bilinear filter. Papers "
    "crop and resize differently, which shifts likelihoods and FID alike.",
    shift=0.5,
    scale=256.0,
)
PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
PICTURES = File(
    "celeba/img_align_celeba",
    page=PAGE,
    instead=File("celeba/img_align_celeba.zip", "md5:00d2c5bc6d35e252742224ab0c1e8fcb"),
)
PARTITION = File("celeba/list_eval_partition.txt", "md5:d32c9cbf5e040fd4025c592c306e6668", page=PAGE)


def crop(image: Image.Image) -> Image.Image:
    """The center of an aligned picture, resized."""
    left, top = (image.width - CROP) // 2, (image.height - CROP) // 2
    center = image.crop((left, top, left + CROP, top + CROP))
    return center.resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def read_partition(path: Path) -> dict[str, int]:
    """Which part (0 training, 1 validation, 2 test) each picture belongs to."""
    with naming(path):
        return {name: int(part) for name, part in map(str.split, content(path).decode().splitlines())}


def read(root: Path, seed: int) -> Dataset:
    """The split is official: the seed is not used."""
    partition_file, pictures = PARTITION.locate(root), PICTURES.locate(root)
    parts = read_partition(partition_file)
    found = {Path(name).name: name for name in list_pictures(pictures)}
    if missing := parts.keys() - found.keys():
        raise DataError(f"{pictures} lacks {len(missing)} of the {len(parts)} pictures, such as {min(missing)}")
    order = sorted(parts, key=lambda name: (parts[name], name))
    rows = cached(f"celeba-{SIDE}", partition_file, lambda: stack(pictures, [found[name] for name in order], crop))
    ends = np.cumsum(np.bincount(list(parts.values()), minlength=3))
    train, validation, test = np.split(rows, ends[:2])
    return assemble(PROTOCOL, (train, None), (validation, None), (test, None))


CELEBA = KnownSet(PROTOCOL, (162770, 19867, 19962), read, (PICTURES, PARTITION))
