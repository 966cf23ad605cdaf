"""Networks with more than one input: features of x beside the latents above."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prioria.module import Module
from prioria.nets.gated import linear


class Chain(Module):
    """One module after another, as ``nn.Sequential``, in a form that is saved."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.chain = nn.Sequential(*modules)

    def forward(self, x: Tensor) -> Tensor:
        return self.chain(x)


class Parallel(Module):
    """Splits the last axis, sends each part through its own module, and concatenates what comes out.

    Args:
        sizes: widths of the parts; they must add up to the width of the input.
        modules: one module for each part.

    Raises:
        ValueError: the numbers of sizes and modules differ.
    """

    def __init__(self, sizes: Sequence[int], modules: Sequence[nn.Module]) -> None:
        super().__init__()
        if len(sizes) != len(modules):
            raise ValueError(
                f"sizes has {len(sizes)} parts but modules has {len(modules)}; give one module for each part"
            )
        self.sizes, self.parts = list(sizes), nn.ModuleList(modules)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([part(piece) for part, piece in zip(self.parts, x.split(self.sizes, -1), strict=True)], -1)


class Join(Module):
    """Gated dense layer of features of x (B, F) and a network of the latents above (K, B, L).

    The layer acts on the concatenation [f(x), g(z)]; its weight is kept in two halves, so that the half of x is
    computed once per example however many samples K there are.

    Args:
        features: width F of the features.
        above: network of the latents above, with output width ``width``.
        width: output width of ``above``.
        outputs: width of the result (K, B, outputs).
    """

    def __init__(self, features: int, above: nn.Module, *, width: int, outputs: int) -> None:
        super().__init__()
        whole = linear(features + width, 2 * outputs)
        self.above = above
        self.of_features = nn.Linear(features, 2 * outputs)
        self.of_above = nn.Linear(width, 2 * outputs, bias=False)
        with torch.no_grad():
            self.of_features.weight.copy_(whole.weight[:, :features])
            self.of_features.bias.copy_(whole.bias)
            self.of_above.weight.copy_(whole.weight[:, features:])

    def forward(self, features: Tensor, above: Tensor) -> Tensor:
        return F.glu(self.of_features(features) + self.of_above(self.above(above)), -1)
