"""Latent, Draw and descend. Read this first.

A model draws K samples of its latents for B examples and records every density at the values drawn:

    log_w = log p(x|z) - sum over groups (log q(z_i|x, above) - log p(z_i|above))

Its mean over K is the evidence lower bound, its log-mean-exp the importance-weighted bound. Every objective and every
evaluation reads this record; none collects terms of its own, so none can forget a group. Tensors are (K, B, ...), also
for K = 1. Log-densities are in nats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from prioria.distributions import is_bound, sample_and_log_prob
from prioria.stage import Stage, Stages


@dataclass(frozen=True)
class Latent:
    """One group of latents at the value that was drawn.

    Attributes:
        z: the value (K, B, *event).
        log_q: log q(z | x, above) (K, B); None when the group was generated.
        log_p: log p(z | above) (K, B), a lower bound where ``bound`` says so.
        q: the posterior, None when generated; its batch shape broadcasts to (K, B).
        p: the prior; its batch shape broadcasts to (K, B).
    """

    z: Float[Tensor, "K B *event"]
    log_q: Float[Tensor, "K B"] | None
    log_p: Float[Tensor, "K B"]
    q: Distribution | None
    p: Distribution

    @property
    def bound(self) -> bool:
        """Whether ``log_p`` is a lower bound on the log-density."""
        return is_bound(self.p)

    @property
    def rate(self) -> Float[Tensor, "K B"]:
        """The log-ratio log q(z | x) - log p(z) at z; its mean is a KL divergence."""
        if self.log_q is None:
            raise ValueError("rate needs log q(z | x), and this draw was generated; use model.draw(x) instead")
        return self.log_q - self.log_p


@dataclass(frozen=True)
class Draw:
    """What a model drew: the latents of every group, top first, and the likelihood.

    Attributes:
        latents: group name -> :class:`Latent`, top group first.
        px: p(x | z); its batch shape is (K, B).
        x: the data (B, D); None when generated.
        log_px: log p(x | z) (K, B); None when generated.
    """

    latents: dict[str, Latent]
    px: Distribution
    x: Float[Tensor, "B D"] | None = None
    log_px: Float[Tensor, "K B"] | None = None

    @property
    def z(self) -> dict[str, Tensor]:
        """The values alone, group name -> (K, B, *event)."""
        return {name: latent.z for name, latent in self.latents.items()}

    @property
    def distortion(self) -> Float[Tensor, "K B"]:
        """-log p(x | z)."""
        if self.log_px is None:
            raise ValueError("distortion needs data, and this draw was generated; use model.draw(x) instead")
        return -self.log_px

    @property
    def rate(self) -> Float[Tensor, "K B"]:
        """The log-ratio log q - log p, summed over the groups."""
        return torch.stack([latent.rate for latent in self.latents.values()]).sum(0)

    @property
    def log_w(self) -> Float[Tensor, "K B"]:
        """Log importance weight, log p(x, z) - log q(z | x)."""
        return -self.distortion - self.rate

    def resample(self) -> dict[str, Tensor]:
        """Picks one of the K samples of each example in proportion to its weight: group name -> (B, *event)."""
        index = torch.multinomial(self.log_w.mT.softmax(-1), 1).squeeze(-1)
        examples = torch.arange(len(index), device=index.device)
        return {name: z[index, examples] for name, z in self.z.items()}


def descend(
    stages: Mapping[str, Stage] | Stages,
    shape: tuple[int, ...],
    *,
    features: Mapping[str, Any] | None = None,
    given: Mapping[str, Tensor] | None = None,
    top: tuple[Distribution, Distribution | None] | None = None,
) -> tuple[dict[str, Latent], Any]:
    """Walks from the top group to the bottom, once, and returns the latents and what the likelihood sees.

    Args:
        stages: the groups, top first.
        shape: (K, B), or any axes that lead to the latents.
        features: features of x for each group: infer. None: generate from the priors.
        given: values to replay or hold, for some groups, (K, B, *event) or any shape that broadcasts to it.
        top: prior and posterior of the first group, if they are known already.

    Raises:
        ValueError: a posterior over another number of latents than its prior, or values of another shape.
    """
    latents: dict[str, Latent] = {}
    above: Any = None
    for name, stage in stages.items():
        if top is not None and not latents:
            p, q = top
        else:
            p = stage.prior(above)
            q = None if features is None else stage.posterior(features[name], above, p)
        if q is not None and q.event_shape != p.event_shape:
            raise ValueError(
                f"group {name!r}: its posterior is over latents of shape {tuple(q.event_shape)}, its prior over "
                f"{tuple(p.event_shape)}; give both the same number of latents (a distribution of your own declares "
                "its event axes)"
            )
        held = None if given is None or name not in given else _held(name, given[name], (*shape, *p.event_shape))
        z, log_q, log_p = _visit(p, q, shape, held)
        latents[name] = Latent(z=z, log_q=log_q, log_p=log_p, q=q, p=p)
        above = stage.merge(above, z)
    return latents, above


def _held(name: str, value: Tensor, shape: tuple[int, ...]) -> Tensor:
    try:
        return value.expand(shape)
    except RuntimeError as error:
        raise ValueError(
            f"group {name!r}: values of shape {tuple(value.shape)} do not stand for draws of shape {shape}; give a "
            "shape that broadcasts to it"
        ) from error


def _visit(
    p: Distribution, q: Distribution | None, shape: tuple[int, ...], z: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor]:
    if z is not None:
        return z, None if q is None else q.log_prob(z), p.log_prob(z)
    if q is None:
        z = _spread(p, shape).sample(_missing(p, shape))
        return z, None, p.log_prob(z)
    z, log_q = sample_and_log_prob(_spread(q, shape), _missing(q, shape))
    return z, log_q, p.log_prob(z)


def _missing(d: Distribution, shape: tuple[int, ...]) -> torch.Size:
    return torch.Size(shape[: len(shape) - len(d.batch_shape)])


def _spread(d: Distribution, shape: tuple[int, ...]) -> Distribution:
    # A batch axis of one that stands for several examples must be drawn several times, not drawn once and repeated.
    target = torch.Size(shape[len(shape) - len(d.batch_shape) :])
    return d if d.batch_shape == target else d.expand(target)
