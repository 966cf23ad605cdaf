"""Presets: for each kind of data a model that begins at the best classical one, and networks only if they pay."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from prioria import priors, starts
from prioria.data import Dataset
from prioria.data import load as load_data
from prioria.data.base import OWN
from prioria.data.treatments import without_logs
from prioria.improvement import BATCH, STEPS, Improvement, improve
from prioria.model import VAE
from prioria.objectives import ELBO, IWAE
from prioria.train import processes, tracking

__all__ = ["Preset", "chosen", "train"]

Preset = Literal["auto", "table", "counts", "paper"]
OPTIONS = ("seed", "mask_rate", "device")  # that presets have in common with plain training
ANALYSIS = "factor analysis"
EXACT = 1000  # entries of all covariances of a row, up to which every table has them
BEHIND = 2.0  # nats by which a factor analysis may begin behind for a flow to be tried
WIDEST = 500  # columns of a table of which covariances are fitted; wider ones are trained plainly
WORK, OVERHEAD = 3.2e9, 1e6  # multiplications by loadings that networks may take in all, and what a step is besides
FEWEST_STEPS = 300
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
    data: Any,
    preset: Preset = "auto",
    *,
    seed: int = 0,
    mask_rate: float = 0.0,
    out: str | Path | None = None,
    overwrite: bool = False,
    device: str = "auto",
    trackers: Sequence[Any] = (),
    progress: bool = True,
) -> Improvement:
    """Fits the classical model that fits the data best, and networks on top of it where they pay.

    "table": a mixture of factor analysers, its size by the validation rows, held by a VAE exactly; see
    :func:`prioria.starts.mixture`. "counts": documents as counts of words, which begin at the frequencies of the words,
    or as a model of topics, :func:`prioria.starts.topics`.

    Args:
        data: a path, a DataFrame, or a :class:`prioria.data.Dataset`.
        preset: "auto" takes the one for the kind of data.
        seed: of all that is random.
        mask_rate: of tables, the share of entries that networks are trained and judged without, on average.
        out: folder of the run.
        overwrite: replace a run in ``out``.
        device: where networks are trained; "auto" is the CPU. The start is always fitted there.
        trackers: as for :func:`prioria.fit`; they are given the curves of what was kept, at the end.
        progress: say on standard error how it goes.

    Raises:
        ValueError: a preset that does not fit the data, one that has no start ("paper": use :func:`prioria.fit`), there
            is no such device or tracker, or ``out`` holds a run.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> found = train(load_iris(as_frame=True).data.iloc[::3, :2])
        >>> found.run.model.groups
        ['c', 'z']
    """
    dataset = load_data(data)
    name = chosen(dataset, preset)
    if name not in RECIPES:
        raise ValueError(
            f"data={dataset.name}: preset 'paper' has no start; build a model (prioria.build.model) and use prioria.fit"
        )
    tracking.check(trackers)
    processes.device_of_small(device)  # what is wrong with it is said before anything is fitted
    if not processes.is_first():  # all find the same, and one of them writes and speaks
        out, trackers, progress = None, (), False
    options = {"seed": seed, "mask_rate": mask_rate, "facts": {"preset": name}, "device": device, "progress": progress}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        found = RECIPES[name].run(dataset, source=data, out=out, overwrite=overwrite, **options)
        tracking.tell(trackers, found.run)
    return found


def _table(data: Dataset, *, source: Any, out: str | Path | None, overwrite: bool, **options: Any) -> Improvement:
    """The best mixture, or one factor analysis whose prior is a flow, networks beside: the better by validation."""
    seed, mask_rate = options["seed"], options["mask_rate"]
    _say("fitting mixtures of factor analysers; held-out rows choose among them", options)
    treated, start = _start(data, source, seed)
    sizes = f"{len(start.mixture.log_shares)} classes of {start.mixture.latents} factors"
    _say(f"{sizes}, {start.validation.mean():.2f} nats per validation row; now networks on top", options)
    options["spread"] = starts.Spread(start.schema)
    model = _built(start, treated, mask_rate)
    best = improve(
        model,
        treated,
        chosen=_sizes(start),
        steps=_steps(start.mixture.factors.size),
        out=out,
        overwrite=overwrite,
        **options,
    )
    single = _observed(starts.best(_screened(treated, seed, classes=(1,))), treated, seed)
    if single.mixture.latents < 2 or best.reached - single.validation.mean() > BEHIND:
        return best
    _say("one factor analysis comes close: it is tried with a flow as its prior", options)
    model = _built(single, treated, mask_rate, prior=priors.RealNVP(single.mixture.latents, 4, identity=True))
    options |= {"rival": best.reached, "learning_rate": 1.5e-3, "steps": _steps(single.mixture.factors.size)}
    other = improve(model, treated, begun=ANALYSIS, chosen=_sizes(single), **options)
    if not other.beats(best):
        return best
    return other if out is None else other.save(out, overwrite=True)


def _steps(loadings: int) -> int:
    """How many steps networks are trained for, at most: fewer where one takes long, a count and not a clock."""
    return min(STEPS, max(FEWEST_STEPS, int(WORK / (OVERHEAD + BATCH * loadings))))


def _built(start: starts.TableStart, data: Dataset, mask_rate: float, **options: Any) -> VAE:
    """The model of a start, with the exact posterior of rows with holes where there are any or it costs little."""
    holes = mask_rate > 0 or bool(data.train.tensor(ROWS).isnan().any())
    classes, _, latents = start.mixture.factors.shape
    return starts.build(start, full=holes or classes * latents**2 <= EXACT, holes=holes, **options)


def _sizes(start: starts.TableStart) -> dict[str, Any]:
    mixture = start.mixture
    logs = [each.name for each in start.schema.features if each.treatment == "log"]
    return {
        "classes": mixture.settings.classes,
        "factors": mixture.latents,
        "ridge": mixture.settings.ridge,
        "shrinkage": mixture.settings.shrinkage,
        "columns as categories": len(start.levels),
        "logarithms": len(logs),
    }


def _start(data: Dataset, source: Any, seed: int) -> tuple[Dataset, starts.TableStart]:
    """The best mixture, and the table with the logarithms that it takes."""
    found = [(each, screen) for each in _treatments(data, source) for screen in _screened(each, seed)]
    start = starts.best([screen for _, screen in found])
    treated = next(each for each, _ in found if each.protocol.schema is start.schema)
    return treated, _observed(start, treated, seed)


def _observed(start: starts.TableStart, data: Dataset, seed: int) -> starts.TableStart:
    """The start, fitted on to what is there of rows with holes."""
    return starts.observed(start, data.train.tensor(ROWS).numpy(), data.validation.tensor().numpy(), seed=seed)


def _screened(data: Dataset, seed: int, **options: Any) -> list[starts.Screen]:
    train, validation = data.train.tensor(ROWS).numpy(), data.validation.tensor().numpy()
    return starts.screened(train, validation, data.protocol.schema, seed=seed, **options)


def _treatments(data: Dataset, source: Any) -> list[Dataset]:
    """The table with logarithms of what is skewed, columns of few values left out, and without any.

    A column whose cells reach below zero has no logarithm of what is spread over them.
    """
    schema = data.protocol.schema
    assert schema is not None
    rows = data.train.tensor(ROWS)
    values = schema.unscaled(rows.double())
    logs, coarse = [], []
    for d, each in enumerate(schema.features):
        if each.treatment == "log":
            known = values[~values[:, d].isnan(), d]
            logs.append(each.name)
            if len(known) == 0 or len(rows[:, d].unique()) <= starts.FEW or known.min() <= each.resolution / 2:
                coarse.append(each.name)
    some, none = without_logs(data, coarse, source), without_logs(data, logs, source)
    return [some] if len(coarse) == len(logs) or none is data else [some, none]


def _counts(data: Dataset, *, source: Any, out: str | Path | None, overwrite: bool, **options: Any) -> Improvement:
    """A linear decoder that begins at the frequencies of the words, or topics: the better by validation."""
    if mask_rate := options.pop("mask_rate"):
        raise ValueError(f"mask_rate={mask_rate} is for tables; documents have no missing entries")
    train, validation = data.train.tensor(ROWS), data.validation.tensor()
    options |= {"objective": ELBO(), "measure": IWAE(num_samples=50), "learning_rate": 2e-3}
    _say("a linear decoder that begins at the frequencies of the words", options)
    best = improve(starts.words(train), data, begun="unigram", out=out, overwrite=overwrite, **options)
    _say("fitting topics", options)
    start = starts.topics(train.numpy(), validation.numpy(), seed=options["seed"])
    sizes = {"topics": len(start.words)}
    other = improve(starts.of_topics(start), data, begun="topics", chosen=sizes, **options)
    if other.reached <= best.reached:
        return best
    return other if out is None else other.save(out, overwrite=True)


def _say(message: str, options: dict[str, Any]) -> None:
    if options["progress"]:
        print(message, file=sys.stderr, flush=True)


def _is_table(data: Dataset) -> bool:
    return data.protocol.kind == "columns" and data.dimensions <= WIDEST


def _is_counts(data: Dataset) -> bool:
    return data.protocol.kind == "count" and "Multinomial" in data.protocol.likelihoods


RECIPES: dict[Preset, Recipe] = {
    "table": Recipe(_is_table, f"tables with columns, {WIDEST} at most", _table),
    "counts": Recipe(_is_counts, "counts", _counts),
}
