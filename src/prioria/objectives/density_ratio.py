"""Total correlation from a discriminator."""

from __future__ import annotations

from collections.abc import Sized

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from prioria.distributions import at_least_float32
from prioria.draw import Latent
from prioria.module import Module
from prioria.objectives.aggregate import Aggregate, only_sample
from prioria.objectives.base import Rates


class DensityRatio(Module):
    r"""log q(z) - sum_j log q(z_j) ~ D_0(z) - D_1(z), the logits of a discriminator (Kim and Mnih, 2018, eq. 3).

    The discriminator learns to tell draws of q(z), class 0, from draws with every dimension permuted over the batch,
    class 1, by the mean cross-entropy of both. The model sees it with its weights held fixed and the discriminator sees
    detached draws, so that one backward pass serves both. Any posterior will do: no density is needed.

    Departure: the draws of the same batch are permuted; the paper takes those of a second one.

    Args:
        latents: dimensions of z.
        hidden: width of the hidden layers, leaky ReLU (0.2).
        layers: number of hidden layers.
        learning_rate: of the discriminator's own parameter group.
        betas: of its Adam.

    Raises:
        ValueError: a number that is not positive; before training, another number of latents than the model has.
    """

    has_density = False

    def __init__(
        self,
        latents: int,
        *,
        hidden: int = 1000,
        layers: int = 5,
        learning_rate: float = 1e-4,
        betas: tuple[float, float] = (0.5, 0.9),
    ) -> None:
        super().__init__()
        if min(latents, hidden, layers) < 1 or learning_rate <= 0:
            raise ValueError(f"{latents=}, {hidden=}, {layers=} and {learning_rate=} must be positive")
        sizes = [latents, *[hidden] * layers]
        hidden_layers = [(nn.Linear(i, o), nn.LeakyReLU(0.2)) for i, o in zip(sizes[:-1], sizes[1:], strict=True)]
        self.net = nn.Sequential(*(module for layer in hidden_layers for module in layer), nn.Linear(hidden, 2))
        self.latents, self.rates = latents, Rates(learning_rate, betas)

    def check(self, latent: Latent, data: Sized | None = None) -> None:
        """Refuses a group of another size."""
        found = latent.p.event_shape.numel()
        if found != self.latents:
            raise ValueError(f"latents={self.latents} but the group has {found}; use tc=DensityRatio(latents={found})")

    def forward(self, latent: Latent) -> Aggregate:
        weight = self.net.get_parameter(f"{len(self.net) - 1}.weight")
        z = only_sample(latent).flatten(1).to(weight.dtype)  # a model in double precision has a discriminator in single
        held = {name: parameter.detach() for name, parameter in self.net.named_parameters()}
        logits = at_least_float32(functional_call(self.net, held, (z,)))
        return Aggregate(logits[:, 0] - logits[:, 1], None, self._fit(z.detach()))

    def _fit(self, z: Tensor) -> Tensor:
        permutation = torch.rand_like(z).argsort(0)
        logits = at_least_float32(self.net(torch.cat([z, z.gather(0, permutation)])))
        classes = torch.arange(2, device=z.device).repeat_interleave(len(z))
        return F.cross_entropy(logits, classes)
