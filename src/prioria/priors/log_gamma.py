"""A Dirichlet prior of shares."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from prioria.distributions import LogGamma as Base
from prioria.priors.base import Prior


class LogGamma(Prior):
    r"""p(z) = prod_k exp(a_k z_k - e^{z_k}) / Gamma(a_k): softmax(z) is Dirichlet(a), a learned.

    Args:
        latents: K.
        concentration: a at first, the same for all.

    Raises:
        ValueError: an argument is not positive.

    Example:
        >>> LogGamma(3, 0.5)().log_prob(torch.zeros(3))
        tensor(-4.7171, grad_fn=<SumBackward1>)
    """

    can_narrow = False

    def __init__(self, latents: int, concentration: float = 1.0) -> None:
        super().__init__()
        if latents < 1 or not concentration > 0:
            raise ValueError(f"latents={latents} and concentration={concentration} must be positive")
        self.log_concentration = nn.Parameter(torch.full((latents,), math.log(concentration)))

    def forward(self, context: Tensor | None = None) -> Distribution:
        return Independent(Base(self.log_concentration, validate_args=False), 1, validate_args=False)
