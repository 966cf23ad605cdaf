"""What every evaluation returns: a value, its errors, and how it was obtained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.evaluate.record import Record, known, plus_minus

PARETO_LIMIT = 0.7  # an importance-sampled mean with a heavier tail cannot be trusted (Vehtari et al., 2024)
CONVERGED_SHARE = 0.95
WIDENING = 6.0  # of a Monte-Carlo error, by what k exceeds 1/2: measured, benchmarks/calibration.py
CONFIDENCE = 0.95  # of the bound that is printed where weights are bad
ACCURATE = 0.01  # nats, of a grid
SHORTEST_TAIL = 5  # weights below which no shape can be fitted


@dataclass(frozen=True, eq=False)
class WeightQuality:
    """How far the importance weights of each example can be trusted, each (N,).

    Attributes:
        bias: jackknife estimate of the bias of the log-mean weight, in nats, at most about zero.
        ess: effective sample size (sum w)^2 / sum w^2.
        pareto_k: shape of the Pareto tail of the weights.
    """

    bias: Float[Tensor, " N"]
    ess: Float[Tensor, " N"]
    pareto_k: Float[Tensor, " N"]


@dataclass(frozen=True, eq=False)
class PerExample:
    """The values that an estimate is the mean of; none of them are written to JSON.

    Attributes:
        pointwise: the estimate of each example (N,), float64.
        monte_carlo_variance: variance of each from the samples that were drawn (N,); nan where one sample cannot tell.
        weights: quality of the importance weights, where there are any.
        error: of the rule for each example (N,), nats, where it is a grid without noise.
        of_draws: they are of draws of all rows together, not of single rows.
    """

    pointwise: Float[Tensor, " N"]
    monte_carlo_variance: Float[Tensor, " N"]
    weights: WeightQuality | None = None
    error: Float[Tensor, " N"] | None = None
    of_draws: bool = False


@dataclass(frozen=True, repr=False)
class Estimate:
    """The mean over N examples of a quantity in nats that was estimated for each, as it is printed, written and read.

    Attributes:
        value: the mean over examples, nats.
        num_samples: S, samples for each example, or in all where it is a mean over draws of all of them together.
        examples: rows that the value is about.
        estimator: how it was estimated, in words.
        standard_error: sd(pointwise) / sqrt(N): the error over examples (over draws where it is a mean over draws of
            all examples together); nan for a single one.
        monte_carlo_error: standard error from the finite number of samples alone, by the jackknife for a log-mean
            weight; where their mean k exceeds 1/2, so that weights have no variance, six times as much more of itself,
            with which 1.96 errors cover 95 % up to k = 0.7 (docs/likelihood.md); nan where one sample cannot tell.
        bias: jackknife estimate of value - truth from the finite number of samples, nats; far from it where weights are
            bad; zero for a plain average.
        ess: median over examples of the effective sample size; None where nothing is weighted.
        converged: whether the weights of 95 % of the examples have a Pareto tail lighter than k = 0.7, each k drawn
            towards their mean as far as its own error says; of a grid, whether the error of 95 % of them is below 0.01
            nats. Weights tell nothing of a mode that no draw has found.
        seed: of the noise.
        infinite: examples without a finite estimate; the value is -inf where there is one.
        quadrature_error: mean error of the rule over examples, nats, where it is a grid.
        reason: why it has not converged, in words, where the estimator knows.
        single: values of single examples; None where the estimate was read from a file.

    Example:
        >>> Estimate.of(torch.tensor([-90.0, -88.0]), torch.zeros(2), 1, seed=0, estimator="ELBO")
        Estimate(-89.00 ± 1.00, 1 sample, 2 examples, 'ELBO')
    """

    value: float
    num_samples: int
    examples: int
    estimator: str
    standard_error: float = math.nan
    monte_carlo_error: float = math.nan
    bias: float = math.nan
    ess: float | None = None
    converged: bool = True
    seed: int = 0
    infinite: int = 0
    quadrature_error: float | None = None
    reason: str | None = None
    single: PerExample | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls,
        pointwise: Float[Tensor, " N"],
        monte_carlo_variance: Float[Tensor, " N"],
        num_samples: int,
        seed: int,
        estimator: str,
        *,
        weights: WeightQuality | None = None,
        error: Float[Tensor, " N"] | None = None,
        examples: int | None = None,
        reason: str | None = None,
    ) -> Estimate:
        """Returns the estimate that has these values of single examples, or of draws where ``examples`` is given."""
        count = len(pointwise)
        infinite = int((~pointwise.isfinite()).sum())
        converged = not infinite and _mostly(weights, error, num_samples)
        return cls(
            value=pointwise.mean().item(),
            num_samples=num_samples,
            examples=count if examples is None else examples,
            estimator=estimator,
            standard_error=math.nan if count < 2 else pointwise.std().item() / math.sqrt(count),
            monte_carlo_error=monte_carlo_variance.sum().sqrt().item() / count * _widening(weights, num_samples),
            bias=0.0 if weights is None else weights.bias.mean().item(),
            ess=None if weights is None else weights.ess.median().item(),
            converged=converged,
            seed=seed,
            infinite=infinite,
            quadrature_error=None if error is None else error.mean().item(),
            reason=None if converged else reason,
            single=PerExample(pointwise, monte_carlo_variance, weights, error, of_draws=examples is not None),
        )

    @property
    def pointwise(self) -> Float[Tensor, " N"]:
        """The estimate of each example (N,), float64.

        Raises:
            ValueError: it was read from a file, which does not hold them.
        """
        return self._single.pointwise

    @property
    def monte_carlo_variance(self) -> Float[Tensor, " N"]:
        """Variance of each from the samples that were drawn (N,).

        Raises:
            ValueError: as for ``pointwise``.
        """
        return self._single.monte_carlo_variance

    @property
    def weights(self) -> WeightQuality | None:
        """Quality of the importance weights of each example; None where there are none, or where none were kept."""
        return None if self.single is None else self.single.weights

    @property
    def error(self) -> Float[Tensor, " N"]:
        """Error of the grid for each example (N,), nats.

        Raises:
            ValueError: it is none of a grid, or as for ``pointwise``.
        """
        if self._single.error is None:
            raise ValueError(f"estimator={self.estimator!r} has no error of a grid; see monte_carlo_error")
        return self._single.error

    @property
    def number(self) -> str:
        """The value and its error over examples, as every table has them."""
        return plus_minus(self.value, error=self.standard_error)

    @property
    def lower(self) -> float:
        """What the mean of log p(x) over these examples exceeds with 95 % confidence, however bad the weights are.

        The weights of an example have the mean p(x), and examples are drawn independently, so that the product of
        exp(estimate - log p(x)) over N examples has expectation one: by Markov's inequality, value - log(20)/N.
        """
        return self.value - math.log(1 / (1 - CONFIDENCE)) / self.examples

    @property
    def statement(self) -> str:
        """The number as it may be said: where weights are too bad for an error, the bound that holds with 95 %."""
        return self.number if self.converged or self.ess is None else f"at least {self.lower:.2f}"

    @property
    def doubt(self) -> str | None:
        """What is wrong with the estimate, in words; None where it has converged."""
        if self.infinite:
            return f"no finite estimate of {self.infinite:,} of {self.examples:,} examples"
        return None if self.converged else self.reason or doubt(self.num_samples, self.ess)

    def to_json(self) -> dict[str, Any]:
        """Returns all but the values of single examples, as JSON values; what is not finite is None."""
        found = {
            "value": known(self.value),
            "standard_error": known(self.standard_error),
            "monte_carlo_error": known(self.monte_carlo_error),
            "bias": known(self.bias),
            "ess": known(self.ess),
            "num_samples": self.num_samples,
            "examples": self.examples,
            "converged": self.converged,
            "seed": self.seed,
            "estimator": self.estimator,
            "unit": "nats",
        }
        found |= {"infinite": self.infinite} if self.infinite else {}
        found |= {"reason": self.reason} if self.reason else {}
        return found if self.quadrature_error is None else found | {"quadrature_error": known(self.quadrature_error)}

    @classmethod
    def from_json(cls, found: Any, place: str = "estimate") -> Estimate:
        """Returns the estimate that :meth:`to_json` wrote, without the values of single examples.

        Args:
            found: JSON values.
            place: what to call them in a message.

        Raises:
            ValueError: a name is missing or unknown, a value of another type or unit, not finite, or out of range.
        """
        record = Record(found, place)
        if (unit := record.optional("unit", record.text, "nats")) != "nats":
            raise ValueError(f"{record.at('unit')}: unit={unit!r} is not 'nats'")
        kinds = {"standard_error": record.amount, "monte_carlo_error": record.amount, "bias": record.number}
        errors: dict[str, Any] = {
            name: number for name, read in kinds.items() if (number := record.optional(name, read)) is not None
        }
        infinite = record.optional("infinite", record.count) or 0
        value = record.optional("value", record.number) if infinite else record.number("value")
        estimate = cls(
            value=-math.inf if value is None else value,
            infinite=infinite,
            num_samples=record.count("num_samples"),
            examples=record.count("examples", 1),
            estimator=record.text("estimator"),
            **errors,
            ess=record.optional("ess", record.amount),
            converged=record.optional("converged", record.truth) is not False,
            seed=record.optional("seed", record.integer) or 0,
            quadrature_error=record.optional("quadrature_error", record.amount),
            reason=record.optional("reason", record.text),
        )
        record.close()
        return estimate

    @property
    def _single(self) -> PerExample:
        if self.single is None:
            raise ValueError("the values of single examples are in no JSON; estimate anew, or read_pointwise of a run")
        return self.single

    @property
    def _basis(self) -> str:
        return f"{self.num_samples:,} sample{'s' * (self.num_samples != 1)}"

    def __str__(self) -> str:
        details = [self._basis]
        details += [] if self.ess is None else [f"ESS {self.ess:,.0f}"]
        details += [] if self.converged else [self.doubt or "" if self.infinite else "not converged"]
        return f"{self.statement} ({', '.join(details)})"

    def __repr__(self) -> str:
        examples = f"{self.examples:,} example{'s' * (self.examples != 1)}"
        return f"Estimate({self.number}, {self._basis}, {examples}, {self.estimator!r})"

    def _repr_html_(self) -> str:
        return f"<b>{self.statement}</b> nats <small>({escape(self.estimator)}, {str(self).partition(' (')[2]}</small>"


def doubt(num_samples: int, ess: float | None) -> str:
    """Returns in words what is wrong with an estimate that has not converged.

    Args:
        num_samples: for each example.
        ess: effective sample size; None where nothing is weighted, so that it is a grid that has not converged.
    """
    if ess is None:
        return "the error of the grid is 0.01 nats or more for more than 5 % of the examples"
    if tail_length(num_samples) < SHORTEST_TAIL:
        return f"{num_samples} weights for each example are too few to tell"
    return "heavy-tailed weights, a lower bound"


def tail_length(num_samples: int) -> int:
    """Returns how many of the largest weights are the tail, min(S/5, 3 sqrt S) (Vehtari et al., 2024, section 3)."""
    return int(min(num_samples / 5, 3 * math.sqrt(num_samples)))


def join(parts: Sequence[Estimate]) -> Estimate:
    """Returns one estimate over the examples of several, in their order, for instance those of several processes.

    Raises:
        ValueError: nothing to join, estimates of different kinds, or one that is a mean over draws of all rows.
    """
    kinds = {(part.num_samples, part.seed, part.estimator) for part in parts}
    if len(kinds) != 1:
        raise ValueError(f"parts must be estimates of one kind (num_samples, seed, estimator), got {sorted(kinds)}")
    if any(part.single is not None and part.single.of_draws for part in parts):
        raise ValueError("parts has a mean over draws of all rows together, which is no part of another; estimate anew")
    ((num_samples, seed, estimator),) = kinds
    weights = [part.weights for part in parts if part.weights is not None]
    errors = [part.single.error for part in parts if part.single is not None and part.single.error is not None]
    return Estimate.of(
        torch.cat([part.pointwise for part in parts]),
        torch.cat([part.monte_carlo_variance for part in parts]),
        num_samples,
        seed,
        estimator,
        weights=_join_weights(weights) if weights else None,
        error=torch.cat(errors) if errors else None,
    )


def _mostly(weights: WeightQuality | None, error: Tensor | None, num_samples: int) -> bool:
    """Returns whether 95 % of the examples can be trusted, by their weights or the error of the grid."""
    if error is not None:
        return (error < ACCURATE).double().mean().item() >= CONVERGED_SHARE
    if weights is None:
        return True
    return (shrunken(weights.pareto_k, num_samples) < PARETO_LIMIT).double().mean().item() >= CONVERGED_SHARE


def _widening(weights: WeightQuality | None, num_samples: int) -> float:
    """Returns by what the jackknife's error grows, as weights whose tail has k > 1/2 have no variance."""
    if weights is None:
        return 1.0
    k = shrunken(weights.pareto_k, num_samples)
    return 1 + WIDENING * (k[k.isfinite()].mean().clamp(min=0.5).nan_to_num(0.5).item() - 0.5)


