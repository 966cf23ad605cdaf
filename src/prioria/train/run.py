"""A run: what ``fit`` returns, and the folder it leaves behind.

``run.json`` says how the run was made, ``checkpoint.safetensors`` how far it is, ``best/`` holds the best weights,
``metrics.jsonl`` one line per log, ``tensorboard/`` the same as events.
"""

from __future__ import annotations

import copy
import json
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import cached_property, partial
from html import escape
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from torch import nn

import prioria
from prioria.atomic import own_folder
from prioria.data import Dataset
from prioria.model import VAE, require_finite
from prioria.model import load as load_model
from prioria.module import describe
from prioria.rebuilding import Limit, foreign, rebuild
from prioria.storage import BEST, FORMAT, WEIGHTS, first_fault, read_sealed, read_shapes, write_sealed
from prioria.train import checkpoint
from prioria.train.log import NAME as METRICS
from prioria.train.log import Line, read_lines
from prioria.train.options import Options
from prioria.train.origin import find_data, fingerprint
from prioria.train.step import Step

SPECIFICATION = "run.json"
PROBABILITIES = "structure.json"  # of the edges that the first of two phases learned, beside the second


@dataclass(frozen=True, repr=False)
class Run:
    """A finished training.

    Attributes:
        model: with its best weights.
        source: what it was trained on, or what finds that when it is asked for.
        history: the lines of ``metrics.jsonl``: means over steps where ``split`` is "train", over all examples where it
            is "validation". Terms are in nats.
        path: the folder, or None if nothing was written.
    """

    model: VAE
    source: Dataset | Callable[[], Dataset]
    history: list[Line]
    path: Path | None = None

    @cached_property
    def data(self) -> Dataset:
        """What it was trained on; a run that was read looks for it here, and not before.

        Raises:
            ValueError: it is not where it was, or is not what the run was trained on.
        """
        return self.source if isinstance(self.source, Dataset) else self.source()

    @property
    def best(self) -> Line | None:
        """The validation line of the best weights; None before the first validation."""
        return next((line for line in reversed(self.history) if line.get("best")), None)

    @property
    def last_epoch(self) -> int:
        """The epochs after which there was a validation."""
        return next((line["epoch"] for line in reversed(self.history) if line["split"] == "validation"), 0)

    def __repr__(self) -> str:
        return f"Run({', '.join(self._summary())})"

    def _repr_html_(self) -> str:
        what, *rest = map(escape, self._summary())
        return f"<b>{what}</b> <small>({', '.join(rest)})</small>"

    def _summary(self) -> list[str]:
        groups = " > ".join(f"{name} {type(stage.p).__name__}" for name, stage in self.model.stages.items())
        best, protocol = self.best, self.model.protocol  # the data need not be there
        data = self.data.name if protocol is None else protocol.name
        loss = [] if best is None else [f"validation loss {best['loss']:.2f} at epoch {best['epoch']}"]
        return [groups, data, *loss, *([] if self.path is None else [f"path={str(self.path)!r}"])]

    def trained_on(self, name: str) -> bool:
        """Whether a data set that prioria knows by this name is what it was trained on."""
        if isinstance(self.source, Dataset) or self.path is None:
            return (self.data.origin or {}).get("source") == name
        return (read_specification(self.path)["data"]["origin"] or {}).get("source") == name

    def last(self) -> VAE:
        """Returns a copy of the model with the weights that training ended with, from the checkpoint in the folder.

        Raises:
            ValueError: the run has no folder, or a parameter is not finite.
        """
        if self.path is None:
            raise ValueError("out=None: the run has no folder that keeps its last weights; pass out= to fit")
        weights = checkpoint.read(self.path)[0]["step"]
        model = copy.deepcopy(self.model)
        model.load_state_dict({name: weights[f"model.{name}"] for name in model.state_dict()})
        require_finite(model, self.path / checkpoint.NAME)
        return model

    @classmethod
    def load(cls, path: str | Path, *, modules: dict[str, nn.Module] | None = None, data: Any = None) -> Run:
        """Reads a run folder, whether its training ended or not. Its data need not be there until it is asked for.

        Args:
            path: the folder.
            modules: instances of the modules of the model that are not prioria's, by path.
            data: the data, where it was handed over as an array and cannot be found by name, or the path that its file
                or folder has now.

        Raises:
            ValueError: there is no run, no best weights yet, or something that it needs is missing.
        """
        folder = Path(path)
        specification = read_specification(folder)
        if not (folder / BEST).exists():
            raise ValueError(
                f"path={str(path)!r} has no best weights: it was stopped before the first validation; go on with it by "
                f"prioria train --resume {shlex.quote(str(path))}"
            )
        model = load_model(folder / BEST, modules=modules)
        schema = None if model.protocol is None else model.protocol.schema
        source = partial(find_data, specification, None) if data is None else find_data(specification, data, schema)
        return cls(model, source, _lines(folder, specification), folder)


def _lines(folder: Path, specification: dict[str, Any]) -> list[Line]:
    """The lines up to the last checkpoint, where there is one: later ones call best what it has not kept."""
    if (folder / checkpoint.NAME).exists():
        state = checkpoint.read_state(folder)
        return read_lines(folder / METRICS, state.get("lines"), state.get("digest"))
    made = specification.get("refit") or specification.get("start") or {}  # at once, without checkpoints
    return read_lines(folder / METRICS, None, made.get("metrics"))


