"""A checkpoint: one safetensors file, replaced as a whole, so that a kill at any moment leaves the old or the new.

Its tensors are named ``part.name``; what is not a tensor is JSON in the header of the same file. The file keeps numbers
in one order only, so the strides of tensors in another, such as ``torch.channels_last``, are written down beside them:
Adam's fused kernel walks a parameter and its moments in the order of memory, whatever their strides say. Those of an
axis of length one count, too, though they move nothing: convolutions choose their kernel, and its rounding, by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from prioria import atomic
from prioria.atomic import own_folder
from prioria.storage import BEST, first_fault, read_tensors, read_texts, write_tensors

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
    # safetensors keeps an order of its own
    write_tensors(folder / NAME, tensors, {"state": state, "order": list(tensors), "strides": strides})


def read(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Reads what :func:`write` wrote.

    Raises:
        ValueError: the file is missing or damaged; the message names it.
    """
    path = folder / NAME
    texts, tensors, parts = _texts(path), read_tensors(path), dict[str, dict[str, Tensor]]()
    if sorted(texts.order) != sorted(tensors) or not texts.strides.keys() <= tensors.keys():
        raise ValueError(f"path={str(path)!r} is not a checkpoint of prioria (other tensors than it says)")
    for key, strides in texts.strides.items():
        shape = tensors[key].shape
        if not _is_dense(shape, strides):
            raise ValueError(f"path={str(path)!r} is not a checkpoint of prioria (strides {strides} for {shape})")
        tensors[key] = tensors[key].new_empty_strided(shape, strides).copy_(tensors[key])
    for key in texts.order:
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = tensors[key]
    return parts, texts.state


@contextmanager
def fitting(path: Path, part: str) -> Iterator[None]:
    """Says in one line that a part of a checkpoint is not of this run, whatever is wrong with it."""
    try:
        yield
    except (RuntimeError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        reason = atomic.error_text(error)[:200]
        raise ValueError(f"path={str(path)!r}: its part {part!r} is not of this run ({reason})") from error


def read_state(folder: Path) -> dict[str, Any]:
    """Reads the JSON state alone."""
    return _texts(folder / NAME).state


class _Texts(BaseModel):
    """What a checkpoint holds beside its tensors."""

    model_config = ConfigDict(strict=True, extra="forbid")
    state: dict[str, Any]
    order: list[str]
    strides: dict[str, list[int]]


def _texts(path: Path) -> _Texts:
    try:
        return _Texts.model_validate(read_texts(path))
    except ValidationError as error:
        raise ValueError(f"path={str(path)!r} is not a checkpoint of prioria ({first_fault(error)})") from error


def _is_dense(shape: torch.Size, strides: list[int]) -> bool:
    """Whether strides lead to no more memory than the elements need; those of axes of length one lead nowhere."""
    if len(strides) != len(shape) or min(strides, default=0) < 0:
        return False
    return sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) < max(shape.numel(), 1)


def sweep(folder: Path) -> None:
    """Removes what a process that was killed while it wrote has left behind."""
    for place in (folder, own_folder(folder, BEST)):
        atomic.sweep(place)


def _plain(tensor: Tensor) -> tuple[int, ...]:
    """Returns the strides that a tensor has when it is read from a file."""
    return torch.empty(tensor.shape, device="meta").stride()
