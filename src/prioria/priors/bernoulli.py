"""Bits, alone or given the group above."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import at_least_float32, bernoulli
from prioria.nets.gated import linear
from prioria.priors.base import Prior


class Bernoulli(Prior):
    r"""p(z) = prod_j Bernoulli(z_j; sigmoid(d_j)); d is a parameter, or linear in (a network of) the group above.

    Args:
        latents: number of bits.
        above: width of the group above (the output width of ``net``, if there is one); None for a top group.
        net: network applied to the group above first.
        uniform: hold a top group at probability 1/2, the prior of the binary code in semantic hashing.

    Raises:
        ValueError: ``latents`` is not positive, or a prior below another group is asked to be uniform, or a network
            has no group above to read.

    Example:
        >>> Bernoulli(3)().log_prob(torch.ones(3)).exp()
        tensor(0.1250, grad_fn=<ExpBackward0>)
    """

    can_narrow = False

    def __init__(
        self, latents: int, *, above: int | None = None, net: nn.Module | None = None, uniform: bool = False
    ) -> None:
        super().__init__()
        if latents < 1:
            raise ValueError(f"latents={latents} must be positive")
        if above is not None and uniform:
            raise ValueError(f"uniform=True ignores the group above (above={above}); leave one of them out")
        if net is not None and above is None:
            raise ValueError("net=... reads the group above, and above=None says there is none; give its width")
        self.net = net if net is not None else nn.Identity()
        self.head = None if above is None else linear(above, latents)
        self.logits = None if self.head else nn.Parameter(torch.zeros(latents), requires_grad=not uniform)

    def forward(self, context: Tensor | None = None) -> Distribution:
        if self.head is None:
            return bernoulli(self.get_parameter("logits"))
        return bernoulli(at_least_float32(self.head(self.net(context))))
