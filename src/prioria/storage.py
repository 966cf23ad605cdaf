"""Files that are never half written and never unpickled: safetensors for tensors, JSON for the rest."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from prioria.atomic import error_text, write_atomically
from prioria.module import describe
from prioria.rebuilding import Limit, rebuild

FORMAT = 3
MOST_JSON = 64 * 2**20  # bytes of a JSON file that is read
WEIGHTS, ARCHITECTURE = "model.safetensors", "model.json"
BEST = "best"  # folder of the best weights, inside that of a run


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


def write_sealed(path: Path, value: dict[str, Any]) -> None:
    """Writes a JSON object atomically, with a digest of the rest of it."""
    write_json(path, value | {"digest": digest_of_json(value)})


def write_text(path: Path, text: str) -> None:
    """Writes text atomically, as UTF-8."""

    def write(file: Path) -> None:
        file.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], texts: Mapping[str, Any] | None = None) -> None:
    """Writes tensors and JSON values beside them as safetensors, atomically, with digests of both.

    All but the tensors is one entry of the header: several would come in another order every time.
    """
    apart, beside = _apart(tensors), {"texts": dict(texts or {})}
    beside |= {"seal": digest_of_json(beside["texts"]), "digest": digest_of_tensors(apart, beside["texts"])}
    write_atomically(path, lambda file: save_file(apart, file, metadata={"prioria": json.dumps(beside)}))


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns tensors of which no two share memory, which safetensors refuses: a network may serve several groups."""
    apart: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        whole = tensor.detach().contiguous()
        memory = whole.untyped_storage().data_ptr()
        apart[name] = whole.clone() if memory in seen else whole
        seen.add(memory)
    return apart


def digest_of_json(value: Any) -> str:
    """Returns the SHA-256 of a JSON value, whatever the order and the layout it is written in."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def digest_of_tensors(tensors: Mapping[str, Tensor], texts: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of names, types, shapes and values, and of the JSON values beside them."""
    found = hashlib.sha256(digest_of_json(texts).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def read_json(path: Path) -> Any:
    """Reads JSON.

    Raises:
        ValueError: it is missing, no regular file, too large, too deep or damaged; the message names the file.
    """
    check_file(path)
    if (size := path.stat().st_size) > MOST_JSON:
        raise ValueError(f"path={str(path)!r} has {size:,} bytes, more than any JSON of prioria; give another file")
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"path={str(path)!r} cannot be read as JSON ({error_text(error)})") from error


def read_sealed(path: Path, what: str) -> dict[str, Any]:
    """Reads what :func:`write_sealed` wrote, without the digest.

    Args:
        path: of the file.
        what: it should be, such as "a run".

    Raises:
        ValueError: as for :func:`read_json`; it is of another format, or not what was written.
    """
    found = read_json(path)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(
            f"path={str(path)!r} is not {what} of format {FORMAT}: an older version wrote it, or it is damaged; train "
            "or evaluate it again"
        )
    if found.pop("digest", None) != digest_of_json(found):
        raise _changed(path)
    return found


def first_fault(error: ValidationError) -> str:
    """Returns where JSON values first differ from what was declared, and how."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole file'}: {first['msg'].lower()}"


def check_file(path: Path) -> None:
    """Raises ValueError where there is no regular file to read, such as a pipe that would never end."""
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise ValueError(f"path={str(path)!r} does not exist; give a folder that prioria wrote") from error
    if not stat.S_ISREG(kind):
        raise ValueError(f"path={str(path)!r} is no regular file; give a folder that prioria wrote")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Reads what :func:`write_tensors` wrote.

    Raises:
        ValueError: it is missing, damaged, or not what was written; the message names the file.
    """
    _, texts, digest = _header(path)
    tensors = load_file(path)
    if digest != digest_of_tensors(tensors, texts):
        raise _changed(path)
    return tensors


def read_texts(path: Path) -> dict[str, Any]:
    """Returns the JSON values beside the tensors, which are not read; raises as :func:`read_tensors`."""
    return _header(path)[1]


def read_shapes(path: Path) -> dict[str, torch.Size]:
    """Returns the shape of each tensor, which is not read; raises as :func:`read_tensors`."""
    return _header(path)[0]


def _header(path: Path) -> tuple[dict[str, torch.Size], dict[str, Any], str]:
    check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: torch.Size(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            beside = json.loads((file.metadata() or {})["prioria"])
        texts, seal, digest = beside["texts"], beside["seal"], beside["digest"]
    except (OSError, SafetensorError) as error:
        raise ValueError(f"path={str(path)!r} cannot be read as safetensors ({error_text(error)})") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"path={str(path)!r} has no digest: an older version wrote it, or it is damaged; make it again"
        ) from error
    if not isinstance(texts, dict) or seal != digest_of_json(texts):
        raise _changed(path)
    return shapes, texts, digest


def _changed(path: Path) -> ValueError:
    return ValueError(f"path={str(path)!r} is not as it was written: its digest is another; bring the file back")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def write_model(folder: Path, module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Writes a module with these weights into a folder: first what it is, then its weights, which say of what."""
    saved = {"format": FORMAT, "architecture": describe(module)}  # what cannot be described leaves nothing behind
    write_sealed(folder / ARCHITECTURE, saved)
    write_tensors(folder / WEIGHTS, weights, {"architecture": digest_of_json(saved)})


def save(module: nn.Module, folder: Path) -> None:
    """Writes weights and architecture of a module into a folder."""
    write_model(folder, module, module.state_dict())


def model_folder(folder: Path) -> Path:
    """Returns the folder that holds a model: the one given, or that of its best weights where a run is given."""
    is_run = not (folder / ARCHITECTURE).exists() and (folder / BEST / ARCHITECTURE).exists()
    return folder / BEST if is_run else folder


def load(folder: Path, modules: dict[str, nn.Module] | None = None) -> nn.Module:
    """Builds the module that :func:`save` wrote, in evaluation mode and in the precision that it was saved in."""
    saved = read_sealed(folder / ARCHITECTURE, "a model")
    limit = Limit.of(list(read_shapes(folder / WEIGHTS).values()), modules)
    module = rebuild(saved.get("architecture"), modules=modules, limit=limit)
    if not isinstance(module, nn.Module):
        raise ValueError(f"path={str(folder / ARCHITECTURE)!r} describes no module; save the model again")
    tensors = read_tensors(folder / WEIGHTS)
    if read_texts(folder / WEIGHTS).get("architecture") != digest_of_json(saved):
        raise ValueError(f"path={str(folder)!r}: {WEIGHTS} belongs to another {ARCHITECTURE}; bring the two back")
    kinds = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    if len(kinds) == 1:  # weights of two kinds are what the constructors made of them
        module.to(kinds.pop())
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"path={str(folder)!r}: the weights do not fit the architecture ({reason})") from error
    return module.eval()
