"""The deterministic bottom-up network of a hierarchy: one pass over x, features for every group."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from prioria.module import Module
from prioria.nets.mlp import ACTIVATIONS, Activation


class BottomUp(Module):
    r"""a_m = W_m x + b_m and a_i = W_i f(a_{i+1}) + b_i: from the group next to x up to the top group.

    Args:
        inputs: width of x.
        sizes: group -> width of a_i, top group first.
        activation: name of f.
        activate_output: return f(a_i), features for heads that are elsewhere, in place of a_i, which may be logits
            themselves.

    Returns:
        A dict group -> (B, width), the encoder of a hierarchy.

    Raises:
        ValueError: no group, or an unknown activation.

    Example:
        >>> import torch
        >>> {name: a.shape[-1] for name, a in BottomUp(6, {"z0": 2, "z1": 4})(torch.zeros(5, 6)).items()}
        {'z1': 4, 'z0': 2}
    """

    def __init__(
        self,
        inputs: int,
        sizes: Mapping[str, int],
        *,
        activation: Activation = "relu",
        activate_output: bool = False,
    ) -> None:
        super().__init__()
        if not sizes:
            raise ValueError("sizes is empty; give the width of each group, top first, such as {'z0': 8, 'z1': 16}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r} is unknown; use one of {', '.join(ACTIVATIONS)}")
        upwards = list(sizes.items())[::-1]
        below = [inputs, *(width for _, width in upwards)]
        self.layers = nn.ModuleDict({name: nn.Linear(below[i], width) for i, (name, width) in enumerate(upwards)})
        self.activation, self.activate_output = ACTIVATIONS[activation](), activate_output

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features, h = {}, x
        for name, layer in self.layers.items():
            a = layer(h)
            h = self.activation(a)
            features[name] = h if self.activate_output else a
        return features
