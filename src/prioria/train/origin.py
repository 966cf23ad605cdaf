"""Where the data of a run came from, and whether what is there now is what the run was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prioria.data import Dataset
from prioria.data import load as load_data


def fingerprint(data: Dataset) -> dict[str, Any]:
    """Returns what tells a data set from another: its name, rows and columns, and a digest of each split."""
    splits = {name: getattr(data, name) for name in ("train", "validation", "test")}
    return {
        "name": data.name,
        "rows": {name: len(split) for name, split in splits.items()},
        "columns": data.dimensions,
        "digest": {name: split.digest() for name, split in splits.items()},
    }


def find_data(specification: dict[str, Any], data: Any) -> Dataset:
    """Returns the data of a run, loaded again by name unless it, or the path that it has now, is given.

    Raises:
        ValueError: it is not where it was, cannot be found by name, or is not what the run was trained on.
    """
    recorded = dict(specification["data"])
    origin = recorded.pop("origin")
    found = _again(recorded["name"], origin) if data is None else _moved(origin, data)
    now = fingerprint(found)
    told = set(recorded) if data is None or isinstance(data, Dataset) else set(recorded) - {"name"}  # that of a file
    if any(now.get(name) != recorded[name] for name in told):  # older runs have no digest
        raise ValueError(
            f"data={now} is not what the run was trained on, {recorded}; give it the same rows, split and treatment"
        )
    return found


def _again(name: str, origin: dict[str, Any] | None) -> Dataset:
    if origin is None:
        raise ValueError(f"data: this run was trained on {name!r} handed over in memory; pass data= again")
    place = Path(origin["source"])
    if place.is_absolute() and not place.exists():
        raise ValueError(
            f"data: this run was trained on {place}, which is not there, and its rows are needed here; say where they "
            "are by --data PATH (data= in Python)"
        )
    try:
        return load_data(**origin)
    except TypeError as error:
        raise ValueError(f"data.origin={origin} of the run cannot be loaded ({error}); pass data= again") from error


def _moved(origin: dict[str, Any] | None, data: Any) -> Dataset:
    """Returns the data at another place, read as it was."""
    if origin is None or not isinstance(data, str | Path):
        return load_data(data)
    return load_data(**{**origin, "source": data})
