"""Objectives as a user would write them, outside the library: each says what a draw costs, and little else."""

from __future__ import annotations

import math

import torch

from prioria.objectives import ELBO, BatchTerms, Loss, Objective, Reduction


class SquaredRate(Objective):
    """-log_w + gamma (rate - target)^2."""

    def __init__(self, target: float, gamma: float = 1.0, num_samples: int = 1) -> None:
        super().__init__()
        self.target, self.gamma, self.num_samples = target, gamma, num_samples

    def cost(self, draw, progress=None):
        return -draw.log_w + self.gamma * (draw.rate - self.target) ** 2


class Declared(SquaredRate):
    """The same, with its two declarations: the rate has a floor, and is left alone otherwise."""

    def weighting(self):
        return None

    def minimized(self, groups):
        return ()


class Power(Reduction):
    """-log ((1/K) sum_k exp(-a cost_k)) / a, the variational Renyi bound for cost = -log_w (Li and Turner, 2016)."""

    def __init__(self, a: float) -> None:
        self.a = a

    def __call__(self, cost):
        return (math.log(len(cost)) - torch.logsumexp(-self.a * cost, 0)) / self.a


class Renyi(Objective):
    def __init__(self, a: float = 0.5, num_samples: int = 2) -> None:
        super().__init__()
        self.reduction, self.num_samples = Power(a), num_samples

    def cost(self, draw, progress=None):
        return -draw.log_w


class CubedDistortion(ELBO):
    """Another cost under a name that has been declared to leave the rate alone."""

    def cost(self, draw, progress=None):
        return draw.distortion**3 / 100 + 0.1 * draw.rate.exp()

    def differentiated(self, draw, cost, progress=None):
        return cost


class ByHand(Objective):
    """Overrides all of ``forward``."""

    num_samples = 2

    def forward(self, draw, progress=None):
        cost = -draw.log_w
        return Loss(cost.mean(), cost.mean(), cost.mean(0).detach(), {})


class MeanRate(Objective):
    """Couples the batch inside the cost of a draw."""

    num_samples = 2

    def cost(self, draw, progress=None):
        return -draw.log_w + (draw.rate.mean() - 2.0) ** 2


class OtherDraws(Objective):
    """Couples the draws of an example inside the cost of a draw."""

    num_samples = 3

    def cost(self, draw, progress=None):
        return -draw.log_w + draw.z["z"].flatten(2).var(0).sum(-1)


class Spread(Objective):
    """Couples the batch where it should: the spread of the rate over the batch."""

    num_samples = 2

    def cost(self, draw, progress=None):
        return -draw.log_w

    def batch_terms(self, draw, progress=None):
        spread = draw.rate.mean(0).std()
        return BatchTerms(added=[spread], reported={"spread": spread.detach().expand(draw.rate.shape[1])})


class Averaged(Objective):
    """Takes the mean over the draws itself."""

    def cost(self, draw, progress=None):
        return -draw.log_w.mean(0)
