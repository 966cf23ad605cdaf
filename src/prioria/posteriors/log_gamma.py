"""A Dirichlet posterior of shares."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from prioria.distributions import LogGamma as Base
from prioria.distributions import at_least_float32
from prioria.module import Module
from prioria.nets.gated import linear

BOUND = 15.0  # of log-concentrations


class LogGamma(Module):
    r"""q(z|x) = prod_k LogGamma(a_k(x)): softmax(z) is Dirichlet(a(x)); KL and entropy are closed.

    Args:
        context: width of the features, in which log a is linear; None where the features are log a.
        latents: K.

    Raises:
        ValueError: there is no latent.

    Example:
        >>> import torch
        >>> LogGamma(None, 2)(torch.zeros(5, 2)).mean[0]
        tensor([-0.5772, -0.5772])
    """

    def __init__(self, context: int | None, latents: int) -> None:
        super().__init__()
        if latents < 1:
            raise ValueError(f"latents={latents} must be positive")
        self.head = nn.Identity() if context is None else linear(context, latents)

    def forward(self, context: Tensor | None = None) -> Distribution:
        log_concentration = at_least_float32(self.head(context)).clamp(-BOUND, BOUND)
        return Independent(Base(log_concentration, validate_args=False), 1, validate_args=False)
