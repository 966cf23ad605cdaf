"""Conditionals: modules that return a distribution. A prior, a posterior and a likelihood are all of this one kind."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import at_least_float32, normal
from prioria.module import Module
from prioria.nets.gated import linear


class Gaussian(Module):
    r"""Diagonal Gaussian N(m(c), diag s^2(c)), its mean and log-variance linear in a context c or in a network of it.

    Args:
        context: width of the context that the heads read (the output width of ``net``, if there is one).
        latents: dimensions of z.
        net: network applied to the context first, for instance from the group above.
        log_variance_bounds: clamp of log s^2, (-6, 2) in the VampPrior paper's code (Tomczak and Welling, 2018).

    Raises:
        ValueError: the bounds are not increasing.

    Example:
        >>> import torch
        >>> Gaussian(8, 2)(torch.zeros(5, 8)).batch_shape
        torch.Size([5])
    """

    def __init__(
        self,
        context: int,
        latents: int,
        *,
        net: nn.Module | None = None,
        log_variance_bounds: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        if log_variance_bounds is not None and log_variance_bounds[0] >= log_variance_bounds[1]:
            raise ValueError(f"log_variance_bounds={log_variance_bounds} must increase; use for instance (-6.0, 2.0)")
        self.net = net if net is not None else nn.Identity()
        self.heads = linear(context, 2 * latents)  # mean and log-variance in one product
        self.bounds = log_variance_bounds

    def forward(self, context: Tensor | None = None) -> Distribution:
        mean, log_variance = at_least_float32(self.heads(self.net(context))).chunk(2, -1)
        if self.bounds is not None:
            log_variance = log_variance.clamp(*self.bounds)
        return normal(mean, (0.5 * log_variance).exp())
