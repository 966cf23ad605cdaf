"""Multipliers that hold a reconstruction target: what GECO and REWO share.

Both descend the Lagrangian of "the least rate, subject to E[C] <= kappa^2", divided by its multiplier lambda = 1/beta,

    distortion - kappa^2 + beta (objective - distortion),

and differ in how beta moves with delta = C_t - kappa^2, by which the averaged constraint is missed. The constant
kappa^2 is left out of what is reported, so that at beta = 1 it is the objective itself.
"""

from __future__ import annotations

from collections.abc import Sized

import torch
from torch import Tensor, nn

from prioria.draw import Draw
from prioria.model import VAE
from prioria.objectives.base import Loss, Objective, Progress
from prioria.objectives.score_function import expected_cost
from prioria.objectives.target import Target

BETA_BOUNDS = (1e-8, 1e6)  # under a target out of reach beta must not reach 0 or infinity: nothing returns from there


class Constrained(Objective):
    """What GECO and REWO share: the Lagrangian, the averaged constraint, and when the multiplier moves.

    The state (beta, the two averages, the count of steps) is in buffers, so that checkpoints hold it.
    """

    beta: Tensor
    constraint: Tensor
    excess: Tensor
    steps: Tensor

    def __init__(
        self,
        inner: Objective,
        target: str,
        *,
        nu: float,
        beta: float,
        average: float,
        every: int,
        step_bounds: tuple[float, float] | None,
    ) -> None:
        super().__init__()
        _check_numbers(nu, beta, average, every, step_bounds)
        _check_inner(inner)
        self.inner, self.target = inner, Target.parse(target)
        self.num_samples, self.rates = inner.num_samples, inner.rates
        self.nu, self.average, self.every, self.step_bounds = nu, average, every, step_bounds
        self.register_buffer("beta", torch.tensor(float(beta)))
        self.register_buffer("constraint", torch.tensor(torch.nan))
        self.register_buffer("excess", torch.tensor(torch.nan))
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, draw: Draw, progress: Progress | None = None) -> Loss:
        inner, distortion = self.inner(draw, progress), draw.distortion.mean()
        value = distortion + self.beta * (inner.value - distortion)
        surrogate = (1 - self.beta) * expected_cost(draw, draw.distortion) + self.beta * (inner.surrogate - inner.fit)
        terms = inner.terms | self._terms(draw)
        return Loss(value, surrogate + inner.fit, inner.per_example, terms, fit=inner.fit)

    def check(self, model: VAE, data: Sized | None = None) -> None:
        self.inner.check(model, data)
        self.target.check(model)

    @torch.no_grad()
    def update(self, terms: dict[str, Tensor], progress: Progress | None = None) -> None:
        self.inner.update(terms, progress)
        decay = torch.clamp((1 + self.steps) / (10 + self.steps), max=self.average)
        for average, name in ((self.constraint, "constraint"), (self.excess, "excess")):
            moved = decay * average + (1 - decay) * terms[name]
            average.copy_(torch.where(self.steps == 0, terms[name], moved))
        self._advance(progress)
        self.steps += 1

    def frozen(self, model: VAE) -> set[nn.Parameter]:
        return self.inner.frozen(model)

    def settled(self, progress: Progress) -> bool:
        return self.inner.settled(progress)

    def unfinished(self, last: Progress) -> str | None:
        return self.inner.unfinished(last)

    def status(self) -> dict[str, float | str]:
        reached = self.target.in_unit(self.constraint.item())
        return {"beta": self.beta.item(), self.target.unit: reached, "target": self.target.value, "phase": self.phase}

    @property
    def phase(self) -> str:
        """What is being trained now."""
        return "main"

    def violation(self, terms: dict[str, Tensor]) -> float:
        return max(0.0, terms["constraint"].item() - self.target.kappa_squared)

    def verdict(self, terms: dict[str, Tensor]) -> str:
        return self.target.verdict(terms["constraint"].item())

    def doubt(self, terms: dict[str, Tensor]) -> str | None:
        return self.inner.doubt(terms)

    def weighting(self) -> str | None:
        return "a multiplier of its own"

    @torch.no_grad()
    def _terms(self, draw: Draw) -> dict[str, Tensor]:
        cost = self.target.cost(draw)
        return {"constraint": cost, "excess": (cost - self.target.kappa_squared) * self.target.exchange_rate(draw)}

    def _advance(self, progress: Progress | None) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define how beta moves")

    def _move(self, proposed: Tensor) -> None:
        if (self.steps + 1) % self.every == 0:
            ratio = proposed / self.beta
            if self.step_bounds is not None:
                ratio = ratio.clamp(*self.step_bounds)
            self.beta.mul_(ratio).clamp_(*BETA_BOUNDS)


def _check_inner(inner: Objective) -> None:
    reason = inner.weighting()
    if reason is not None:
        raise ValueError(
            f"inner={type(inner).__name__} has {reason}, and a constraint needs distortion + rate, to weigh the rate "
            "itself; wrap ELBO(), or another objective whose weighting() is None"
        )


def _check_numbers(nu: float, beta: float, average: float, every: int, step_bounds: tuple[float, float] | None) -> None:
    if nu <= 0 or beta <= 0 or every < 1:
        raise ValueError(f"nu={nu}, beta={beta} and every={every} must be positive")
    if not 0 <= average < 1:
        raise ValueError(f"average={average} must be within 0 and 1, 1 excluded; 0.99 averages over about 100 steps")
    if step_bounds is not None and not 0 < step_bounds[0] < 1 < step_bounds[1]:
        raise ValueError(f"step_bounds={step_bounds} must hold 1 inside; use for instance (0.99, 1.01), or None")
