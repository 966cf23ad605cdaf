"""A point in place of a posterior: the classical autoencoder."""

from __future__ import annotations

import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import at_least_float32
from prioria.module import Module
from prioria.nets.gated import linear


class Point(Distribution):
    """All mass at one z. It has no density: ``log_prob`` is 0 at every z, a convention that makes no bound."""

    arg_constraints: dict = {}
    has_rsample = True

    def __init__(self, location: Tensor) -> None:
        self.location = location
        super().__init__(location.shape[:-1], location.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.location

    def expand(self, batch_shape: Size | tuple[int, ...], _instance: object = None) -> Point:
        return Point(self.location.expand(*batch_shape, *self.event_shape))

    def rsample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        return self.location.expand(*sample_shape, *self.location.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return value.new_zeros(torch.broadcast_shapes(value.shape[:-1], self.batch_shape))


class Delta(Module):
    r"""q(z|x) = point mass at e(x): with ``objectives.ELBO(beta=0)`` the classical autoencoder (Flach, slides, page 3).

    The distribution of its codes is beyond control and it cannot be sampled from: fit a prior to the codes afterwards
    (refit-prior), which makes it the baseline that a VAE has to beat. With beta > 0 it is an autoencoder whose codes
    are pressed by -beta log p(z); a learned prior of any width, such as a mixture, is then refused, as codes and prior
    would shrink without end. A point has no density, so bounds and likelihoods are refused in evaluation.

    Args:
        context: width of the context.
        latents: dimensions of z.
        net: network applied to the context first.

    Example:
        >>> Delta(8, 2)(torch.zeros(5, 8)).rsample((3,)).shape
        torch.Size([3, 5, 2])
    """

    has_density = False

    def __init__(self, context: int, latents: int, *, net: nn.Module | None = None) -> None:
        super().__init__()
        self.net = net if net is not None else nn.Identity()
        self.head = linear(context, latents)

    def forward(self, context: Tensor | None = None) -> Distribution:
        return Point(at_least_float32(self.head(self.net(context))))
