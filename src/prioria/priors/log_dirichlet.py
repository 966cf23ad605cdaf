"""A Dirichlet prior of shares."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import LogDirichlet as Base
from prioria.priors.base import Prior


class LogDirichlet(Prior):
    r"""z = log theta + log s, theta ~ Dirichlet(a), s ~ Exp(1): softmax(z) is Dirichlet(a), a learned.

    Args:
        latents: K.
        concentration: a at first, the same for all.

    Raises:
        ValueError: an argument is not positive.

    Example:
        >>> LogDirichlet(2)().log_prob(torch.zeros(2))
        tensor(-2.6931, grad_fn=<SubBackward0>)
    """

    can_narrow = False

    def __init__(self, latents: int, concentration: float = 1.0) -> None:
        super().__init__()
        if latents < 1 or not concentration > 0:
            raise ValueError(f"latents={latents} and concentration={concentration} must be positive")
        self.log_concentration = nn.Parameter(torch.full((latents,), math.log(concentration)))

    def forward(self, context: Tensor | None = None) -> Distribution:
        return Base(self.log_concentration, validate_args=False)
