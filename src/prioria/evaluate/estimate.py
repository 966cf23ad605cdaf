"""What every evaluation returns: a value, its errors, and how it was obtained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

PARETO_LIMIT = 0.7  # an importance-sampled mean with a heavier tail cannot be trusted (Vehtari et al., 2024)
CONVERGED_SHARE = 0.95
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
class Estimate:
    """The mean over N examples of a quantity in nats that was estimated by Monte Carlo for each.

    Attributes:
        pointwise: the estimate of each example (N,), float64.
        monte_carlo_variance: variance of each from the samples that were drawn (N,); nan where one sample cannot tell.
        num_samples: S, samples for each example, or in all where ``examples`` is given.
        seed: of the noise.
        estimator: how it was estimated, in words.
        weights: quality of the importance weights, where there are any.
        examples: rows that the value is about, where it is a mean over draws of all of them together: ``pointwise`` is
            of the draws then, and ``standard_error`` is the error from their finite number.

    Example:
        >>> print(Estimate(torch.tensor([-90.0, -88.0]), torch.zeros(2), 1, seed=0, estimator="ELBO"))
        -89.00 +- 1.00 (K = 1)
    """

    pointwise: Float[Tensor, " N"]
    monte_carlo_variance: Float[Tensor, " N"]
    num_samples: int
    seed: int
    estimator: str
    weights: WeightQuality | None = None
    examples: int | None = None

    @property
    def value(self) -> float:
        """The mean over examples, nats."""
        return self.pointwise.mean().item()

    @property
    def standard_error(self) -> float:
        """sd(pointwise) / sqrt(N): the error over examples; nan for a single one."""
        count = len(self.pointwise)
        return math.nan if count < 2 else self.pointwise.std().item() / math.sqrt(count)

    @property
    def monte_carlo_error(self) -> float:
        """Standard error from the finite number of samples alone, by the delta method for a log-mean weight."""
        return self.monte_carlo_variance.sum().sqrt().item() / len(self.pointwise)

    @property
    def bias(self) -> float:
        """Jackknife estimate of value - truth from the finite number of samples, nats; zero for a plain average."""
        return 0.0 if self.weights is None else self.weights.bias.mean().item()

    @property
    def ess(self) -> float | None:
        """Median over examples of the effective sample size; None where nothing is weighted."""
        return None if self.weights is None else self.weights.ess.median().item()

    @property
    def converged(self) -> bool:
        """Whether the weights of 95 % of the examples have a Pareto tail lighter than k = 0.7."""
        if self.weights is None:
            return True
        return (self.weights.pareto_k < PARETO_LIMIT).double().mean().item() >= CONVERGED_SHARE

    def to_json(self) -> dict[str, Any]:
        """Returns all but the values of single examples, as JSON values; what is not finite is None."""
        numbers = {
            "value": self.value,
            "standard_error": self.standard_error,
            "monte_carlo_error": self.monte_carlo_error,
            "bias": self.bias,
            "ess": self.ess,
        }
        return {
            **{name: _finite(number) for name, number in numbers.items()},
            "num_samples": self.num_samples,
            "examples": len(self.pointwise) if self.examples is None else self.examples,
            "converged": self.converged,
            "seed": self.seed,
            "estimator": self.estimator,
            "unit": "nats",
        }

    def __str__(self) -> str:
        small = 0 < self.standard_error < 0.01
        digits = 2 - math.floor(math.log10(100 * self.standard_error)) if small else 2
        error = "" if math.isnan(self.standard_error) else f" +- {self.standard_error:.{digits}f}"
        details = [f"K = {self.num_samples}"]
        details += [] if self.ess is None else [f"ESS {self.ess:.0f}"]
        details += [] if self.converged else ["not converged"]
        return f"{self.value:.{digits}f}{error} ({', '.join(details)})"


def doubt(estimator: str, num_samples: int) -> str:
    """Returns in words what is wrong with an estimate that has not converged.

    Args:
        estimator: how it was estimated, in words.
        num_samples: for each example.
    """
    if estimator.startswith("quadrature"):
        return "the error of the grid is 0.01 nats or more for more than 5 % of the examples"
    if tail_length(num_samples) < SHORTEST_TAIL:
        return f"{num_samples} weights for each example are too few to tell"
    return "heavy-tailed weights, a lower bound"


def tail_length(num_samples: int) -> int:
    """Returns how many of the largest weights are the tail, min(S/5, 3 sqrt S) (Vehtari et al., 2024, section 3)."""
    return int(min(num_samples / 5, 3 * math.sqrt(num_samples)))


E = TypeVar("E", bound=Estimate)


def join(parts: Sequence[E]) -> E:
    """Returns one estimate over the examples of several, in their order, for instance those of several processes.

    Raises:
        ValueError: nothing to join, estimates of different kinds, or one that is a mean over draws of all rows.
    """
    kinds = {(part.num_samples, part.seed, part.estimator) for part in parts}
    if len(kinds) != 1:
        raise ValueError(f"parts must be estimates of one kind (num_samples, seed, estimator), got {sorted(kinds)}")
    if any(part.examples is not None for part in parts):
        raise ValueError("parts has a mean over draws of all rows together, which is no part of another; estimate anew")
    columns = [field.name for field in fields(parts[0]) if isinstance(getattr(parts[0], field.name), Tensor)]
    values = {name: torch.cat([getattr(part, name) for part in parts]) for name in columns}
    weights = [part.weights for part in parts if part.weights is not None]
    return replace(parts[0], **values, weights=_join_weights(weights) if weights else None)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _join_weights(parts: Sequence[WeightQuality]) -> WeightQuality:
    return WeightQuality(
        bias=torch.cat([part.bias for part in parts]),
        ess=torch.cat([part.ess for part in parts]),
        pareto_k=torch.cat([part.pareto_k for part in parts]),
    )
