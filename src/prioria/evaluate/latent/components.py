"""Components of a mixture prior that are never used, or that say the same."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from prioria.distributions import as_mixture, kl, take
from prioria.evaluate.aggregate import aggregate_draws
from prioria.evaluate.sampling import Examples, measuring
from prioria.model import VAE

UNUSED = 0.1  # of its weight: a component with less is dead, unless its weight is as far below an even share
SAME = 0.05  # nats of symmetric KL below which two components are one
EXPECTED = 10  # draws by weight: of a component that has fewer, none at all happens by chance (e^-10 otherwise)
MOST = 50_000  # draws for that
KEPT = 1000  # distinct components that all others are compared with: half a minute for 50,000 of 40 latents
ROWS = 50


@dataclass(frozen=True, eq=False)
class Components:
    """The components of a mixture prior.

    Attributes:
        usage: average responsibility of each for draws of the aggregate posterior (C,), which adds up to one.
        dead: how many have less than a tenth of their weight, by which they are sampled, of those that are: the
            weight is at least a tenth of an even share, and stands for at least ten of the draws.
        distinct: how many are left when, in their order, each is left out that is within 0.05 nats of symmetric KL of
            one that is kept. Once 1,000 are kept, what is not within that of any of them counts as distinct.
    """

    usage: Float[Tensor, " C"]
    dead: int
    distinct: int

    @property
    def count(self) -> int:
        """C."""
        return len(self.usage)


def prior_components(
    model: VAE, x: Examples, *, num_samples: int = 5000, seed: int = 0, limit: int | None = None
) -> Components | None:
    """Looks for dead and duplicate components of the top group's prior; None where it is no mixture.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D) whose encodings may use them, or a split of a data set.
        num_samples: draws of the aggregate posterior; ten for each component where these are more, to 50,000.
        seed: of the draws.
        limit: take so many rows only, at even distances; ten for each component where these are more.
    """
    with measuring(model):
        if (prior := as_mixture(model.top.prior(None))) is None:
            return None
        needed = EXPECTED * len(prior.log_weights)
        draws, rows = max(num_samples, needed if needed <= MOST else 0), None if limit is None else max(limit, needed)
        z = aggregate_draws(model, x, num_samples=draws, seed=seed, limit=rows)
        parts = [(prior.component_log_prob(part) + prior.log_weights).softmax(-1).sum(0) for part in z.split(ROWS)]
        usage, distinct = torch.stack(parts).sum(0) / len(z), _distinct(prior.components)
        weight = prior.log_weights.exp()
        sampled = (weight >= UNUSED / len(usage)) & (weight * len(z) > EXPECTED - 0.5)
        dead = int(((usage < UNUSED * weight) & sampled).sum())
    return Components(usage.cpu().clone(), dead, distinct)


def _distinct(components: Distribution) -> int:
    rest, kept = torch.arange(components.batch_shape[0]), 0
    while len(rest) and kept < KEPT:
        first, others = take(components, rest[:1]), take(components, rest)
        apart = kl(first, others) + kl(others, first) >= SAME
        rest, kept = rest[apart.cpu()], kept + 1
    return kept + len(rest)
