"""The joint log p(z) + log p(x | z) as a function of one vector of all latents, for methods that move through it."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, constraints

from prioria.distributions import is_bound, is_discrete
from prioria.distributions.marginal import Marginal
from prioria.draw import descend
from prioria.model import VAE


class Joint:
    """All latents of a model in one vector (K, B, L), top group first; ``bits`` (L,) marks those that are 0 or 1.

    Where the top prior is a marginal p(z) = integral of p(z|zeta) p(zeta) d zeta, the vector begins with zeta, and
    every density is exact. To be used while measuring; nothing here asks the encoder.

    Args:
        model: the model.

    Raises:
        ValueError: a group has classes, or a group below the top has a prior whose density is only a bound.
    """

    def __init__(self, model: VAE) -> None:
        self.model = model
        with torch.inference_mode(False), torch.no_grad():  # ordinary tensors: gradients in z pass through them
            self.prior = model.top.prior(None)
            self.zeta = self.prior.zeta if isinstance(self.prior, Marginal) else None
            latents, _ = descend(model.stages, (1, 1), top=(self._top(self._draw_zeta(1, 1)), None))
        self.events = {name: latent.z.shape[2:] for name, latent in latents.items()}
        zetas = [] if self.zeta is None else [False] * self.zeta.event_shape.numel()
        groups = [[_is_bits(name, latent.p)] * latent.z.numel() for name, latent in latents.items()]
        self.bits = torch.tensor(sum(groups, zetas), device=next(iter(latents.values())).z.device)

    def draw(self, num_samples: int, examples: int) -> Float[Tensor, "K B L"]:
        """Draws from the prior, group by group."""
        zeta = self._draw_zeta(num_samples, examples)
        latents, _ = descend(self.model.stages, (num_samples, examples), top=(self._top(zeta), None))
        values = [latent.z.flatten(2) for latent in latents.values()]
        return torch.cat(values if zeta is None else [zeta, *values], -1)

    def densities(self, z: Float[Tensor, "K B L"]) -> tuple[Float[Tensor, "K B"], Distribution]:
        """Returns log p(z), zeta included, and p(x | z)."""
        log_p = torch.zeros(z.shape[:2], dtype=z.dtype, device=z.device)
        zeta = None
        if self.zeta is not None:
            zeta, z = z.tensor_split([self.zeta.event_shape.numel()], -1)
            log_p = self.zeta.log_prob(zeta)
        parts = z.split([math.prod(event) for event in self.events.values()], -1)
        given = {
            name: part.unflatten(-1, event) for (name, event), part in zip(self.events.items(), parts, strict=True)
        }
        shape = (z.shape[0], z.shape[1])
        latents, above = descend(self.model.stages, shape, given=given, top=(self._top(zeta), None))
        log_p = log_p + torch.stack([latent.log_p for latent in latents.values()]).sum(0)
        return log_p, self.model.likelihood(above)

    def _draw_zeta(self, num_samples: int, examples: int) -> Tensor | None:
        return None if self.zeta is None else self.zeta.sample(Size([num_samples, examples]))

    def _top(self, zeta: Tensor | None) -> Distribution:
        return self.prior.decoder(zeta) if isinstance(self.prior, Marginal) else self.prior


def _is_bits(name: str, p: Distribution) -> bool:
    if is_bound(p):
        raise ValueError(f"group {name!r} below the top has a prior whose density is only a bound; give it another one")
    if not is_discrete(p):
        return False
    if getattr(p.support, "base_constraint", p.support) is not constraints.boolean:
        raise ValueError(
            f"group {name!r} has classes, where neither a gradient nor a flip of a bit leads on; use "
            "evaluate.log_likelihood"
        )
    return True
