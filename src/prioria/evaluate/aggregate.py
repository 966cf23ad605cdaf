"""The aggregate posterior q(z) = (1/N) sum_n q(z | x_n) of the top group."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from prioria.distributions import Mixture, concatenate, take
from prioria.evaluate.sampling import Group, Sampling

TILE = 2**22  # float64 numbers of one tile, 32 MB


def aggregate_posterior(sampling: Sampling) -> Mixture:
    """Returns the mixture of the posteriors of all examples.

    Raises:
        ValueError: the posterior has no density at a z that it did not draw, or one that is not a diagonal Gaussian or
            Bernoulli.
    """
    top = sampling.model.groups[0]
    try:
        return Mixture(concatenate([_posteriors(group) for group in sampling.groups]))
    except ValueError as error:
        raise ValueError(
            f"posterior of {top!r}: an aggregate posterior needs log q(z | x_n) of every example at every z; "
            "use a diagonal one, posteriors.Gaussian or posteriors.Bernoulli"
        ) from error


def log_density(aggregate: Mixture, z: Float[Tensor, "K B D"]) -> Float[Tensor, "K B"]:
    """Returns the log-density of the aggregate posterior, in tiles of rows: all of (K B, N) at once would not fit."""
    rows = max(1, TILE // aggregate.components.batch_shape[0])
    parts = [aggregate.log_prob(part) for part in z.flatten(0, 1).split(rows)]
    return torch.cat(parts).unflatten(0, z.shape[:2])


def _posteriors(group: Group) -> Distribution:
    _, q = group.condition.top
    members = torch.arange(group.sampling.group_size)[group.wanted]
    return take(q.expand(torch.Size([group.sampling.group_size])), members)
