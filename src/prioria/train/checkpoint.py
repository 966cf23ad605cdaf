"""A checkpoint: one safetensors file, replaced as a whole, so that a kill at any moment leaves the old or the new.

Its tensors are named ``part.name``; what is not a tensor is JSON in the header of the same file. The file keeps numbers
in one order only, so the strides of tensors in another, such as ``torch.channels_last``, are written down beside them:
Adam's fused kernel walks a parameter and its moments in the order of memory, whatever their strides say. Those of an
axis of length one count, too, though they move nothing: convolutions choose their kernel, and its rounding, by them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from prioria.storage import read_tensors, write_atomically

Parts = Mapping[str, Mapping[str, Tensor]]

NAME = "checkpoint.safetensors"


@runtime_checkable
class Stateful(Protocol):
    """What a checkpoint holds the tensors of, by the two methods that modules of torch have."""

    def state_dict(self) -> dict[str, Tensor]:
        """Returns tensors by name."""
        ...

    def load_state_dict(self, state_dict: Any) -> Any:
        """Takes back what :meth:`state_dict` returned."""
        ...


def write(folder: Path, parts: Parts, state: dict[str, Any]) -> None:
    """Writes parts, each a dictionary of tensors, and a JSON state."""
    tensors = {f"{part}.{name}": tensor.detach() for part, named in parts.items() for name, tensor in named.items()}
    # those of a copy: one that repeats its memory, such as an expanded buffer, is dense there
    strides = {name: torch.empty_like(tensor, device="meta").stride() for name, tensor in tensors.items()}
    strides = {name: own for name, own in strides.items() if own != _plain(tensors[name])}
    header = {"state": state, "order": list(tensors), "strides": strides}  # safetensors keeps an order of its own
    metadata = {field: json.dumps(value) for field, value in header.items()}
    write_atomically(folder / NAME, lambda file: save_file(_contiguous(tensors), file, metadata=metadata))


def read(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Reads what :func:`write` wrote.

    Raises:
        ValueError: the file is missing or damaged; the message names it.
    """
    path = folder / NAME
    tensors, parts = read_tensors(path), dict[str, dict[str, Tensor]]()
    for key, strides in _header(path, "strides").items():
        tensors[key] = tensors[key].new_empty_strided(tensors[key].shape, strides).copy_(tensors[key])
    for key in _header(path, "order"):
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = tensors[key]
    return parts, _header(path, "state")


def read_state(folder: Path) -> dict[str, Any]:
    """Reads the JSON state alone."""
    return _header(folder / NAME, "state")


def _header(path: Path, field: str) -> Any:
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads(({"strides": "{}"} | file.metadata())[field])  # an older file has no such field
    except (OSError, SafetensorError, TypeError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"path={str(path)!r} is not a checkpoint of prioria ({error})") from error


def sweep(folder: Path) -> None:
    """Removes what a process that was killed while it wrote has left behind."""
    for name in (f".{NAME}.*", ".tmp??????", "best/.model.safetensors.*", "best/.tmp??????"):
        for file in folder.glob(name):  # safetensors writes into .tmp?????? beside the file that it is given
            file.unlink()


def _plain(tensor: Tensor) -> tuple[int, ...]:
    """Returns the strides that a tensor has when it is read from a file."""
    return torch.empty(tensor.shape, device="meta").stride()


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in tensors.items()}
