"""How the costs of an example's K draws become one: by their mean, or through another function of all K."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.distributions import log_mean_exp, logsumexp


class Reduction:
    """A symmetric function of K costs for any K; a new one writes ``__call__``, over the first axis of any tensor."""

    def __call__(self, cost: Float[Tensor, "K ..."]) -> Float[Tensor, ...]:
        """Returns one number for the K costs of each example."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__")

    def over_batch(self, cost: Float[Tensor, "K B"]) -> Float[Tensor, ""]:
        """Returns the reduced costs, averaged over the examples."""
        return self(cost).mean()

    def signal(self, cost: Float[Tensor, "K B"]) -> Float[Tensor, "K B"]:
        """Returns the reduced cost less that of the other K - 1 draws: what the score function of each is weighed by.

        Raises:
            ValueError: K = 1.
        """
        count = len(cost)
        check_others(count)
        others = [[j for j in range(count) if j != k] for k in range(count)]
        return self(cost) - self(cost[torch.tensor(others, device=cost.device)].transpose(0, 1))


class Mean(Reduction):
    """The mean of the K costs.

    Example:
        >>> Mean().signal(torch.tensor([[3.0], [1.0]])).mT
        tensor([[ 1., -1.]])
    """

    def __call__(self, cost: Tensor) -> Tensor:
        return cost.mean(0)

    def over_batch(self, cost: Tensor) -> Tensor:
        return cost.mean()

    def signal(self, cost: Tensor) -> Tensor:
        check_others(len(cost))
        return (cost - cost.mean(0)) / (len(cost) - 1)  # = (f_k - mean of the other f) / K


class LogMeanExp(Reduction):
    """-log (1/K) sum_k exp(-cost_k): of minus log-weights the importance-weighted bound (Burda et al., 2016, eq. 8).

    Example:
        >>> LogMeanExp()(torch.tensor([[3.0], [3.0]]))
        tensor([3.])
    """

    def __call__(self, cost: Tensor) -> Tensor:
        return -log_mean_exp(-cost, 0)

    def signal(self, cost: Tensor) -> Tensor:
        log_w, count = -cost, len(cost)
        check_others(count)
        own = torch.eye(count, dtype=torch.bool, device=log_w.device).unsqueeze(-1)
        others = logsumexp(log_w.expand(count, *log_w.shape).masked_fill(own, -torch.inf), 1) - math.log(count - 1)
        return others - (logsumexp(log_w, 0) - math.log(count))


def check_others(count: int) -> None:
    """Raises ValueError where there is no other draw."""
    if count < 2:
        raise ValueError(
            "num_samples=1 leaves no other draw to compare with, and the posterior's draws have no gradient; use "
            "num_samples=2 or more, or posteriors.Bernoulli(straight_through=True)"
        )
