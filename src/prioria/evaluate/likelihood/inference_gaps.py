"""Where the bound is lost: in the encoder, or in the family of the posterior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from prioria.evaluate.estimate import Estimate, join
from prioria.evaluate.likelihood.bound import batch_averages
from prioria.evaluate.likelihood.importance import importance_sampled
from prioria.evaluate.sampling import (
    Batch,
    Examples,
    device_of,
    measuring,
    require_density,
    sampling_of,
    seed_generators,
)
from prioria.model import VAE, Condition
from prioria.objectives.score_function import expected_cost


@dataclass(frozen=True, eq=False)
class Gaps:
    """The bound of each example as the encoder gives it, with the best posterior of its family, and log p(x), in nats.

    Attributes:
        elbo: with the encoder's posterior.
        optimized: with the posterior fitted to each example.
        log_likelihood: importance-weighted, from the fitted posterior.
    """

    elbo: Estimate
    optimized: Estimate
    log_likelihood: Estimate

    @property
    def amortization(self) -> Estimate:
        """``optimized - elbo``: what a better encoder could gain (Cremer, Li and Duvenaud, 2018)."""
        return _difference(self.optimized, self.elbo, "amortization gap")

    @property
    def approximation(self) -> Estimate:
        """``log_likelihood - optimized``: what only a richer family of posteriors could gain."""
        return _difference(self.log_likelihood, self.optimized, "approximation gap")

    def __str__(self) -> str:
        rows = {
            "ELBO": self.elbo,
            "amortization gap": self.amortization,
            "ELBO, locally optimized": self.optimized,
            "approximation gap": self.approximation,
            "log-likelihood": self.log_likelihood,
        }
        return "\n".join(f"{name:<25}{row}" for name, row in rows.items())


def gaps(
    model: VAE,
    x: Examples,
    *,
    num_samples: int = 1000,
    seed: int = 0,
    num_steps: int = 300,
    draws: int = 10,
    learning_rate: float = 0.05,
    limit: int | None = None,
) -> Gaps:
    """Splits log p(x) - ELBO of each example into an amortization and an approximation gap.

    The posterior of an example is fitted through the features that it is inferred from, by Adam, everything else held:
    this works for every kind of posterior, and reaches all of its family where features are at least as many as its
    parameters and enter them linearly (posteriors.Gaussian and IAF's base on their usual features). Else the fitted
    posterior is the best that the model's own heads can express. In hierarchies every group has features of its own.

    Args:
        model: the model; its weights, its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        num_samples: draws for each example of all three figures, from the same noise.
        seed: of the noise.
        num_steps: of the fit.
        draws: for each example in a step of the fit.
        learning_rate: of the fit, in units of the features' own root mean square.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: no sample, no example or no draw, or a posterior without a density.
    """
    if num_steps < 0 or draws < 1:
        raise ValueError(f"num_steps={num_steps} must not be negative and draws={draws} must be at least 1")
    require_density(model)
    found = []
    with measuring(model), torch.inference_mode(False), torch.no_grad():
        for batch in sampling_of(model, x, num_samples, seed, limit=limit).batches:
            seed_generators(device_of(model), (seed,))
            fitted = replace(batch, condition=_fitted(batch.condition, num_steps, draws, learning_rate))
            found.append((_bound(batch), _bound(fitted), importance_sampled(fitted)))
    return Gaps(*(join(list(parts)) for parts in zip(*found, strict=True)))


def _bound(batch: Batch) -> Estimate:
    return batch_averages(batch, lambda draw: {"elbo": draw.log_w})["elbo"]


def _fitted(condition: Condition, steps: int, draws: int, learning_rate: float) -> Condition:
    """Returns the condition on features that were moved to where the bound is highest."""
    features = {name: each.detach().clone().requires_grad_() for name, each in condition.features.items()}
    leaves = list(features.values())
    optimizer = torch.optim.Adam([{"params": [leaf], "lr": learning_rate * _size(leaf)} for leaf in leaves])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    for _ in range(steps):
        with torch.enable_grad():
            draw = _condition_on(condition, features).draw(draws)
            loss = expected_cost(draw, -draw.log_w) * len(condition.x)
        for leaf, gradient in zip(leaves, torch.autograd.grad(loss, leaves), strict=True):
            leaf.grad = gradient
        optimizer.step()
        schedule.step()
    return _condition_on(condition, features)


def _condition_on(condition: Condition, features: Mapping[str, Any]) -> Condition:
    name, stage = condition.model.groups[0], condition.model.top
    prior = condition.top[0]
    return replace(condition, features=dict(features), top=(prior, stage.posterior(features[name], None, prior)))


def _size(features: Tensor) -> float:
    return max(features.square().mean().sqrt().item(), 1e-3)


def _difference(larger: Estimate, smaller: Estimate, name: str) -> Estimate:
    # Draws are shared, so the two variances do not add; the error over examples holds them both.
    pointwise = larger.pointwise - smaller.pointwise
    return Estimate.of(pointwise, torch.full_like(pointwise, torch.nan), larger.num_samples, larger.seed, name)
