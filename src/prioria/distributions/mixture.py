"""Mixtures whose density is one matrix product."""

from __future__ import annotations

import math

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, constraints

from prioria.distributions.families import natural_parameters, sufficient_statistics, take
from prioria.distributions.reduce import logsumexp, logsumexp_

TILE = 2**21  # terms (rows, C) of one float64 temporary, 16 MB: the aggregate posterior has as many components as data


class Mixture(Distribution):
    r"""Mixture of diagonal Gaussians or of Bernoulli products, p(z) = sum_k w_k p_k(z).

    log p_k(z) = <t(z), eta_k> + c_k for every k is one GEMM, in float64: the float32 expansion of (z - m)^2 / s^2
    cancels and is wrong by nats for small variances.

    Args:
        components: a diagonal Gaussian or Bernoulli with batch shape (C,).
        log_weights: log w_k (C,), normalized here; uniform by default.

    Example:
        >>> from prioria.distributions import normal
        >>> two = normal(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [0.5]]))
        >>> Mixture(two).log_prob(torch.ones(1))
        tensor(-1.7431)
    """

    arg_constraints: dict = {}

    def __init__(self, components: Distribution, log_weights: Tensor | None = None) -> None:
        if len(components.batch_shape) != 1:
            raise ValueError(
                f"components has batch shape {tuple(components.batch_shape)}; a mixture needs one axis (C,)"
            )
        self.components = components
        self._natural = _natural(components)
        self.log_weights = _log_weights(log_weights, self._natural[1])
        super().__init__(event_shape=components.event_shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint | None:
        return self.components.support

    def log_prob(self, value: Tensor) -> Tensor:
        eta, constant = self._natural
        tiles = value.reshape(-1, *self.event_shape).split(max(1, TILE // len(self.log_weights)))
        differentiable = any(each.requires_grad for each in (value, eta, constant, self.log_weights))
        if torch.is_grad_enabled() and differentiable:
            log_density = torch.cat([logsumexp(self._log_terms(tile, self.log_weights)) for tile in tiles])
        else:  # results that are kept between temporaries would cut the heap in pieces: gigabytes for 50,000 components
            log_density = constant.new_empty(sum(len(tile) for tile in tiles))
            for tile, out in zip(tiles, log_density.split(len(tiles[0])), strict=True):
                out.copy_(logsumexp_(self._log_terms(tile, self.log_weights)))
        # The density of bits or counts that are no floats is one all the same.
        kind = value if value.is_floating_point() else self.components.mean
        return log_density.reshape(value.shape[: -len(self.event_shape)]).to(kind.dtype)

    def component_log_prob(self, value: Tensor) -> Tensor:
        """Returns log p_k(value) for every component: (..., *event) -> (..., C) in float64."""
        return self._log_terms(value, 0.0)

    def _log_terms(self, value: Tensor, log_weights: Tensor | float) -> Tensor:
        # The weights join the constants of the product: added to its result they would cost another pass over (..., C).
        eta, constant = self._natural
        statistics = sufficient_statistics(self.components, value, eta.dtype)
        rows = torch.addmm(constant + log_weights, statistics.reshape(-1, eta.shape[-1]), eta.mT)
        return rows.reshape(*statistics.shape[:-1], len(constant))

    def sample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        with torch.no_grad():
            index = torch.multinomial(self.log_weights.exp(), math.prod(sample_shape), replacement=True)
            return take(self.components, index.reshape(sample_shape)).sample()

    @property
    def mean(self) -> Tensor:
        return torch.tensordot(self.log_weights.exp().to(self.components.mean.dtype), self.components.mean, 1)


def _natural(components: Distribution) -> tuple[Tensor, Tensor]:
    dtype = torch.float32 if components.mean.device.type == "mps" else torch.float64
    with torch.autocast(components.mean.device.type, enabled=False):
        return natural_parameters(components, dtype)


def _log_weights(log_weights: Tensor | None, constant: Tensor) -> Tensor:
    if log_weights is None:
        return torch.full_like(constant, -math.log(len(constant)))
    return log_weights.to(constant.dtype).log_softmax(-1)
