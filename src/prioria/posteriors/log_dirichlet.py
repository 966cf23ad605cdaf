"""A Dirichlet posterior of shares."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import LogDirichlet as Base
from prioria.distributions import at_least_float32
from prioria.module import Module
from prioria.nets.gated import linear

BOUND = 15.0  # of log-concentrations


class LogDirichlet(Module):
    r"""z = log theta + log s, theta ~ Dirichlet(a(x)), s ~ Exp(1): softmax(z) is Dirichlet(a(x)).

    Args:
        context: width of the features, in which log a is linear; None where the features are log a.
        latents: K.

    Raises:
        ValueError: there is no latent.

    Example:
        >>> import torch
        >>> LogDirichlet(None, 2)(torch.zeros(5, 2)).mean[0]
        tensor([-1.5772, -1.5772])
    """

    def __init__(self, context: int | None, latents: int) -> None:
        super().__init__()
        if latents < 1:
            raise ValueError(f"latents={latents} must be positive")
        self.head = nn.Identity() if context is None else linear(context, latents)

    def forward(self, context: Tensor | None = None) -> Distribution:
        log_concentration = at_least_float32(self.head(context)).clamp(-BOUND, BOUND)
        return Base(log_concentration, validate_args=False)
