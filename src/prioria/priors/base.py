"""What a prior is asked besides its density."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.module import Module


class Prior(Module):
    """A module whose ``forward()`` returns p(z). Any other module that does is a prior too, and meets the same checks.

    Attributes:
        can_narrow: whether its density can grow without end around single points, so that a point in place of a
            posterior has a rate without a minimum. True unless a prior says otherwise: of one that says nothing the
            worst is assumed.
    """

    can_narrow: bool = True

    def forward(self, context: Tensor | None = None) -> Distribution:
        """Returns p(z)."""
        raise NotImplementedError(f"{type(self).__name__} must define forward")

    def bind(self, group: str, encoder: nn.Module, posterior: nn.Module) -> None:
        """Takes its group and its model's networks once; raises ValueError where it was made for others."""

    def begin(self, x: Tensor) -> None:
        """Takes some training rows (N, D), as the encoder reads them, before the first step of a new training."""

    def at_rows(self, rows: Tensor | None) -> None:
        """Takes the numbers (B,) of the rows of a training step before it, and None after it."""

    def check_training(self) -> None:
        """Raises ValueError, before the first step, where training the prior with its model would go wrong."""
