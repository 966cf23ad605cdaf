"""Bits inferred from features of x."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import at_least_float32, bernoulli, straight_through_bernoulli
from prioria.module import Module
from prioria.nets.gated import linear


class Bernoulli(Module):
    r"""q(z|x) = prod_j Bernoulli(z_j; sigmoid(a_j)), the logits a linear in a context or in a network of it.

    Args:
        context: width of the context that the head reads (the output width of ``net``, if there is one); None where the
            context is the logits themselves, as in a bottom-up network a_i = W_i f(a_{i+1}).
        latents: number of bits.
        net: network applied to the context first.
        straight_through: pass the gradient of a draw on to its probability (biased). False leaves a draw without a
            gradient: ``objectives.ELBO(num_samples=K)`` with K > 1 then adds the unbiased score-function term.

    Raises:
        ValueError: ``latents`` is not positive.

    Example:
        >>> import torch
        >>> Bernoulli(8, 2)(torch.zeros(5, 8)).batch_shape
        torch.Size([5])
    """

    def __init__(
        self, context: int | None, latents: int, *, net: nn.Module | None = None, straight_through: bool = True
    ) -> None:
        super().__init__()
        if latents < 1:
            raise ValueError(f"latents={latents} must be positive")
        self.net = net if net is not None else nn.Identity()
        self.head = nn.Identity() if context is None else linear(context, latents)
        self.family = straight_through_bernoulli if straight_through else bernoulli

    def forward(self, context: Tensor | None = None) -> Distribution:
        return self.family(at_least_float32(self.head(self.net(context))))
