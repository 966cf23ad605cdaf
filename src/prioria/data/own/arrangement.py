"""What the places of pictures say: parts of a split, and labels by folder or from a metadata.csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from prioria.data.errors import DataError
from prioria.data.formats import naming
from prioria.data.own.archives import members, opened

PARTS = {
    "train": 0, "training": 0,
    "val": 1, "valid": 1, "validation": 1, "dev": 1,
    "test": 2, "testing": 2,
}  # fmt: skip
METADATA, FILE_NAME = "metadata.csv", "file_name"
LABEL_NAMES = ("label", "labels", "class", "target", "category")
UNLABELED = "unlabeled"


@dataclass(frozen=True, eq=False)
class Arrangement:
    """The order of pictures, and what their places say.

    Args:
        names: Sorted within each part, training pictures first.
        parts: 0 training, 1 validation, 2 test (N,), or None where the folders are no split.
        labels: Names (N,), or None.
    """

    names: list[str]
    parts: NDArray[np.int64] | None
    labels: NDArray | None


def arrange(path: Path, names: Sequence[str]) -> Arrangement:
    """Reads folders train/, validation/ (val/) and test/ as parts, and the folders below as labels.

    A metadata.csv with a column file_name, beside the pictures or in a folder above, gives labels before folders do.

    Raises:
        DataError: A metadata.csv that lacks a column or a picture.
    """
    places = _places(names)
    parts = _parts(places)
    order = sorted(names, key=lambda name: (parts[name] if parts else 0, name))
    folders = {name: "/".join(place[1 if parts else 0 : -1]) or "." for name, place in places.items()}
    labels = _from_metadata(path, names) or _from_folders(folders, bool(parts))
    return Arrangement(
        order,
        np.array([parts[name] for name in order]) if parts else None,
        np.array([labels[name] for name in order]) if labels else None,
    )


def parts_of(names: Sequence[str]) -> dict[str, int]:
    """The part of each file, 0 training, 1 validation, 2 test, where folders of these names hold all; else nothing."""
    return _parts(_places(names))


def _places(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    depth = _common_depth(names)
    return {name: PurePosixPath(name).parts[depth:] for name in names}


def _common_depth(names: Sequence[str]) -> int:
    """How many folders all pictures share: an archive often holds one, in which the others are."""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    shared = zip(*folders, strict=False)
    return next((depth for depth, level in enumerate(shared) if len(set(level)) > 1), min(map(len, folders)))


def _parts(places: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    """The part of each picture, where every one lies in such a folder and some are for training; else nothing."""
    found = {name: PARTS.get(place[0].lower(), -1) for name, place in places.items() if len(place) > 1}
    kinds = set(found.values())
    return found if len(found) == len(places) and 0 in kinds and len(kinds) > 1 and -1 not in kinds else {}


def _from_folders(folders: Mapping[str, str], split: bool) -> dict[str, str]:
    if len(set(folders.values()) - ({"."} if split else set())) < 2:
        return {}
    # test pictures of a competition lie beside each other, without the folders that training ones are in
    return {name: UNLABELED if split and folder == "." else folder for name, folder in folders.items()}


def _from_metadata(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Labels from tables beside the pictures, by the names of these, which a tar may begin with ./."""
    alone = len(names) == 1  # whose folder is not asked for
    tables = [] if alone else members(path, lambda name: PurePosixPath(name).name == METADATA)
    found: dict[str, str] = {}
    with closing(opened(path, tables)) as files:
        for table, stream in files:
            with naming(path / table):
                found |= _labels(path / table, PurePosixPath(table).parent, stream.read().decode("utf-8-sig"))
    missing = [name for name in names if str(PurePosixPath(name)) not in found]
    if found and missing:
        raise DataError(f"{path}: {METADATA} has no row for {missing[0]} ({len(missing)} such); add it, or move it out")
    return {name: found[str(PurePosixPath(name))] for name in names} if found else {}


def _labels(table: Path, folder: PurePosixPath, text: str) -> dict[str, str]:
    """The label of each picture; a column that is not called so is one where values repeat, and captions do not."""
    head = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=head.count))
    columns = {name.strip().lower(): name for name in rows.fieldnames or ()}
    if FILE_NAME not in columns:
        raise DataError(f"{table} has columns {', '.join(columns)}; name the one of pictures {FILE_NAME}")
    file, kept = columns.pop(FILE_NAME), list(rows)
    called = [columns[name] for name in columns if name in LABEL_NAMES]
    repeats = [name for name in columns.values() if 2 * len({row[name] for row in kept}) <= len(kept)]
    label = next(iter(called), None) or (repeats[0] if len(columns) == len(repeats) == 1 else None)
    return {} if label is None else {str(folder / row[file]): row[label] or UNLABELED for row in kept}
