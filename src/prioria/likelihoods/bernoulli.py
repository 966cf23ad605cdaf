"""Bits."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import at_least_float32, bernoulli
from prioria.module import Module
from prioria.nets.centering import center_output


class Bernoulli(Module):
    """p(x|z) = prod_d Bernoulli(x_d; sigmoid(net(z)_d)), on logits.

    Args:
        net: network (..., L) -> logits (..., D).

    Example:
        >>> import torch
        >>> Bernoulli(nn.Linear(2, 3))(torch.zeros(4, 5, 2)).log_prob(torch.ones(5, 3)).shape
        torch.Size([4, 5])
    """

    legal_as = "Bernoulli"  # see data.check_likelihood

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, z: Tensor) -> Distribution:
        return bernoulli(at_least_float32(self.net(z)))

    def start_at_output(self, z: Tensor, rows: Tensor) -> bool:
        """Moves the output so that its mean over z has the logits of the columns' frequencies in rows (N, D)."""
        frequency = (rows.flatten(1).sum(0) + 0.5) / (len(rows) + 1)
        return center_output(self.net, z, frequency.logit())
