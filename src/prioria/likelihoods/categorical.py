"""Classes."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import at_least_float32, categorical
from prioria.module import Module


class Categorical(Module):
    """p(x|z) = prod_d Categorical(x_d; softmax_c(net(z)_(c D + d))), x_d in 0..C-1.

    Args:
        net: network (..., L) -> logits (..., C*D): those of category 0 for all dimensions, then those of category 1,
            as convolutional decoders with ``outputs_per_pixel=C`` give them.
        categories: C, at least 2.

    Raises:
        ValueError: fewer than two categories.
    """

    legal_as = "Categorical"  # see data.check_likelihood

    def __init__(self, net: nn.Module, categories: int) -> None:
        super().__init__()
        if categories < 2:
            raise ValueError(f"categories={categories} leaves nothing to choose from; use at least 2")
        self.net, self.categories = net, categories

    @staticmethod
    def outputs_per_value(categories: int) -> int:
        """Returns how many outputs of the network there are for each value of x: a logit for each category."""
        return categories

    def check_values(self, largest: float, name: str) -> None:
        """Refuses data that the categories do not hold.

        Args:
            largest: the largest value of the data.
            name: what the message calls the data.

        Raises:
            ValueError: there is no category for the largest value.
        """
        if largest >= self.categories:
            raise ValueError(
                f"categories={self.categories} has no place for {largest:.0f}, the largest value of {name}; "
                f"train with categories={largest + 1:.0f}"
            )

    def forward(self, z: Tensor) -> Distribution:
        return categorical(at_least_float32(self.net(z)).unflatten(-1, (self.categories, -1)).mT)