def shrunken(pareto_k: Float[Tensor, " N"], num_samples: int) -> Float[Tensor, " N"]:
    """Returns each k drawn towards the mean of all, by the share of their scatter that is error.

    k of M exceedances has the standard error (1 + k)/sqrt M (Vehtari et al., 2024, appendix), and of two hundred
    weights one in twenty is above 0.7 though all are at 0.36. With a mean m and a variance t^2 + e^2 over examples, e
    that error, k becomes m + (k - m) t^2 / (t^2 + e^2) (Efron and Morris, 1973). One k alone stays.
    """
    known, length = pareto_k.isfinite(), tail_length(num_samples)
    if known.sum() < 2 or length < SHORTEST_TAIL:
        return pareto_k
    k = pareto_k[known]
    error = (1 + k.clamp(min=0)).square().mean() / length * (length / (length + 10)) ** 2  # k is shrunk to 1/2 already
    share = (1 - error / k.var()).clamp(min=0) if k.var() > 0 else 0.0
    return torch.where(known, k.mean() + share * (pareto_k - k.mean()), pareto_k)


def _join_weights(parts: Sequence[WeightQuality]) -> WeightQuality:
    return WeightQuality(
        bias=torch.cat([part.bias for part in parts]),
        ess=torch.cat([part.ess for part in parts]),
        pareto_k=torch.cat([part.pareto_k for part in parts]),
    )
