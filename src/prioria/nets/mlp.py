"""Plain dense networks."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from prioria.module import Module
from prioria.nets.rows import Rows

Activation = Literal["relu", "leaky_relu", "elu", "silu", "tanh", "softplus"]
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
}


class MLP(Module):
    """Dense layers with an activation between them.

    Args:
        sizes: widths from input to output, at least two.
        activation: name of the activation after every hidden layer.
        activate_output: apply it after the last layer too, as encoders do whose heads are elsewhere.
        batch_norm: normalize over the batch (and samples) before every activation; not with a VampPrior, whose
            pseudo-inputs would be another batch.

    Raises:
        ValueError: fewer than two sizes, or an unknown activation.

    Example:
        >>> import torch
        >>> MLP(2, 100, 50, 4, activation="leaky_relu")(torch.zeros(3, 2)).shape
        torch.Size([3, 4])
    """

    def __init__(
        self,
        *sizes: int,
        activation: Activation = "relu",
        activate_output: bool = False,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(
                f"sizes={sizes} must be two or more positive widths, input first; for instance MLP(2, 100, 4)"
            )
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r} is unknown; use one of {', '.join(ACTIVATIONS)}")
        layers: list[nn.Module] = []
        for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
            normalized = [nn.BatchNorm1d(outputs)] if batch_norm else []
            layers += [nn.Linear(inputs, outputs), *normalized, ACTIVATIONS[activation]()]
        kept = layers if activate_output else layers[: -2 if batch_norm else -1]
        self.layers = Rows(nn.Sequential(*kept)) if batch_norm else nn.Sequential(*kept)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
