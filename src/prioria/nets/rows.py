"""Any number of leading axes for modules that need exactly one."""

from __future__ import annotations

from torch import Tensor, nn

from prioria.module import Module


class Rows(Module):
    """Flattens the leading axes (K, B, ...) to one batch axis, applies a module, and restores them.

    Convolutions, batch normalization and foreign modules take one batch axis.

    Args:
        module: the module to wrap.
        event_dims: how many trailing axes its input's event has.

    Example:
        >>> import torch
        >>> Rows(nn.Flatten(), event_dims=3)(torch.zeros(3, 5, 1, 4, 4)).shape
        torch.Size([3, 5, 16])
    """

    def __init__(self, module: nn.Module, event_dims: int = 1) -> None:
        super().__init__()
        self.module, self.event_dims = module, event_dims

    def forward(self, x: Tensor) -> Tensor:
        lead = x.shape[: x.dim() - self.event_dims]
        y = self.module(x.reshape(-1, *x.shape[x.dim() - self.event_dims :]))
        return y.reshape(*lead, *y.shape[1:])
