"""The joint log p(z) + log p(x | z) as a function of one vector of all latents, for methods that move through it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, constraints

from prioria.distributions import is_bound, is_discrete
from prioria.draw import Latent, descend
from prioria.model import VAE

MOST = 256  # values of all discrete groups together that are summed over
BITS = torch.tensor([[0.0], [1.0]])


class Joint:
    """All latents of a model in one vector (K, B, L), top group first.

    ``bits`` (L,) marks those that are 0 or 1, ``real`` (L,) those that are no values of a list. ``classes`` has of each
    group that is one of C values its place in the vector, and these values (C, n).

    Where the top prior is a marginal p(z) = integral of p(z|zeta) p(zeta) d zeta, the vector begins with zeta, and
    every density is exact. To be used while measuring; nothing here asks the encoder.

    Args:
        model: the model.

    Raises:
        ValueError: the values of a discrete group cannot be listed, or a group below the top has a prior whose density
            is only a bound.
    """

    def __init__(self, model: VAE) -> None:
        self.model = model
        with torch.inference_mode(False), torch.no_grad():  # ordinary tensors: gradients in z pass through them
            self.prior = model.top.prior(None)
            self.zeta = getattr(self.prior, "zeta", None)  # latents of its own
            latents, _ = descend(model.stages, (1, 1), top=(self._top(self._draw_zeta(1, 1)), None))
            self._place(latents, 0 if self.zeta is None else self.zeta.event_shape.numel())
        self.events = {name: latent.z.shape[2:] for name, latent in latents.items()}

    def _place(self, latents: Mapping[str, Latent], start: int) -> None:
        size = start + sum(latent.z.numel() for latent in latents.values())
        self.bits = torch.zeros(size, dtype=torch.bool, device=next(iter(latents.values())).z.device)
        self.real = ~self.bits
        self.classes: list[tuple[slice, Tensor]] = []
        for name, latent in latents.items():
            place = slice(start, start := start + latent.z.numel())
            values = _values(name, latent.p)
            self.real[place] = values is None
            self.bits[place] = values is BITS
            if values is not None and values is not BITS:
                self.classes.append((place, values))

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

    def log_densities(self, z: Float[Tensor, "K B L"], x: Float[Tensor, "N D"]) -> tuple[Tensor, Tensor]:
        """Returns log p(x | z) and log p(x, z), both (K, N), for z of each row or common to all (B = 1)."""
        log_p, px = self.densities(z)
        log_px = px.log_prob(x)
        return log_px, log_p + log_px

    def _draw_zeta(self, num_samples: int, examples: int) -> Tensor | None:
        return None if self.zeta is None else self.zeta.sample(Size([num_samples, examples]))

    def _top(self, zeta: Tensor | None) -> Distribution:
        return self.prior if zeta is None else self.prior.decoder(zeta)  # pyright: ignore[reportAttributeAccessIssue]


class Summed:
    """A joint in which every discrete group is summed over: a function of the R real latents alone.

    Args:
        joint: of all latents.

    Raises:
        ValueError: no latent is real, or the discrete ones have too many values together.
    """

    def __init__(self, joint: Joint) -> None:
        if not joint.real.any():
            raise ValueError("a grid needs real latents, and this model has none; use theory.exact, or method='ais'")
        bits = joint.bits.nonzero().flatten().tolist()
        listed = [*joint.classes, *((slice(bit, bit + 1), BITS) for bit in bits)]
        count = math.prod(len(values) for _, values in listed)
        if count > MOST:
            raise ValueError(
                f"the discrete latents have {count:,} values, and at most {MOST} are summed; use method='ais'"
            )
        self.joint, self.real = joint, joint.real
        with torch.inference_mode(False):  # gradients in z pass through them
            self.codes = torch.zeros(count, len(joint.bits), device=joint.bits.device)
            for code, values in zip(self.codes, itertools.product(*(each for _, each in listed)), strict=True):
                for (place, _), value in zip(listed, values, strict=True):
                    code[place] = value

    def draw(self, num_samples: int, examples: int) -> Float[Tensor, "K B R"]:
        """Draws the real latents from the prior."""
        return self.joint.draw(num_samples, examples)[..., self.real]

    def log_densities(self, z: Float[Tensor, "K B R"], x: Float[Tensor, "N D"]) -> tuple[Tensor, Tensor]:
        """Returns log p(x | z) and log p(x, z), both (K, N), of the real latents."""
        if len(self.codes) == 1:
            return self.joint.log_densities(z, x)
        found = []
        for code in self.codes.to(z):
            whole = code.expand(*z.shape[:-1], -1).masked_scatter(self.real.expand(*z.shape[:-1], -1), z)
            log_px, log_pxz = self.joint.log_densities(whole, x)
            found.append(torch.stack([log_pxz - log_px, log_pxz]))
        log_p, log_pxz = torch.stack(found).logsumexp(0)
        return log_pxz - log_p, log_pxz


def _values(name: str, p: Distribution) -> Tensor | None:
    """The values (C, n) that a group takes, those of each latent alone where they are bits; None where it is real."""
    if is_bound(p):
        raise ValueError(f"group {name!r} below the top has a prior whose density is only a bound; give it another one")
    if not is_discrete(p):
        return None
    if getattr(p.support, "base_constraint", p.support) is constraints.boolean:
        return BITS
    if not p.has_enumerate_support:
        raise ValueError(
            f"group {name!r} has values that cannot be listed, where neither a gradient nor a flip of a bit leads on; "
            "use evaluate.log_likelihood"
        )
    values = p.enumerate_support()
    return values.reshape(len(values), p.batch_shape.numel(), -1)[:, 0]
