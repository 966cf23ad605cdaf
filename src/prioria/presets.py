"""Presets: for each kind of data a model that begins at the best classical one, and networks only if they pay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from prioria import starts
from prioria.data import Dataset
from prioria.data import load as load_data
from prioria.data.base import OWN
from prioria.improvement import Improvement, improve
from prioria.objectives import ELBO, IWAE

__all__ = ["Preset", "chosen", "train"]

Preset = Literal["auto", "table", "counts", "paper"]
ROWS = 6000  # training rows, at most and at even distances, that a mixture is fitted to


@dataclass(frozen=True)
class Recipe:
    """What a preset does.

    Attributes:
        fits: whether data are of its kind.
        needs: what they must be, in words.
        run: from the data set, ``seed``, ``out`` and ``overwrite`` to what was trained.
    """

    fits: Callable[[Dataset], bool]
    needs: str
    run: Callable[..., Improvement]


def chosen(data: Dataset, preset: Preset = "auto") -> Preset:
    """Returns the preset for a data set: "table", "counts", or "paper", the plain training of a plain model.

    Data sets that prioria knows by name keep their published protocol: "paper".

    Args:
        data: the data set.
        preset: "auto", or the one that is wanted.

    Raises:
        ValueError: it is unknown, or the data are of another kind.

    Example:
        >>> from prioria import data
        >>> chosen(data.load("two-moons"))
        'paper'
    """
    if preset == "auto":
        own = data.protocol.source == OWN
        fitting: list[Preset] = [name for name, recipe in RECIPES.items() if own and recipe.fits(data)]
        return fitting[0] if fitting else "paper"
    if preset != "paper" and preset not in RECIPES:
        raise ValueError(f"preset={preset!r} is unknown; use one of auto, {', '.join(RECIPES)}, paper")
    if preset in RECIPES and not RECIPES[preset].fits(data):
        raise ValueError(
            f"preset={preset!r} is for {RECIPES[preset].needs}, and {data.name} holds {data.protocol.kind} values; "
            f"use preset {chosen(data)!r}"
        )
    return preset


def train(
    data: Any, preset: Preset = "auto", *, seed: int = 0, out: str | Path | None = None, overwrite: bool = False
) -> Improvement:
    """Fits the classical model that fits the data best, and networks on top of it where they pay.

    "table": a mixture of factor analysers, its size by the validation rows, held by a VAE exactly; see
    :func:`prioria.starts.mixture`. "counts": documents as counts of words, which begin at the frequencies of the words.

    Args:
        data: a path, a DataFrame, or a :class:`prioria.data.Dataset`.
        preset: "auto" takes the one for the kind of data.
        seed: of all that is random.
        out: folder of the run.
        overwrite: replace a run in ``out``.

    Raises:
        ValueError: a preset that does not fit the data, one that has no start ("paper": use :func:`prioria.fit`), or
            ``out`` holds a run.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> found = train(load_iris(as_frame=True).data)
        >>> found.run.model.groups
        ['c', 'z']
    """
    dataset = load_data(data)
    name = chosen(dataset, preset)
    if name not in RECIPES:
        raise ValueError(
            f"data={dataset.name}: preset 'paper' has no start; build a model (prioria.build.model) and use prioria.fit"
        )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return RECIPES[name].run(dataset, seed=seed, out=out, overwrite=overwrite, facts={"preset": name})


def _table(data: Dataset, *, seed: int, **options: Any) -> Improvement:
    schema = data.protocol.schema
    train, validation = data.train.tensor(ROWS), data.validation.tensor()
    start = starts.mixture(train.numpy(), validation.numpy(), schema, seed=seed)
    model = starts.build(start, full=bool(train.isnan().any()))
    cells = torch.tensor(starts.cells(schema)).float()
    return improve(model, data, cells=cells, seed=seed, **options)


def _counts(data: Dataset, *, seed: int, **options: Any) -> Improvement:
    return improve(
        starts.words(data.train.tensor(ROWS)),
        data,
        objective=ELBO(),
        measure=IWAE(num_samples=50),
        begun="unigram",
        learning_rate=2e-3,
        seed=seed,
        **options,
    )


def _is_table(data: Dataset) -> bool:
    return data.protocol.kind == "columns"


def _is_counts(data: Dataset) -> bool:
    return data.protocol.kind == "count" and "Multinomial" in data.protocol.likelihoods


RECIPES: dict[Preset, Recipe] = {
    "table": Recipe(_is_table, "tables with columns", _table),
    "counts": Recipe(_is_counts, "counts", _counts),
}
