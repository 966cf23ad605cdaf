"""Baselines: simple models of the same rows on the same split, so that every number has something beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from prioria.data.base import Dataset, SplitName
from prioria.evaluate.classical.densities import Array, Fit
from prioria.evaluate.classical.problem import Problem, problem_of
from prioria.evaluate.difference import Difference
from prioria.evaluate.estimate import Estimate
from prioria.evaluate.record import Record
from prioria.evaluate.sampling import rows_and_likelihood, seed_generators
from prioria.model import VAE

ROWS, VALUES = 20_000, 5_000_000  # that are fitted at most: baselines take seconds


@dataclass(frozen=True, eq=False)
class Baseline:
    """A classical model of one kind, its size chosen by the validation rows.

    Attributes:
        name: of the kind.
        validation: mean log p(x) of the validation rows, nats.
        estimate: log p(x) of the scored rows, in closed form (of topics by importance sampling, low on average).
        difference: what a model has more than this, paired over rows; None where it was compared with none.
    """

    name: str
    validation: float
    estimate: Estimate
    difference: Difference | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns JSON values, without those of single rows."""
        return {
            "name": self.name,
            "validation": self.validation,
            "estimate": self.estimate.to_json(),
            "difference": None if self.difference is None else self.difference.to_json(),
        }

    @classmethod
    def from_json(cls, found: Any, place: str = "baseline") -> Baseline:
        """Returns the baseline that :meth:`to_json` wrote.

        Raises:
            ValueError: a name is missing or unknown, or a value of another type or not finite.
        """
        record = Record(found, place)
        read = cls(
            record.text("name"),
            record.number("validation"),
            Estimate.from_json(record.take("estimate"), record.at("estimate")),
            record.optional("difference", lambda name: Difference.from_json(record.take(name), record.at(name))),
        )
        record.close()
        return read


@dataclass(frozen=True, eq=False)
class Baselines:
    """The classical models of a data set.

    Attributes:
        models: of every kind, the best by the validation rows first; none where no kind is comparable.
        fitted: training rows that they were fitted to.
        of: training rows that there are.
        missing: why there are none; an empty text where there are.
    """

    models: tuple[Baseline, ...]
    fitted: int
    of: int
    missing: str = ""

    @property
    def best(self) -> Baseline:
        """The one with the highest validation log-likelihood.

        Raises:
            ValueError: there is none.
        """
        if not self.models:
            raise ValueError(f"no baseline: {self.missing}")
        return self.models[0]

    @property
    def verdict(self) -> str:
        """In words how the compared model stands, against the best baseline; an empty text where nothing was compared.

        The last baseline that it is behind is said, too: a model behind independent columns learned little.
        """
        compared = [(each.name, each.difference) for each in self.models if each.difference is not None]
        if not compared:
            return ""
        name, difference = compared[0]
        said = difference.against(f"the best baseline ({name})" if len(compared) > 1 else f"the baseline ({name})")
        behind = [other for other, each in compared[1:] if each.value < -2 * each.standard_error]
        return said + (f"; worse even than {behind[-1]}" if behind else "")

    @property
    def note(self) -> str:
        """To how many training rows they were fitted, where not to all; else an empty text."""
        return "" if self.fitted == self.of else f"fitted to {self.fitted:,} of {self.of:,} training rows, at random"

    def against(self, pointwise: Float[Tensor, " N"]) -> Baselines:
        """Returns them with the paired difference that a model has to each.

        Args:
            pointwise: log p(x) of the same rows under the model, in nats.

        Raises:
            ValueError: another number of rows.
        """
        values = pointwise.double()
        models = [replace(each, difference=Difference.of(values, each.estimate.pointwise)) for each in self.models]
        return replace(self, models=tuple(models))

    def __str__(self) -> str:
        lines = [f"{each.name:<22} {each.estimate.number}" for each in self.models]
        lines += [line for line in (self.missing, self.note) if line]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Returns every model's name, validation value, estimate and difference as JSON values."""
        models = [each.to_json() for each in self.models]
        return {"models": models, "fitted": self.fitted, "of": self.of, "missing": self.missing}

    @classmethod
    def from_json(cls, found: Any, place: str = "baselines") -> Baselines:
        """Returns the baselines that :meth:`to_json` wrote, without the values of single rows.

        Raises:
            ValueError: a name is missing or unknown, or a value of another type or not finite.
        """
        record = Record(found, place)
        models = [
            Baseline.from_json(each, f"{record.at('models')}[{i}]") for i, each in enumerate(record.entries("models"))
        ]
        read = cls(tuple(models), record.integer("fitted"), record.integer("of"), record.text("missing"))
        record.close()
        return read


