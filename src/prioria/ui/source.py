"""What a run or a model alone gives the explorer: a model and rows; where the data is gone, rows of the model's own."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from prioria import packing
from prioria.data import Dataset, Split
from prioria.data.loading import read_rows
from prioria.model import VAE
from prioria.model import load as load_model
from prioria.storage import WEIGHTS, read_json
from prioria.train import Run
from prioria.train.log import NAME as METRICS
from prioria.train.run import BEST, exists

DRAWN = 500  # rows that stand for data that is not there
EVALUATION = "evaluation.json"


@dataclass(frozen=True)
class Source:
    """A model with rows to show.

    Attributes:
        run: the model and its data.
        note: what the page says of the rows; an empty text where they are the run's own.
        evaluation: what was measured, as JSON; None where nothing was.
    """

    run: Run
    note: str = ""
    evaluation: Any = None

    @classmethod
    def of(cls, place: Path, data: str | None = None) -> Source:
        """Reads a run, or a model alone.

        Args:
            place: folder of a run or of a model, a packed model, or hf://user/name.
            data: where the data lies now; rows of a model alone.

        Raises:
            ValueError: there is none yet, it is damaged, or the rows do not fit it.
        """
        if not exists(place):
            with packing.unpacked(place) as folder:
                measured = read_json(folder / EVALUATION) if (folder / EVALUATION).exists() else None
                model = load_model(folder)
            if data is not None:
                return cls(Run(model, _given(model, data), []), "the rows given by --data", measured)
            return cls(Run(model, drawn(model), []), f"{DRAWN} rows drawn from the model, which came alone", measured)
        run = Run.load(place, data=data)
        try:
            _ = run.data
        except ValueError as error:
            if data is not None or run.model.protocol is None:
                raise
            return cls(replace(run, source=drawn(run.model)), f"{DRAWN} rows drawn from the model; {error}")
        return cls(run)


def stamp(place: Path) -> float | None:
    """When the weights in a place last changed; None where there are none that can change."""
    for file in (place / BEST / WEIGHTS, place):
        try:
            return file.stat().st_mtime
        except OSError:
            continue
    return None


def curves(folder: Path) -> list[dict[str, Any]]:
    """Returns the lines of ``metrics.jsonl`` that are whole; none where there is no such file."""
    try:
        text = (folder / METRICS).read_text(encoding="utf-8")
    except OSError:
        return []
    lines = []
    for line in text.splitlines()[: text.count("\n")]:
        try:
            lines.append(json.loads(line))
        except ValueError:  # cut in the middle by a kill: the next checkpoint writes it anew
            break
    return lines


def drawn(model: VAE, count: int = DRAWN) -> Dataset:
    """Rows that a model draws, as the data set that it was not given.

    Raises:
        ValueError: the model came from no data set.
    """
    protocol = model.protocol
    if protocol is None:
        raise ValueError("the model came from no data set, and nothing says how its rows are shown; train it on one")
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(0)
        x = model.sample(count).cpu().clone()
    rows = Split(x, None, replace(protocol, shift=0.0, scale=1.0))  # they are what the model reads already
    return Dataset(protocol, rows, rows, rows)


def _given(model: VAE, data: str) -> Dataset:
    if model.protocol is None:
        raise ValueError("the model came from no data set, and nothing says how rows are read; train it on one")
    rows = read_rows(data, model.protocol)
    return Dataset(model.protocol, rows, rows, rows)