class _Data(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")
    origin: dict[str, Any] | None
    name: str
    rows: dict[str, int]
    columns: int
    digest: dict[str, str]


class _Refit(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", populate_by_name=True)
    source: str = Field(alias="from")
    before: dict[str, Any]
    after: dict[str, Any]
    metrics: str


class _Start(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    begun: str
    chosen: dict[str, int | float | str] = {}
    kept: bool
    gain: float | None
    standard_error: float | None
    metrics: str


class _Specification(BaseModel):
    """What ``run.json`` holds; options are checked by themselves."""

    model_config = ConfigDict(strict=True, extra="forbid")
    format: int
    prioria: str
    torch: str
    step: dict[str, Any]
    frozen: list[str]
    data: _Data
    options: dict[str, Any]
    refit: _Refit | None = None
    preset: str | None = None
    start: _Start | None = None


def specify(step: Step, data: Dataset, options: Options) -> dict[str, Any]:
    """Returns what ``run.json`` holds: model, objective, which parameters of both are frozen, data and options."""
    return {
        "format": FORMAT,
        "prioria": prioria.__version__,
        "torch": torch.__version__,
        "step": describe(step),
        "frozen": [name for name, parameter in step.named_parameters() if not parameter.requires_grad],
        "data": {"origin": data.origin, **fingerprint(data)},
        "options": asdict(options),
    }


def exists(folder: Path) -> bool:
    """Whether a folder holds a run."""
    return (folder / SPECIFICATION).exists()


def write_specification(folder: Path, specification: dict[str, Any]) -> None:
    """Writes ``run.json``."""
    write_sealed(folder / SPECIFICATION, specification)


def read_specification(folder: Path) -> dict[str, Any]:
    """Reads ``run.json``.

    Raises:
        ValueError: there is none, or one of another format or with other options.
    """
    path = folder / SPECIFICATION
    specification = read_sealed(path, "a run")
    try:
        _Specification.model_validate(specification)
        unknown = specification["options"].keys() - {each.name for each in fields(Options)}
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))} is no option")
        # a run of before lacks options that are newer, at their defaults
        options = TypeAdapter(Options).validate_json(json.dumps(specification["options"]), strict=True)
    except ValueError as error:
        reason = first_fault(error) if isinstance(error, ValidationError) else error
        raise ValueError(
            f"path={str(path)!r} has other options than a run, or is none ({reason}); train again"
        ) from error
    return specification | {"options": asdict(options)}


def check_step(folder: Path, specification: dict[str, Any]) -> None:
    """Builds what run.json describes, which commands that only name its parts would take on trust.

    Nothing is built where there are modules that are not prioria's, or no weights that say how large it may be.

    Raises:
        ValueError: it describes no model and objective.
    """
    files = [file for file in (folder / checkpoint.NAME, folder / BEST / WEIGHTS) if file.exists()]
    if foreign(specification["step"]) or not files:
        return
    shapes = [shape for file in files for shape in read_shapes(file).values()]
    if not isinstance(rebuild(specification["step"], limit=Limit.of(shapes)), Step):
        raise ValueError(f"path={str(folder / SPECIFICATION)!r} describes no model and objective; train again")


def rebuild_step(folder: Path, specification: dict[str, Any], modules: dict[str, nn.Module] | None) -> Step:
    """Returns model and objective as they were built and frozen; their weights are in the checkpoint."""
    paths = {f"model.{path}": module for path, module in (modules or {}).items()}  # as Run.load names them
    limit = Limit.of(list(read_shapes(folder / checkpoint.NAME).values()), modules)
    step = rebuild(specification["step"], modules=paths | (modules or {}), limit=limit)
    if not isinstance(step, Step):
        raise ValueError(f"path={str(folder / SPECIFICATION)!r} describes no training; train it again")
    for name in specification["frozen"]:
        with checkpoint.fitting(folder / SPECIFICATION, "frozen"):
            step.get_parameter(name).requires_grad_(False)
    return step


def check_same(folder: Path, specification: dict[str, Any], new: dict[str, Any]) -> None:
    """Raises ValueError where a run would go on with another model, objective, data or option than it began with."""
    before, now = _fixed(specification), _fixed(new)
    now["data"] = {name: now["data"].get(name) for name in before["data"]}  # older runs have no digest
    if before["frozen"] is None:  # nor do they know what was frozen
        now["frozen"] = None
    for name, value in now.items():
        if before[name] != value:
            raise ValueError(
                f"{name}={value} but the run in {str(folder)!r} has {before[name]}; train it in a new folder"
            )


def _fixed(specification: dict[str, Any]) -> dict[str, Any]:
    free = {each.name for each in fields(Options) if each.metadata["free"]}
    options = {name: value for name, value in specification["options"].items() if name not in free}
    data = {name: value for name, value in specification["data"].items() if name != "origin"}
    return specification["step"]["args"] | {"frozen": specification.get("frozen"), "data": data} | options


def clear(folder: Path, anew: bool) -> None:
    """Removes a run's own files, and nothing else, from a folder; ``anew`` also what an earlier phase has learned."""
    (folder / SPECIFICATION).unlink(missing_ok=True)  # first: without it the rest is no run
    files = [
        folder / METRICS,
        folder / checkpoint.NAME,
        *own_folder(folder, BEST).glob("*"),
        *own_folder(folder, "tensorboard").glob("*"),
        *([folder / PROBABILITIES] if anew else []),
    ]
    for file in files:
        file.unlink(missing_ok=True)
