"""Where the data of a run came from, and whether what is there now is what the run was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prioria.data import Dataset
from prioria.data import load as load_data
from prioria.data.own.sources import is_frame
from prioria.data.schema import Schema

PARTS = {"train": "training", "validation": "validation", "test": "test"}


def fingerprint(data: Dataset) -> dict[str, Any]:
    """Returns what tells a data set from another: its name, rows and columns, and a digest of each split."""
    splits = {name: getattr(data, name) for name in PARTS}
    return {
        "name": data.name,
        "rows": {name: len(split) for name, split in splits.items()},
        "columns": data.dimensions,
        "digest": {name: split.digest() for name, split in splits.items()},
    }


def find_data(specification: dict[str, Any], data: Any, schema: Schema | None = None) -> Dataset:
    """Returns the data of a run, loaded again by name unless it, or the path that it has now, is given.

    Args:
        specification: what ``run.json`` holds.
        data: the data, or where it is now; None = where it was.
        schema: that the model was trained under, for a table that is handed over again.

    Raises:
        ValueError: it is not where it was, cannot be found by name, or is not what the run was trained on.
    """
    recorded = dict(specification["data"])
    origin = recorded.pop("origin")
    found = _again(recorded["name"], origin) if data is None else _moved(origin, data, schema)
    renamed = data is not None and not isinstance(data, Dataset)  # a file may be called otherwise
    if differences := _differences(recorded, fingerprint(found), renamed=renamed):
        raise ValueError(
            f"data: {found.protocol.title} is not what the run was trained on: {', '.join(differences)}; give it the "
            "same rows, split and treatment by --data PATH (data= in Python), or train again"
        )
    return found


def _differences(recorded: dict[str, Any], now: dict[str, Any], *, renamed: bool) -> list[str]:
    """Says in words what is not as it was; older runs have no digest."""
    told = [name for name in ("name", "columns") if name in recorded and not (renamed and name == "name")]
    found = [f"{name} {now[name]} (was {recorded[name]})" for name in told if now[name] != recorded[name]]
    for part, title in PARTS.items():
        count, digest = (recorded.get(key, {}).get(part) for key in ("rows", "digest"))
        if count not in (None, now["rows"][part]):
            found.append(f"{now['rows'][part]:,} {title} rows (were {count:,})")
        elif digest not in (None, now["digest"][part]):
            found.append(f"other values in {title} rows")
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


def _moved(origin: dict[str, Any] | None, data: Any, schema: Schema | None) -> Dataset:
    """Returns the data at another place, read as it was."""
    if origin is None or not isinstance(data, str | Path):
        return load_data(data, schema=schema) if is_frame(data) else load_data(data)
    return load_data(**{**origin, "source": data})
