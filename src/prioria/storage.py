"""Files that are never half written and never unpickled: safetensors for tensors, JSON for the rest."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from prioria.module import describe, rebuild

FORMAT = 2
WEIGHTS, ARCHITECTURE = "model.safetensors", "model.json"
BEST = "best"  # folder of the best weights, inside that of a run


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Calls ``write`` on a temporary file beside ``path`` and moves it into place: the old file or the new one,
    never a part.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except SafetensorError as error:  # a full or read-only disk, which it does not call an OSError
        raise OSError(f"{path} cannot be written ({error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def discard(folder: Path, names: str) -> None:
    """Removes the files of a folder whose whole name matches: what a command wrote there before and will not replace.

    Args:
        folder: it need not exist.
        names: regular expression of names that the command gives itself.
    """
    for file in folder.glob("*"):
        if re.fullmatch(names, file.name):
            file.unlink()


def write_json(path: Path, value: Any) -> None:
    """Writes JSON atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes text atomically, as UTF-8."""

    def write(file: Path) -> None:
        file.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Writes tensors as safetensors, atomically."""
    write_atomically(path, lambda file: save_file(_apart(tensors), file))


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns tensors of which no two share memory, which safetensors refuses: a network may serve several groups."""
    apart: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        whole = tensor.detach().contiguous()
        memory = whole.untyped_storage().data_ptr()
        apart[name] = whole.clone() if memory in seen else whole
        seen.add(memory)
    return apart


def read_json(path: Path) -> Any:
    """Reads JSON; raises ValueError that names the file where it is missing or damaged."""
    if not path.exists():
        raise ValueError(f"path={str(path)!r} does not exist; give a folder that prioria wrote")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"path={str(path)!r} cannot be read as JSON ({error})") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Reads safetensors; raises ValueError that names the file where it is missing or damaged."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"path={str(path)!r} cannot be read as safetensors ({error})") from error


def save(module: nn.Module, folder: Path) -> None:
    """Writes weights and architecture of a module into a folder."""
    architecture = describe(module)  # first: what cannot be described must not leave half a model behind
    write_tensors(folder / WEIGHTS, module.state_dict())
    write_json(folder / ARCHITECTURE, {"format": FORMAT, "architecture": architecture})


def model_folder(folder: Path) -> Path:
    """Returns the folder that holds a model: the one given, or that of its best weights where a run is given."""
    is_run = not (folder / ARCHITECTURE).exists() and (folder / BEST / ARCHITECTURE).exists()
    return folder / BEST if is_run else folder


def load(folder: Path, modules: dict[str, nn.Module] | None = None) -> nn.Module:
    """Builds the module that :func:`save` wrote, in evaluation mode and in the precision that it was saved in."""
    saved = read_json(folder / ARCHITECTURE)
    if not isinstance(saved, dict) or saved.get("format") != FORMAT or "architecture" not in saved:
        raise ValueError(
            f"path={str(folder)!r} is not a model of format {FORMAT}: an older version wrote it; train it again"
        )
    module, tensors = rebuild(saved["architecture"], modules=modules), read_tensors(folder / WEIGHTS)
    kinds = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    if len(kinds) == 1:  # weights of two kinds are what the constructors made of them
        module.to(kinds.pop())
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(f"path={str(folder)!r}: the weights do not fit the architecture ({error})") from error
    return module.eval()