def baselines(
    data: Dataset, *, model: VAE | None = None, split: SplitName = "test", seed: int = 0, limit: int | None = None
) -> Baselines:
    """Fits classical models to the training rows of a data set and scores rows of a split, in nats.

    Real columns: independent Gaussians, a full Gaussian with shrinkage, factor analysis and Gaussian mixtures, their
    sizes chosen by the validation rows. Bits: independent, and mixtures of Bernoullis. Words: unigram and topics
    (latent Dirichlet allocation, by importance sampling), without the multinomial coefficient as
    ``likelihoods.Multinomial``. Grey levels and categories: independent levels. Tables of mixed columns: independent
    columns and latent classes, in the units of the data.

    All are densities (or probabilities) of the very x that log p(x) of ``model`` is of, so that values of single rows
    may be subtracted: its p(x|z) says whether it is in the units of a table's columns, and its support whether values
    are bits, levels or real numbers. Where no classical model is comparable, there is none, and ``missing`` says why.

    Args:
        data: the data set.
        model: the model beside which they are to stand; None for what the kind of the data suggests.
        split: whose rows are scored.
        seed: of the subset of training rows where they have more than 5 million values or 20,000 rows, and of bits
            that are drawn.
        limit: rows to score, at even distances; None for all.

    Example:
        >>> from prioria.data import load
        >>> found = baselines(load("two-moons"), limit=200)
        >>> found.best.name, found.best.estimate.value > found.models[-1].estimate.value
        ('Gaussian mixture', True)
    """
    part = getattr(data, split)
    with torch.random.fork_rng([]), torch.no_grad():
        if model is None:
            seed_generators(torch.device("cpu"), (seed,))
            scored, px = part.tensor(limit), None
        else:
            scored, px = rows_and_likelihood(model, part, seed, limit=limit)
        torch.manual_seed(seed)
        count = min(len(data.train), ROWS, max(VALUES // data.dimensions, 100))
        rows = data.train.drawn(count), data.validation.tensor(count), scored
    try:
        problem = problem_of(data.protocol, [part.cpu().double().numpy() for part in rows], px)
    except ValueError as error:
        return Baselines((), 0, len(data.train), str(error))
    return Baselines(_fitted(problem, seed), len(rows[0]), len(data.train))


def densities_of(problem: Problem) -> dict[str, tuple[float, Any]]:
    """Returns of every kind the density with the highest mean log p(x) of the validation rows, and that value."""
    _, validation, _ = problem.rows
    best: dict[str, tuple[float, Any]] = {}
    for name, fit in problem.kinds:
        if (found := _validated(fit, problem.rows[0], validation)) is None:
            continue
        value = float((found[1] - problem.volumes[0]).mean())
        if np.isfinite(value) and (name not in best or value > best[name][0]):
            best[name] = value, found[0]
    return dict(sorted(best.items(), key=lambda item: -item[1][0]))


def _fitted(problem: Problem, seed: int) -> tuple[Baseline, ...]:
    models = []
    for name, (value, score) in densities_of(problem).items():
        pointwise = torch.from_numpy(score(problem.rows[2]) - problem.volumes[1])
        models.append(Baseline(name, value, Estimate.of(pointwise, torch.zeros_like(pointwise), 0, seed, name)))
    return tuple(models)


def _validated(fit: Fit, train: Array, validation: Array) -> tuple[Any, Array] | None:
    try:
        score = fit(train)
        return score, score(validation)
    except (np.linalg.LinAlgError, ValueError):  # a covariance without its rank: another ridge or size will do
        return None
