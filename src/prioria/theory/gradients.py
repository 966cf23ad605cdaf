"""How far the gradient of an objective is from the exact one, on models small enough to enumerate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.model import VAE
from prioria.objectives import Objective
from prioria.theory.enumeration import exact


@dataclass(frozen=True)
class GradientBias:
    """The gradient of minus the bound in all parameters (P,): exact, and estimated.

    Attributes:
        exact: by summing over every code.
        mean: of the estimates.
        standard_error: of that mean.
    """

    exact: Float[Tensor, " P"]
    mean: Float[Tensor, " P"]
    standard_error: Float[Tensor, " P"]

    @property
    def relative(self) -> float:
        """|mean - exact| / |exact|: for an unbiased gradient it falls with the number of repeats to ``noise``."""
        return ((self.mean - self.exact).norm() / self.exact.norm()).item()

    @property
    def noise(self) -> float:
        """What ``relative`` would be from sampling error alone."""
        return (self.standard_error.norm() / self.exact.norm()).item()


def gradient_bias(
    model: VAE, objective: Objective, x: Float[Tensor, "B D"], *, repeats: int = 100, seed: int = 0
) -> GradientBias:
    """Compares the mean gradient of an objective of the bound (``ELBO()``) with the exact one.

    Straight-through bits have a bias that no number of repeats removes; the leave-one-out score function has none.

    Args:
        model: all of its groups bits, at most 20.
        objective: ``objectives.ELBO(...)`` with beta 1 and no free bits.
        x: the data (B, D).
        repeats: independent gradients to average.
        seed: of the draws.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        truth = _gradient(-exact(model, x).elbo.mean(), model)
        each = [_gradient(objective(model.draw(x, objective.num_samples)).surrogate, model) for _ in range(repeats)]
    sample = torch.stack(each)
    return GradientBias(truth, sample.mean(0), sample.std(0) / repeats**0.5)


def _gradient(loss: Tensor, model: VAE) -> Tensor:
    parameters = [p for p in model.parameters() if p.requires_grad]
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])
