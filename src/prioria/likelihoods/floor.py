"""A lower bound that a learned scale can leave again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _AtLeast(torch.autograd.Function):
    """max(x, bound), with the gradient of x where x is above the bound or a step would bring it there."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp(min=bound)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,), (gradient,) = ctx.saved_tensors, gradients
        return torch.where((x >= ctx.bound) | (gradient < 0), gradient, 0.0), None


def at_least(x: Tensor, bound: float) -> Tensor:
    """Returns max(x, bound) for a learned x: a clamp would hold one that has sunk below the bound there for ever."""
    found = _AtLeast.apply(x, bound)
    assert isinstance(found, Tensor)
    return found
