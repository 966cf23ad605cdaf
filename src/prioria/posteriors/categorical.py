"""One class of several, inferred from features of x."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution, OneHotCategorical, OneHotCategoricalStraightThrough

from prioria.distributions import at_least_float32
from prioria.module import Module
from prioria.nets.gated import linear


class Categorical(Module):
    r"""q(c|x) = softmax(a(x))_c for a class c, written as a vector of K bits of which one is 1.

    Args:
        context: width of the features, in which the logits a are linear; None where the features are the logits.
        classes: K.
        straight_through: pass the gradient of a draw on to its probability (biased). False leaves a draw without a
            gradient: ``objectives.Enumerated`` needs none, and ``objectives.ELBO(num_samples=K)`` with K > 1 adds the
            unbiased score-function term.

    Raises:
        ValueError: there is no class.

    Example:
        >>> import torch
        >>> Categorical(None, 2)(torch.zeros(5, 2)).mean[0]
        tensor([0.5000, 0.5000])
    """

    def __init__(self, context: int | None, classes: int, *, straight_through: bool = False) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"classes={classes} must be positive")
        self.head = nn.Identity() if context is None else linear(context, classes)
        self.family = OneHotCategoricalStraightThrough if straight_through else OneHotCategorical

    def forward(self, context: Tensor | None = None) -> Distribution:
        return self.family(logits=at_least_float32(self.head(context)), validate_args=False)
