r"""The exponential-family harmonium: the joint distributions whose posterior is in the encoder's family.

A VAE with p(x|z) = h(x) exp(<nu(x), d(z)> - A(d(z))) and q(z|x) = h'(z) exp(<psi(z), e(x)> - A(e(x))) is consistent,
its bound tight, exactly if d(z) = W psi(z) + u and e(x) = W^T nu(x) + v, which makes its joint distribution

    p(x, z) = h(x) h'(z) exp(<nu(x), W psi(z)> + <nu(x), u> + <psi(z), v>) / Z

(Flach, slides, theorem 1). Here z are bits, and x bits (a restricted Boltzmann machine) or Gaussian of unit variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Size, Tensor, nn
from torch.distributions import Distribution, constraints
from torch.nn.functional import softplus
from torch.utils.checkpoint import checkpoint

from prioria.distributions import bernoulli, logsumexp, normal
from prioria.module import Module
from prioria.theory.enumeration import MAXIMUM_BITS, codes

GIBBS_STEPS = 1000
NUMBERS = 2**22  # natural parameters held at a time in a sum over states


class Harmonium(Module):
    r"""p(x, z) with pairwise weights W and biases u, v; as a prior, the marginal p(z) = exp(<z, v> + A(W z + u)) / Z.

    A(eta) is the log-normalizer of x: sum softplus(eta_i) for bits, |eta|^2 / 2 for unit Gaussians. What needs Z sums
    over the smaller side, exactly; where both sides are over 20 bits it is refused, and draws come from Gibbs
    sampling.

    Args:
        weight: W (visible, hidden), starting values.
        visible_bias: u (visible,).
        hidden_bias: v (hidden,).
        visible: family of x.

    Raises:
        ValueError: shapes that do not fit, or an unknown family.

    Example:
        >>> rbm = Harmonium(torch.zeros(3, 2), torch.zeros(3), torch.zeros(2))
        >>> rbm.log_partition().exp(), rbm().log_prob(torch.ones(2)).exp()
        (tensor(32., grad_fn=<ExpBackward0>), tensor(0.2500, grad_fn=<ExpBackward0>))
    """

    def __init__(
        self,
        weight: Tensor,
        visible_bias: Tensor,
        hidden_bias: Tensor,
        *,
        visible: Literal["bernoulli", "gaussian"] = "bernoulli",
    ) -> None:
        super().__init__()
        if weight.shape != (*visible_bias.shape, *hidden_bias.shape) or weight.dim() != 2:
            raise ValueError(
                f"weight has shape {tuple(weight.shape)}; visible_bias {tuple(visible_bias.shape)} and hidden_bias "
                f"{tuple(hidden_bias.shape)} ask for (visible, hidden)"
            )
        if visible not in ("bernoulli", "gaussian"):
            raise ValueError(f"visible={visible!r} is unknown; use 'bernoulli' or 'gaussian'")
        self.weight = nn.Parameter(weight.clone())
        self.visible_bias, self.hidden_bias = nn.Parameter(visible_bias.clone()), nn.Parameter(hidden_bias.clone())
        self.visible = visible

    def forward(self, context: Tensor | None = None) -> Distribution:
        return HiddenMarginal(self)

    def log_partition(self) -> Float[Tensor, ""]:
        """Returns log Z, in nats.

        Raises:
            ValueError: there is no side of at most 20 bits to sum over.
        """
        side, bits = self._smaller()
        states = codes(bits).to(self.weight)
        return logsumexp(self._of_all(self._hidden_energy if side == "hidden" else self._visible_energy, states))

    def log_prob_visible(self, x: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch"]:
        """Returns log p(x)."""
        base = -0.5 * (x.square() + math.log(2 * math.pi)).sum(-1) if self.visible == "gaussian" else 0.0
        return base + self._visible_energy(x) - self.log_partition()

    def log_prob_hidden(self, z: Float[Tensor, "*batch H"]) -> Float[Tensor, "*batch"]:
        """Returns log p(z)."""
        return self._hidden_energy(z) - self.log_partition()

    def posterior_mean(self, x: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch H"]:
        """Returns E[z | x] = sigmoid(W^T x + v), which is exact: given x the bits of z are independent."""
        return self.encode(x).sigmoid()

    def encode(self, x: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch H"]:
        """Returns e(x) = W^T x + v, the logits of the posterior."""
        return x @ self.weight + self.hidden_bias

    def decode(self, z: Float[Tensor, "*batch H"]) -> Float[Tensor, "*batch V"]:
        """Returns d(z) = W z + u, natural parameters of the likelihood: logits of bits, means of unit Gaussians."""
        return z @ self.weight.mT + self.visible_bias

    def likelihood(self, z: Float[Tensor, "*batch H"]) -> Distribution:
        """Returns p(x | z)."""
        eta = self.decode(z)
        return normal(eta, torch.ones_like(eta)) if self.visible == "gaussian" else bernoulli(eta)

    @torch.no_grad()
    def sample_hidden(self, count: int, *, steps: int = GIBBS_STEPS) -> Float[Tensor, "count H"]:
        """Draws z: exactly where z has at most 20 bits, else by that many steps of Gibbs sampling."""
        hidden = len(self.hidden_bias)
        if hidden > MAXIMUM_BITS:
            return self.gibbs(count, steps=steps)[1]
        states = codes(hidden).to(self.weight)
        return states[torch.multinomial(self._of_all(self._hidden_energy, states).softmax(-1), count, replacement=True)]

    @torch.no_grad()
    def gibbs(self, count: int, *, steps: int = GIBBS_STEPS) -> tuple[Tensor, Tensor]:
        """Returns x and z of so many chains after alternating draws of p(x | z) and p(z | x), from fair bits z."""
        z = torch.bernoulli(torch.full((count, len(self.hidden_bias)), 0.5)).to(self.weight)
        x = self.likelihood(z).sample()
        for _ in range(steps):
            z = torch.bernoulli(self.posterior_mean(x))
            x = self.likelihood(z).sample()
        return x, z

    def _smaller(self) -> tuple[str, int]:
        sides = {"hidden": len(self.hidden_bias)}
        if self.visible == "bernoulli":
            sides["visible"] = len(self.visible_bias)
        side = min(sides, key=sides.__getitem__)
        if sides[side] > MAXIMUM_BITS:
            raise ValueError(f"{sides} bits are too many to sum over; at most {MAXIMUM_BITS} on one side, or use gibbs")
        return side, sides[side]

    def _of_all(self, energy: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
        # 2^20 codes of 784 pixels would take gigabytes: parts are computed again in the backward pass.
        parts = states.split(max(1, NUMBERS // max(self.weight.shape)))
        if len(parts) == 1:
            return energy(states)
        return torch.cat([checkpoint(energy, part, use_reentrant=False) for part in parts])

    def _hidden_energy(self, z: Tensor) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):  # a density: networks may run in half precision, it may not
            eta = self.decode(z)
            log_normalizer = 0.5 * eta.square() if self.visible == "gaussian" else softplus(eta)
            return z @ self.hidden_bias + log_normalizer.sum(-1)

    def _visible_energy(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return x @ self.visible_bias + softplus(self.encode(x)).sum(-1)


class HiddenMarginal(Distribution):
    """The marginal p(z) of a harmonium, as a prior over bits."""

    arg_constraints: dict = {}
    support = constraints.independent(constraints.boolean, 1)  # pyright: ignore[reportAssignmentType]

    def __init__(self, harmonium: Harmonium) -> None:
        self.harmonium = harmonium
        super().__init__(event_shape=harmonium.hidden_bias.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.harmonium.log_prob_hidden(value)

    def sample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        return self.harmonium.sample_hidden(Size(sample_shape).numel()).reshape(*sample_shape, *self.event_shape)
