"""Arrays of one file by their names: rows and labels, of all or of the parts of a split."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prioria.data.errors import DataError

Named = tuple[NDArray, NDArray | None, tuple[int, int, int] | None]
PARTS = ("train", "validation", "test")
ROWS = frozenset(("x", "data", "rows", "features", "inputs", "samples", "image", "images"))
LABELS = frozenset(("y", "label", "labels", "target", "targets", "class", "classes"))
SPLIT = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


def meaning(name: str) -> tuple[str, str] | None:
    """What the name of an array says: its part of a split, "" for all rows, and rows or labels; None for nothing.

    >>> meaning("X_train"), meaning("val_labels"), meaning("y")
    (('train', 'rows'), ('validation', 'labels'), ('', 'labels'))
    """
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    parts = [SPLIT[word] for word in words if word in SPLIT]
    others = [word for word in words if word not in SPLIT]
    if len(parts) > 1 or len(others) > 1 or not words:
        return None
    part, word = (*parts, "")[0], (*others, "x")[0]
    return (part, "rows") if word in ROWS else (part, "labels") if word in LABELS else None


def by_name(path: Path, arrays: Mapping[str, NDArray]) -> Named:
    """Rows, labels if there are any, and the sizes of the parts where they are split, of arrays by their names.

    Raises:
        DataError: names that say nothing, two of one meaning, a part without rows, or parts in two scales.
    """
    if len(arrays) == 1:
        return next(iter(arrays.values())), None, None
    known: dict[tuple[str, str], NDArray] = {}
    for name, array in arrays.items():
        if (means := meaning(name)) is not None and means in known:
            raise DataError(f"{path} holds {name} beside others of its meaning; keep one of them")
        if means is not None:
            labels = means[1] == "labels" and array.ndim == 2 and 1 in array.shape
            known[means] = array.ravel() if labels else array
    if ("", "rows") in known:
        return known["", "rows"], known.get(("", "labels")), None
    given = {part: known[part, "rows"] for part in PARTS if (part, "rows") in known}
    if "train" not in given or len(given) < 2:
        found = ", ".join(sorted(arrays)) or "nothing of these names"
        raise DataError(f"{path} holds {found}; name the rows x and labels y, or train, validation and test")
    _check_scale(path, given)
    if empty := [name for name, part in given.items() if part.size == 0]:
        raise DataError(f"{path}: {empty[0]} has no rows; give it some, or all rows as x, which are then split")
    of_parts = [known[part, "labels"] for part in given if (part, "labels") in known]
    labels = np.concatenate(of_parts) if len(of_parts) == len(given) else None
    train, validation, test = (len(given.get(part, ())) for part in PARTS)
    return np.concatenate([*given.values()]), labels, (train, validation, test)


def _check_scale(path: Path, parts: Mapping[str, NDArray]) -> None:
    """Refuses splits of which one has grey levels up to 255 and another the same levels up to 1."""
    if any(part.dtype.kind not in "buif" or not part.size or part.min() < 0 for part in parts.values()):
        return
    largest = {name: float(np.max(part)) for name, part in parts.items()}
    whole = {name: bool((part == np.round(part)).all()) for name, part in parts.items()}
    wide = next((name for name, value in largest.items() if 64 <= value <= 255 and whole[name]), None)
    narrow = next((name for name, value in largest.items() if 0 < value <= 1), None)
    if wide and narrow:
        raise DataError(
            f"{path}: {wide} goes to {largest[wide]:g} and {narrow} to {largest[narrow]:g}; give both the same scale"
        )
