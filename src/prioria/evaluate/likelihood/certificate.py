"""Both sides of log p(x), on data that the model itself generated, where an exact posterior draw is known."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.evaluate.estimate import Estimate, join
from prioria.evaluate.likelihood.ais import backward, check_annealing, forward, tuned
from prioria.evaluate.likelihood.importance import importance_log_likelihood
from prioria.evaluate.likelihood.joint import Joint
from prioria.evaluate.record import Record, plus_minus
from prioria.evaluate.sampling import device_of, measuring, sampling_of, seed_generators
from prioria.model import VAE


@dataclass(frozen=True)
class Certificate:
    """A bracket around log p(x) of simulated examples, and what the importance sampler of the tables says of them.

    Both ends hold in expectation: lower <= log p(x) <= upper. So it is printed, written and read.

    Attributes:
        lower: annealed importance sampling from the prior.
        upper: the same backwards, from the exact posterior draws.
        importance: :func:`prioria.evaluate.log_likelihood` of the same examples.
        gap: width upper - lower of the bracket, nats: what annealing itself may be off by.
        importance_gap: mean of upper - importance, nats: what the importance sampler may be off by.
        importance_gap_error: standard error of ``importance_gap`` over the examples, which are the same on both sides.
        x: the examples (N, D); None where the certificate was read from a file.
    """

    lower: Estimate
    upper: Estimate
    importance: Estimate
    gap: float
    importance_gap: float
    importance_gap_error: float
    x: Float[Tensor, "N D"] | None = field(default=None, compare=False)

    @classmethod
    def of(cls, lower: Estimate, upper: Estimate, importance: Estimate, x: Float[Tensor, "N D"]) -> Certificate:
        """Returns the certificate that three estimates of the same examples x (N, D) make."""
        gap, missing = upper.pointwise - lower.pointwise, upper.pointwise - importance.pointwise
        error = missing.std().item() / math.sqrt(len(missing))
        return cls(lower, upper, importance, gap.mean().item(), missing.mean().item(), error, x)

    @property
    def certified(self) -> float:
        """What the importance sampler is low by at most, nats: ``importance_gap`` and three of its standard errors."""
        return max(self.importance_gap, 0.0) + 3 * self.importance_gap_error

    @property
    def verdict(self) -> str:
        """What it says of a number on real data, in one line."""
        return (
            f"lower bound; estimator certified to {plus_minus(self.certified)} nats on simulations "
            f"({self.importance.examples:,} examples; gap of annealing {plus_minus(self.gap)})"
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the three estimates, both gaps and what is certified, as JSON values."""
        estimates = {"lower": self.lower, "upper": self.upper, "importance": self.importance}
        return {
            **{name: estimate.to_json() for name, estimate in estimates.items()},
            "gap": self.gap,
            "importance_gap": self.importance_gap,
            "importance_gap_error": self.importance_gap_error,
            "certified": self.certified,
        }

    @classmethod
    def from_json(cls, found: Any, place: str = "certificate") -> Certificate:
        """Returns the certificate that :meth:`to_json` wrote, without the examples.

        Raises:
            ValueError: as for :meth:`Estimate.from_json`.
        """
        record = Record(found, place)
        certificate = cls(
            lower=Estimate.from_json(record.take("lower"), record.at("lower")),
            upper=Estimate.from_json(record.take("upper"), record.at("upper")),
            importance=Estimate.from_json(record.take("importance"), record.at("importance")),
            gap=record.number("gap"),
            importance_gap=record.number("importance_gap"),
            importance_gap_error=record.number("importance_gap_error"),
        )
        record.close("certified")
        return certificate

    def __str__(self) -> str:
        missing = plus_minus(self.importance_gap, error=self.importance_gap_error)
        return (
            f"log p(x) of {self.lower.examples:,} simulated examples: {self.lower.number} to {self.upper.number} nats "
            f"by annealing (gap {plus_minus(self.gap)}); importance sampling {self.importance.number} "
            f"(gap {missing}): certified to {plus_minus(self.certified)} nats"
        )


def certify(
    model: VAE,
    *,
    num_examples: int = 100,
    seed: int = 0,
    num_steps: int = 500,
    num_chains: int = 16,
    num_samples: int = 5000,
) -> Certificate:
    r"""Brackets log p(x) on data simulated from the model, and places the importance sampler in the bracket.

    With (z, x) drawn from p(z) p(x|z), z is an exact draw from p(z|x). Annealing from it to the prior, with the kernels
    of the forward chains in reverse order, estimates 1 / p(x) without bias: minus its log-mean is an upper bound in
    expectation (Grosse, Ghahramani and Adams, 2015, "bidirectional Monte Carlo"). It certifies an estimator on this
    model, not the number on real data, which stays a lower bound.

    Args:
        model: the model, its latents real or bits; its mode and the global random numbers are left as they were.
        num_examples: N, examples to simulate, at least two.
        seed: of the examples and of all noise.
        num_steps: T, temperatures.
        num_chains: chains for each example and direction.
        num_samples: S of the importance sampler.

    Raises:
        ValueError: a group is discrete and has no list of values, fewer than two examples or steps, or too many chains.

    Example:
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(6, 8, gated_output=True),
        ...     posterior=posteriors.Gaussian(8, 2),
        ...     prior=priors.StandardNormal(2),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, 6)),
        ... )
        >>> certificate = certify(model, num_examples=3, num_steps=5, num_chains=10, num_samples=10)
        >>> certificate.lower.pointwise.shape, certificate.upper.pointwise.shape
        (torch.Size([3]), torch.Size([3]))
    """
    check_annealing(num_steps, num_chains)
    if num_examples < 2:
        raise ValueError(f"num_examples={num_examples} has no error over examples; simulate at least 2")
    with measuring(model):
        joint = Joint(model)
        z, x = _simulate(joint, num_examples, seed)
        lower, upper = [], []
        for batch in sampling_of(model, x, num_chains, seed, limit=None).batches:
            members = torch.arange(batch.first, batch.first + len(batch.condition.x)).clamp(max=num_examples - 1)
            path = tuned(batch, joint, num_steps)
            lower.append(forward(path, batch))
            upper.append(backward(path, batch, z[members.to(z.device)]))
    importance = importance_log_likelihood(model, x, num_samples=num_samples, seed=seed)
    return Certificate.of(join(lower), join(upper), importance, x)


def _simulate(joint: Joint, num_examples: int, seed: int) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False), torch.no_grad():
        seed_generators(device_of(joint.model), (seed,))
        z = joint.draw(1, num_examples)
        _, px = joint.densities(z)
        return z[0], px.sample()[0]
