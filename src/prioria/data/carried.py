"""What travels with a model instead of its data: how rows of the user become the numbers that it reads, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any, get_args

import torch

from prioria.data.base import Binarization, Dataset, Kind, Protocol
from prioria.data.errors import DataError
from prioria.data.own.decoding import Pictures
from prioria.data.own.windows import Series
from prioria.data.schema import Schema
from prioria.storage import FORMAT, read_sealed, write_sealed

FILE = "treatment.json"  # beside the weights of a model
LENGTHS = 256  # of training documents, by which samples get theirs


def carried(data: Dataset) -> Protocol:
    """The protocol of a data set with all that a model needs to speak its units without it.

    Of counts these are the lengths of up to 256 training rows at even distances: a sample of a document needs one.

    Example:
        >>> from prioria.data import load
        >>> carried(load("digits")).name
        'digits'
    """
    if data.protocol.kind != "count":
        return data.protocol
    rows = data.train.tensor(LENGTHS)
    return replace(data.protocol, lengths=tuple(int(length) for length in rows.sum(-1).tolist()))


def write(protocol: Protocol, folder: Path) -> None:
    """Writes a protocol into the folder of a model, atomically and with a digest."""
    write_sealed(folder / FILE, to_json(protocol))


def read(folder: Path) -> Protocol | None:
    """The protocol in the folder of a model; None where the model came from no data set.

    Raises:
        DataError: the file is damaged; the message names it.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return from_json(read_sealed(path, "a treatment of rows"))
    except ValueError as error:
        raise DataError(f"path={str(path)!r} does not say how rows were treated ({error}); train again") from error


def to_json(protocol: Protocol) -> dict[str, Any]:
    """A protocol as a value that JSON can hold; what is as by default is left out."""
    found: dict[str, Any] = {"format": FORMAT}
    for each in fields(Protocol):
        value = getattr(protocol, each.name)
        if value == each.default:
            continue
        if isinstance(value, Schema):
            value = value.to_json()
        elif isinstance(value, Pictures | Series):
            value = asdict(value)
        found[each.name] = list(value) if isinstance(value, tuple) else value
    return found


def from_json(value: Any) -> Protocol:
    """The protocol of such a value.

    Raises:
        DataError: another format, an entry of a wrong name, type or value, a number that is not finite, or entries that
            do not fit each other.
    """
    if not isinstance(value, Mapping) or value.get("format") != FORMAT:
        raise DataError(f"it has no format {FORMAT}")
    given = {name: entry for name, entry in value.items() if name != "format"}
    if unknown := sorted(given.keys() - READERS.keys()):
        raise DataError(f"{str(unknown[0])[:40]!r} is unknown")
    needed = [each.name for each in fields(Protocol) if each.default is MISSING]
    if missing := [name for name in needed if name not in given]:
        raise DataError(f"{missing[0]!r} is missing")
    protocol = Protocol(**{name: _read(name, entry) for name, entry in given.items()})
    _check(protocol)
    return protocol


def _read(name: str, entry: Any) -> Any:
    read, wanted = READERS[name]
    try:
        return read(entry)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{name}={str(entry)[:80]!r} is not {wanted} ({error})") from error


def _check(protocol: Protocol) -> None:
    """Refuses entries that do not fit each other."""
    for name in ("shift", "scale"):
        value = getattr(protocol, name)
        if isinstance(value, tuple) and len(value) != protocol.dimensions:
            raise DataError(f"{name} has {len(value)} numbers for {protocol.dimensions} columns")
    scale = protocol.scale if isinstance(protocol.scale, tuple) else (protocol.scale,)
    if min(scale) <= 0:
        raise DataError(f"scale has {min(scale)}, which is not positive")
    features = None if protocol.schema is None else len(protocol.schema.features)
    fitting = {protocol.dimensions} | ({protocol.shape[0]} if protocol.series is not None else set())  # or channels
    if features not in (None, *fitting) or (protocol.kind == "columns" and features is None):
        raise DataError(f"the schema has {features} features for {protocol.dimensions} columns")
    place = PurePosixPath(protocol.skeleton)
    if place.is_absolute() or ".." in place.parts:
        raise DataError(f"skeleton={protocol.skeleton!r} is no file below the root of the data")


def _text(entry: Any) -> str:
    if not isinstance(entry, str):
        raise TypeError("it is no text")
    return entry


def _texts(entry: Any) -> tuple[str, ...]:
    return tuple(_text(each) for each in _list(entry))


def _list(entry: Any) -> list[Any]:
    if not isinstance(entry, list):
        raise TypeError("it is no list")
    return entry


def _number(entry: Any) -> float:
    if isinstance(entry, bool) or not isinstance(entry, int | float) or not math.isfinite(entry):
        raise ValueError("it is not finite")
    return float(entry)


def _numbers(entry: Any) -> float | tuple[float, ...]:
    return tuple(_number(each) for each in entry) if isinstance(entry, list) else _number(entry)


def _counts(least: int) -> Callable[[Any], tuple[int, ...]]:
    def read(entry: Any) -> tuple[int, ...]:
        if not all(isinstance(each, int) and not isinstance(each, bool) and each >= least for each in _list(entry)):
            raise ValueError(f"it has others than whole numbers from {least} on")
        return tuple(entry)

    return read


def _shape(entry: Any) -> tuple[int, ...]:
    if not (found := _counts(1)(entry)):
        raise ValueError("it is empty")
    return found


def _word(words: tuple[str, ...]) -> Callable[[Any], str]:
    def read(entry: Any) -> str:
        if entry not in words:
            raise ValueError("it is none of them")
        return entry

    return read


def _pictures(entry: Any) -> Pictures:
    size = entry.get("resize")
    if any(not isinstance(entry.get(name, False), bool) for name in ("crop", "alpha")):
        raise TypeError("crop and alpha are true or false")
    return Pictures(**{**entry, "resize": None if size is None else _shape(size)})


def _series(entry: Any) -> Series:
    if not isinstance(entry.get("series", False), bool):
        raise TypeError("series is true or false")
    sizes = {name: entry.get(name) for name in ("window", "step")}
    _counts(1)([size for size in sizes.values() if size is not None])
    return Series(**{**entry, **sizes})


READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    **{name: (_text, "text") for name in ("name", "title", "split", "source", "note", "skeleton")},
    **{name: (_texts, "a list of texts") for name in ("likelihoods", "classes", "factors", "channels")},
    "shape": (_shape, "a shape"),
    "kind": (_word(get_args(Kind)), f"one of {', '.join(get_args(Kind))}"),
    "binarization": (_word(get_args(Binarization)), f"one of {', '.join(get_args(Binarization))}"),
    "shift": (_numbers, "a number, or one for each column"),
    "scale": (_numbers, "a number, or one for each column"),
    "pictures": (_pictures, "what --resize and its like say"),
    "series": (_series, "how series were cut"),
    "schema": (Schema.from_json, "a schema"),
    "lengths": (_counts(0), "a list of counts"),
}


def lengths(protocol: Protocol, count: int) -> torch.Tensor:
    """Lengths (count, 1) of documents, drawn from those of the training rows with torch's global generator.

    Raises:
        DataError: the protocol has none.
    """
    if not protocol.lengths:
        raise DataError(f"{protocol.name}: its treatment has no lengths of documents; train again")
    known = torch.tensor(protocol.lengths, dtype=torch.get_default_dtype())
    return known[torch.randint(len(known), (count,))][:, None]
