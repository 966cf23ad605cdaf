"""A checkpoint: one safetensors file, replaced as a whole, so that a kill at any moment leaves the old or the new.

Its tensors are named ``part.name``; what is not a tensor is JSON in the header of the same file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from prioria.storage import read_tensors, write_atomically

Parts = dict[str, dict[str, Tensor]]

NAME = "checkpoint.safetensors"


def write(folder: Path, parts: Parts, state: dict[str, Any]) -> None:
    """Writes parts, each a dictionary of tensors, and a JSON state."""
    tensors = {f"{part}.{name}": tensor.detach() for part, named in parts.items() for name, tensor in named.items()}
    header = {"state": json.dumps(state)}
    write_atomically(folder / NAME, lambda file: save_file(_contiguous(tensors), file, metadata=header))


def read(folder: Path) -> tuple[Parts, dict[str, Any]]:
    """Reads what :func:`write` wrote.

    Raises:
        ValueError: the file is missing or damaged; the message names it.
    """
    path = folder / NAME
    parts: Parts = {}
    for key, tensor in read_tensors(path).items():
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = tensor
    return parts, read_state(folder)


def read_state(folder: Path) -> dict[str, Any]:
    """Reads the JSON state alone."""
    path = folder / NAME
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads(file.metadata()["state"])
    except (OSError, SafetensorError, TypeError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"path={str(path)!r} is not a checkpoint of prioria ({error})") from error


def sweep(folder: Path) -> None:
    """Removes what a process that was killed while it wrote has left behind."""
    for file in folder.glob(f".{NAME}.*"):
        file.unlink()


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in tensors.items()}
