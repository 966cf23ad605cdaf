"""Counts: the words of a document, the reads of a gene."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution

from prioria import distributions
from prioria.distributions import at_least_float32
from prioria.module import Module


class Multinomial(Module):
    """p(x|z) prop. to prod_w softmax(net(z))_w^(x_w), x_w how often word w occurs in a document.

    The multinomial coefficient, which no model changes, is left out: log p(x|z) = sum_w x_w log softmax(net(z))_w is
    that of the words in their order.

    Args:
        net: network (..., L) -> logits (..., W).

    Example:
        >>> import torch
        >>> Multinomial(nn.Linear(2, 4))(torch.zeros(3, 5, 2)).log_prob(torch.ones(5, 4)).shape
        torch.Size([3, 5])
    """

    legal_as = "Multinomial"  # see data.check_likelihood

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, z: Tensor) -> Distribution:
        return distributions.Words(at_least_float32(self.net(z)))
