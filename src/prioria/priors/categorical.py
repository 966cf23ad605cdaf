"""One class of several."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, OneHotCategorical

from prioria.module import Module


class Categorical(Module):
    r"""p(c) = softmax(a)_c for a class c, written as a vector of K bits of which one is 1; a is learned.

    Args:
        classes: K.
        uniform: hold the classes at probability 1/K.

    Raises:
        ValueError: there is no class.

    Example:
        >>> Categorical(4)().log_prob(torch.tensor([0.0, 1.0, 0.0, 0.0])).exp()
        tensor(0.2500, grad_fn=<ExpBackward0>)
    """

    def __init__(self, classes: int, *, uniform: bool = False) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"classes={classes} must be positive")
        self.logits = nn.Parameter(torch.zeros(classes), requires_grad=not uniform)

    def forward(self, context: Tensor | None = None) -> Distribution:
        return OneHotCategorical(logits=self.logits, validate_args=False)
