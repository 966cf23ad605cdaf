"""Damaged and crafted files of a run, and the commands that read them."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prioria import storage

VALUES: list[Any] = [
    *(None, -1, 0, 1e308, 10**13, "", "x", "../../x", [], {}, [1, 2], True),
    *({"class": "model.VAE", "args": {}}, {"ref": 99}, {"foreign": "encoder"}),
    {"tensor": [10**6, 10**6], "dtype": "float32"},
    {"class": "os.system", "args": {"command": "true"}},
]
READERS = {  # file: the command that reads it; RUN and OUT stand for folders
    "run.json": ["cite", "RUN"],
    "evaluation.json": ["cite", "RUN"],
    "metrics.jsonl": ["sample", "RUN", "--num-samples", "3", "--out", "OUT/s.npy"],
    "best/model.json": ["sample", "RUN", "--num-samples", "3", "--out", "OUT/s.npy"],
    "best/model.safetensors": ["sample", "RUN", "--num-samples", "3", "--out", "OUT/s.npy"],
    "checkpoint.safetensors": ["train", "--resume", "RUN"],
}


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path to a part of JSON values."""
    if above:
        yield above
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield from places(value[key], (*above, key))


def damage(path: Path, rng: random.Random) -> str:
    """Damages a file in place, and says how. JSON is damaged as it is, or sealed again, as an attacker would."""
    if path.suffix == ".json" and rng.random() < 0.7:
        return _json(path, rng)
    if path.suffix == ".safetensors" and rng.random() < 0.7:
        return _header(path, rng)
    return _bytes(path, rng)


def _json(path: Path, rng: random.Random) -> str:
    found = json.loads(path.read_bytes())
    sealed = rng.random() < 0.5
    if sealed:
        found.pop("digest", None)
    place = rng.choice(list(places(found)))
    holder = found
    for key in place[:-1]:
        holder = holder[key]
    if rng.random() < 0.2:
        del holder[place[-1]]
        what = f"{place} deleted"
    else:
        holder[place[-1]] = rng.choice(VALUES)
        what = f"{place} = {str(holder[place[-1]])[:40]}"
    if sealed and isinstance(found, dict):
        storage.write_sealed(path, found)
        return f"{what}, sealed"
    path.write_text(json.dumps(found))
    return what


def _header(path: Path, rng: random.Random) -> str:
    data = bytearray(path.read_bytes())
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    name, kind = rng.choice([name for name in header if name != "__metadata__"]), rng.randrange(5)
    if kind == 0:
        header[name]["dtype"] = "I32"
    elif kind == 1:
        header[name]["shape"] = [2**40, 2**20]
    elif kind == 2:
        header[f"{name}x"] = header.pop(name)
    elif kind == 3:
        header.pop("__metadata__")
    else:
        data[8 + length + rng.randrange(len(data) - 8 - length)] ^= 64
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(data[8 + length :]))
    return f"{('type', 'shape', 'name', 'no texts', 'a bit')[kind]} of {name}"


def _bytes(path: Path, rng: random.Random) -> str:
    data, kind = bytearray(path.read_bytes()), rng.choice(["truncated", "a bit", "empty", "deep", "a folder"])
    if kind == "truncated":
        path.write_bytes(data[: rng.randrange(len(data))])
    elif kind == "a bit":
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
    elif kind == "a folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(b"" if kind == "empty" else b"[" * 100_000 + b"]" * 100_000)
    return kind
