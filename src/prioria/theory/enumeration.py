r"""Exact log p(x), bound and posterior gap of small models: a sum over all bits, or a grid over real latents.

Where z is at hand in full, L = log p(x) = log sum_z p(x, z), the bound is sum_z q(z|x) log p(x, z) / q(z|x), and their
difference is KL(q(z|x) || p(z|x)), the error that the ELBO objective makes (Flach, slides, page 9). Everything is read
from the model's own record, replayed at every z, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent

from prioria.draw import Draw
from prioria.model import VAE, Condition

MAXIMUM_BITS = 20
ROWS = 2**20  # numbers of x held at a time


@dataclass(frozen=True)
class Exact:
    """Exact quantities of each example (B,), in nats.

    Attributes:
        log_likelihood: log p(x).
        elbo: E_q log p(x, z) - log q(z | x).
    """

    log_likelihood: Float[Tensor, " B"]
    elbo: Float[Tensor, " B"]

    @property
    def approximation_error(self) -> Float[Tensor, " B"]:
        """KL(q(z|x) || p(z|x)), by which the bound is below log p(x)."""
        return self.log_likelihood - self.elbo


@dataclass(frozen=True, eq=False)
class States:
    """Every value of all latents (S, 1, ...), and the logarithm of the volume that each stands for (0 for bits)."""

    z: dict[str, Tensor]
    log_volume: float

    def __len__(self) -> int:
        return len(next(iter(self.z.values())))


def codes(bits: int) -> Float[Tensor, "S bits"]:
    """Returns all 2^bits codes, the first bit the most significant.

    Raises:
        ValueError: more than 20 bits.

    Example:
        >>> codes(2).tolist()
        [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    if not 0 < bits <= MAXIMUM_BITS:
        raise ValueError(f"bits={bits} cannot be enumerated: from 1 to {MAXIMUM_BITS}; estimate by sampling instead")
    powers = 2 ** torch.arange(bits - 1, -1, -1)
    return (torch.arange(2**bits).unsqueeze(-1) // powers % 2).float()


def exact(
    model: VAE,
    x: Float[Tensor, "B D"],
    *,
    reach: float = 10.0,
    points: int = 401,
    states: States | None = None,
) -> Exact:
    """Sums over every state of the latents; differentiable, so its gradient is the exact one.

    Args:
        model: all of its groups bits (at most 20 in total), or one group of one or two real latents.
        x: the data (B, D).
        reach: the grid of real latents is [-reach, reach] in each dimension.
        points: points of the grid in each dimension.
        states: what :func:`states_of` returned, where it is needed many times.

    Raises:
        ValueError: the latents are too many.
    """
    condition = model.condition(x)
    if states is None:
        states = states_of(model, x, reach=reach, points=points)
    joint, log_q = _replay(condition, states)
    mass = log_q.exp() * math.exp(states.log_volume)
    elbo = torch.where(mass > 0, mass * (joint - log_q), 0.0).sum(0)
    return Exact(log_likelihood=torch.logsumexp(joint, 0) + states.log_volume, elbo=elbo)


def states_of(model: VAE, x: Float[Tensor, "B D"], *, reach: float = 10.0, points: int = 401) -> States:
    """Returns every joint value of a model's latents; see :func:`exact`."""
    with torch.random.fork_rng(), torch.no_grad():
        latents = model.draw(x[:1]).latents
    sizes = {name: latent.z.shape[-1] for name, latent in latents.items()}
    like = next(iter(latents.values())).z
    if all(_is_bits(latent.q) for latent in latents.values()):
        return States(_split(codes(sum(sizes.values())).to(like), sizes), 0.0)
    if sum(sizes.values()) > 2:
        raise ValueError(f"latents={sizes} are too many; only bits, or at most 2 real latents, are summed over")
    axis = torch.linspace(-reach, reach, points).to(like)
    grid = torch.cartesian_prod(*[axis] * sum(sizes.values())).reshape(-1, sum(sizes.values()))
    return States(_split(grid, sizes), sum(sizes.values()) * math.log(2 * reach / (points - 1)))


def _split(values: Tensor, sizes: Mapping[str, int]) -> dict[str, Tensor]:
    parts = values.unsqueeze(1).split(list(sizes.values()), -1)
    return dict(zip(sizes, parts, strict=True))


def _is_bits(d: Distribution | None) -> bool:
    return isinstance(d, Independent) and isinstance(d.base_dist, Bernoulli)


def _replay(condition: Condition, states: States) -> tuple[Tensor, Tensor]:
    # log p(x, z) and log q(z | x), (S, B), a part of the states at a time.
    chunk = max(1, ROWS // condition.x.numel())
    parts = [
        _terms(condition.draw(len(range(*part.indices(len(states)))), given={n: z[part] for n, z in states.z.items()}))
        for part in (slice(start, start + chunk) for start in range(0, len(states), chunk))
    ]
    joint, log_q = zip(*parts, strict=True)
    return torch.cat(joint), torch.cat(log_q)


def _terms(draw: Draw) -> tuple[Tensor, Tensor]:
    log_p = torch.stack([latent.log_p for latent in draw.latents.values()]).double().sum(0)
    log_q = torch.stack([latent.log_q for latent in draw.latents.values() if latent.log_q is not None]).double().sum(0)
    return log_p - draw.distortion.double(), log_q
