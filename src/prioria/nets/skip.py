"""A network that begins as something else: what it learns is added."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prioria.module import Module


class Skip(Module):
    r"""base(h) + scale * net(h), the last linear layer of net starting at zero, so that it begins as base exactly.

    Args:
        base: what it begins as.
        net: the network; its last ``nn.Linear`` is set to zero.
        scale: multiplies what the network adds, one number for each output (O,); None: 1.

    Raises:
        ValueError: the network has no linear layer.

    Example:
        >>> base, h = nn.Linear(2, 3), torch.ones(5, 2)
        >>> bool((Skip(base, nn.Sequential(nn.Linear(2, 4), nn.SiLU(), nn.Linear(4, 3)))(h) == base(h)).all())
        True
    """

    def __init__(self, base: nn.Module, net: nn.Module, *, scale: Tensor | None = None) -> None:
        super().__init__()
        zero_last(net)
        self.base, self.net = base, net
        self.register_buffer("scale", torch.ones(()) if scale is None else scale.clone())

    def forward(self, h: Tensor) -> Tensor:
        return self.base(h) + self.get_buffer("scale") * self.net(h)


def zero_last(net: nn.Module) -> None:
    """Sets the last linear layer of a network to zero.

    Raises:
        ValueError: it has none.
    """
    layers = [module for module in net.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise ValueError(f"net={type(net).__name__} has no linear layer that could start at zero; end it with one")
    nn.init.zeros_(layers[-1].weight)
    if layers[-1].bias is not None:
        nn.init.zeros_(layers[-1].bias)


class Squash(Module):
    """limit * tanh(h / limit): the identity near zero, bounded far away.

    Args:
        limit: the bound.
        start: the first ``start`` entries are left alone.
    """

    def __init__(self, limit: float = 4.0, *, start: int = 0) -> None:
        super().__init__()
        if limit <= 0:
            raise ValueError(f"limit={limit} must be positive")
        self.limit, self.start = limit, start

    def forward(self, h: Tensor) -> Tensor:
        kept, rest = h.tensor_split((self.start,), -1)
        return torch.cat([kept, self.limit * torch.tanh(rest / self.limit)], -1)


class Select(Module):
    """Picks the features of the class above: features (B, K, F), class (..., B, K) -> (..., B, F).

    A class that is not one but a share of each gives the average of their features.
    """

    def forward(self, features: Tensor, above: Tensor) -> Tensor:
        return torch.einsum("...bk,bkf->...bf", above, features)


class ByClass(Module):
    r"""An affine map for each class, and a network on top: center_c + unit_c * (b_c + A_c z + net(c, z)).

    Center and unit are constants, so that a step of an optimizer is one in units of each class's noise. The network's
    last layer starts at zero. What it adds to outputs that read no z is bounded: limit * tanh(. / limit).

    Args:
        classes: K.
        latents: L.
        outputs: O.
        linear: how many of the outputs, from the first, read z.
        net: network (..., K + L) -> (..., O); None for none.
        limit: of what it adds.

    Raises:
        ValueError: the network has no linear layer.

    Example:
        >>> ByClass(3, 2, 5, linear=4)(torch.zeros(7, 6, 3 + 2)).shape
        torch.Size([7, 6, 5])
    """

    def __init__(
        self,
        classes: int,
        latents: int,
        outputs: int,
        *,
        linear: int | None = None,
        net: nn.Module | None = None,
        limit: float = 3.0,
    ) -> None:
        super().__init__()
        self.classes, self.linear = classes, outputs if linear is None else linear
        self.limit, self.net = limit, net
        if net is not None:
            zero_last(net)
        self.register_buffer("center", torch.zeros(classes, outputs))
        self.register_buffer("unit", torch.ones(classes, outputs))
        self.register_buffer("free", torch.ones(classes))  # of those that the network may move
        self.bias = nn.Parameter(torch.zeros(classes, outputs))
        self.weight = nn.Parameter(torch.randn(classes, latents, self.linear) / max(latents, 1) ** 0.5)

    def forward(self, above: Tensor) -> Tensor:
        c, z = above.tensor_split((self.classes,), -1)
        unit, free = self.get_buffer("unit"), self.get_buffer("free")
        both = (c.unsqueeze(-1) * z.unsqueeze(-2)).flatten(-2)  # one product of matrices for all classes
        weight = self.weight * unit[:, None, : self.linear]
        read, rest = (c @ (self.get_buffer("center") + unit * self.bias)).tensor_split((self.linear,), -1)
        found = torch.cat([read + both @ weight.flatten(0, 1), rest], -1)
        if self.net is None:
            return found
        moved, added = self.net(above).tensor_split((self.linear,), -1)
        added = self.limit * torch.tanh(added / self.limit)
        return found + (c @ (unit * free.unsqueeze(-1))) * torch.cat([moved, added], -1)
