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

from prioria.distributions import is_binary, is_bound
from prioria.draw import Draw
from prioria.model import VAE, Condition
from prioria.stage import check_decided

MAXIMUM_BITS = 20
ROWS = 2**20  # numbers of x held at a time
MASS = 1e-3  # of q(z|x) or p(x, z) that a grid may miss
SHARE = 0.45  # of a mass at one place along a latent: a Gaussian as wide as a step has 0.4, and is right to 1e-8


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
    """Every value of all latents (S, 1, ...), and the logarithm of the volume that each stands for (0 for bits).

    Attributes:
        z: by group.
        log_volume: of each.
        sides: points along each dimension of a grid; empty for bits.
    """

    z: dict[str, Tensor]
    log_volume: float
    sides: tuple[int, ...] = ()

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
        model: all of its groups bits (at most 20 in total), or one or two real latents in all.
        x: the data (B, D).
        reach: the grid of real latents is [-reach, reach] in each dimension.
        points: points of the grid in each dimension.
        states: what :func:`states_of` returned, where it is needed many times.

    Raises:
        ValueError: the latents are too many, or some bits and some real; a prior's density is only a bound, or a part
            of the model is still random; the grid is too coarse or too short for q(z|x) or p(x, z).
    """
    condition = model.condition(x)
    if states is None:
        states = states_of(model, x, reach=reach, points=points)
    joint, log_q = _replay(condition, states)
    if states.sides:
        _check_grid(joint, log_q, states)
    mass = log_q.exp() * math.exp(states.log_volume)
    elbo = torch.where(mass > 0, mass * (joint - log_q), 0.0).sum(0)
    return Exact(log_likelihood=torch.logsumexp(joint, 0) + states.log_volume, elbo=elbo)


def states_of(model: VAE, x: Float[Tensor, "B D"], *, reach: float = 10.0, points: int = 401) -> States:
    """Returns every joint value of a model's latents; see :func:`exact`."""
    check_decided(model.stages)
    with torch.random.fork_rng(), torch.no_grad():
        latents = model.draw(x[:1]).latents
    events = {name: latent.z.shape[2:] for name, latent in latents.items()}
    sizes = {name: event.numel() for name, event in events.items()}
    like = next(iter(latents.values())).z
    if all(is_binary(latent.q) for latent in latents.values()):
        return States(_split(codes(sum(sizes.values())).to(like), events), 0.0)
    if sum(sizes.values()) > 2 or any(is_binary(latent.q) for latent in latents.values()):
        raise ValueError(
            f"latents={sizes} are too many, or of two kinds: bits alone are summed over, or 1 or 2 real latents"
        )
    if any(is_bound(latent.p) for latent in latents.values()):
        raise ValueError("the prior's density is only a bound, another at every call; use evaluate.log_likelihood")
    axis = torch.linspace(-reach, reach, points).to(like)
    grid = torch.cartesian_prod(*[axis] * sum(sizes.values())).reshape(-1, sum(sizes.values()))
    log_volume = sum(sizes.values()) * math.log(2 * reach / (points - 1))
    return States(_split(grid, events), log_volume, (points,) * sum(sizes.values()))


def _split(values: Tensor, events: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    parts = values.unsqueeze(1).split([event.numel() for event in events.values()], -1)
    return {name: part.unflatten(-1, event) for (name, event), part in zip(events.items(), parts, strict=True)}


@torch.no_grad()
def _check_grid(joint: Tensor, log_q: Tensor, states: States) -> None:
    """Raises ValueError where q(z|x) or p(x, z) has not its mass on the grid, or is narrower than a step of it."""
    missing = ((torch.logsumexp(log_q, 0) + states.log_volume).exp() - 1).abs().max().item()
    along_joint, along_q = _shares(joint, states.sides), _shares(log_q, states.sides)
    largest, beyond = max(along_joint.max().item(), along_q.max().item()), _beyond(along_joint)
    if missing > MASS or beyond > MASS or largest > SHARE:
        raise ValueError(
            f"points={states.sides[0]} along each latent do not resolve q(z|x) or p(x, z): the mass of q is off by "
            f"{missing:.2g}, about {beyond:.2g} of that of p(x, z) is beyond the grid, and a single step holds "
            f"{largest:.0%} of a mass; use more points, or a larger reach"
        )


def _shares(log_mass: Tensor, sides: tuple[int, ...]) -> Tensor:
    """Returns the shares of a mass (S, B) at each place along each latent (places, latents, B)."""
    mass = log_mass.softmax(0).unflatten(0, sides)
    return mass.unsqueeze(1) if len(sides) == 1 else torch.stack([mass.sum(1), mass.sum(0)], 1)


def _beyond(shares: Tensor) -> float:
    """Returns the largest share beyond an end of a latent, were it to fall from there on as at the last step.

    A log-concave mass has no more there. One that does not fall is taken to go on as high for another grid.
    """
    last, before = shares[[0, -1]], shares[[1, -2]]
    lost = last.square() / torch.maximum(before - last, last / len(shares))  # last (r + r^2 + ...), r = last / before
    return lost.nan_to_num().max().item()  # 0 / 0 where nothing is left at the end


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
