"""Mixtures whose density is one matrix product."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import torch
from torch import Size, Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.distributions import Distribution, MixtureSameFamily, Normal, constraints

from prioria.distributions.families import base, is_diagonal, natural_parameters, sufficient_statistics, take
from prioria.distributions.reduce import exp_of_far_, logsumexp, logsumexp_
from prioria.distributions.simple import normal

TILE = 2**21  # terms (rows, C) of one float64 temporary, 16 MB: the aggregate posterior has as many components as data


class Mixture(Distribution):
    r"""Mixture of diagonal Gaussians or of Bernoulli products, p(z) = sum_k w_k p_k(z).

    log p_k(z) = <t(z), eta_k> + c_k for every k is one GEMM, in float64: the float32 expansion of (z - m)^2 / s^2
    cancels and is wrong by nats for small variances. Components so narrow that float64 cancels too (m / s of 50,000)
    have their terms written out, outside of compiled steps.

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
        self.log_weights = _log_weights(log_weights, components)
        super().__init__(event_shape=components.event_shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint | None:
        return self.components.support

    @cached_property
    def _natural(self) -> tuple[Tensor, Tensor]:
        return _natural(self.components)

    @cached_property
    def _narrow(self) -> Tensor:
        return _narrow(self.components)

    def log_prob(self, value: Tensor) -> Tensor:
        tiles = value.reshape(-1, *self.event_shape).split(max(1, TILE // len(self.log_weights)))
        parameters = [each for each in vars(base(self.components)).values() if isinstance(each, Tensor)]
        if torch.is_grad_enabled() and any(each.requires_grad for each in (value, self.log_weights, *parameters)):
            log_density = self._differentiable(tiles)
        else:  # results that are kept between temporaries would cut the heap in pieces: gigabytes for 50,000 components
            log_density = self.log_weights.new_empty(sum(len(tile) for tile in tiles))
            for tile, out in zip(tiles, log_density.split(len(tiles[0])), strict=True):
                out.copy_(logsumexp_(self._log_terms(tile, self.log_weights)))
        # The density of bits or counts that are no floats is one all the same.
        kind = value if value.is_floating_point() else self.components.mean
        return log_density.reshape(value.shape[: -len(self.event_shape)]).to(kind.dtype)

    def _differentiable(self, tiles: tuple[Tensor, ...]) -> Tensor:
        if not isinstance(base(self.components), Normal) or len(self._narrow):
            return torch.cat([logsumexp(self._log_terms(tile, self.log_weights)) for tile in tiles])
        with torch.no_grad():
            eta, constant = _natural(self.components)
        mean, scale = _mean_and_scale(self.components)
        parts = [_Gaussians.apply(tile.flatten(1), mean, scale, self.log_weights, eta, constant) for tile in tiles]
        return torch.cat(parts)  # pyright: ignore[reportArgumentType, reportCallIssue]

    def component_log_prob(self, value: Tensor) -> Tensor:
        """Returns log p_k(value) for every component: (..., *event) -> (..., C) in float64."""
        return self._log_terms(value, 0.0)

    def _log_terms(self, value: Tensor, log_weights: Tensor | float) -> Tensor:
        # The weights join the constants of the product: added to its result they would cost another pass over (..., C).
        eta, constant = self._natural
        statistics = sufficient_statistics(self.components, value, eta.dtype)
        rows = torch.addmm(constant + log_weights, statistics.reshape(-1, eta.shape[-1]), eta.mT)
        if len(self._narrow):
            shift = self.log_weights if isinstance(log_weights, Tensor) else torch.zeros_like(self.log_weights)
            rows = rows.index_copy(-1, self._narrow, self._written_out(value) + shift[self._narrow])
        return rows.reshape(*statistics.shape[:-1], len(constant))

    def _written_out(self, value: Tensor) -> Tensor:
        """Returns log p_k(value) of the narrow components (rows, narrow) without an expansion, one after another."""
        kind = self._natural[0].dtype
        mean, scale = (part.to(kind) for part in _mean_and_scale(self.components))
        rows = value.reshape(-1, *self.event_shape).flatten(1).to(kind)
        terms = [normal(mean[k], scale[k]).log_prob(rows) for k in self._narrow.tolist()]
        return torch.stack(terms, -1)

    def sample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        with torch.no_grad():
            index = torch.multinomial(self.log_weights.exp(), math.prod(sample_shape), replacement=True)
            return take(self.components, index.reshape(sample_shape)).sample()

    def from_noise(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """Draws (..., *event) from standard normal noise and, for the component, uniform noise (...).

        Raises:
            ValueError: its components are no Gaussians.
        """
        if not isinstance(base(self.components), Normal):
            raise ValueError(f"noise cannot be turned into a mixture of {type(base(self.components)).__name__}")
        shares = self.log_weights.exp().cumsum(0)
        index = (uniform[..., None] >= shares).sum(-1).clamp(max=len(shares) - 1)
        mean, scale = _mean_and_scale(self.components)
        return mean[index].unflatten(-1, self.event_shape) + scale[index].unflatten(-1, self.event_shape) * normal

    @property
    def mean(self) -> Tensor:
        return torch.tensordot(self.log_weights.exp().to(self.components.mean.dtype), self.components.mean, 1)


class _Gaussians(Function):
    # log p(z) with one backward pass. Products that cancel are in float64: the terms, and the second moments about
    # narrow components. Once the largest term is taken off, the precision of the parameters does. The gradients are
    # moments under the responsibilities r_k of each row,
    #   d/dz = sum_k r_k (m_k - z) / s_k^2,  d/dm_k = sum_z r_k (z - m_k) / s_k^2,
    #   d/ds_k = sum_z r_k ((z - m_k)^2 / s_k^2 - 1) / s_k,
    # about the mean of z, so that an offset that all share does not cancel.
    @staticmethod
    def forward(  # noqa: PLR0917
        ctx: Any, z: Tensor, mean: Tensor, scale: Tensor, log_weights: Tensor, eta: Tensor, constant: Tensor
    ) -> Tensor:
        wide = z.to(eta.dtype)
        terms = torch.addmm(constant + log_weights, torch.cat([wide.square(), wide], -1), eta.mT)
        largest = terms.amax(-1, keepdim=True)
        kind = torch.promote_types(mean.dtype, torch.float32)
        relative = exp_of_far_(terms.sub_(largest).to(kind))
        total = relative.sum(-1, keepdim=True)
        ctx.save_for_backward(z, mean, scale, relative, total)
        ctx.wide = eta.dtype
        return (largest + total.to(largest.dtype).log()).squeeze(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        z, mean, scale, relative, total = ctx.saved_tensors
        with torch.autocast(z.device.type, enabled=False):
            weighted = relative * (grads[0].unsqueeze(-1).to(relative.dtype) / total)
            center = z.mean(0).to(mean.dtype)
            point, mean, precision = z.to(mean.dtype) - center, mean - center, scale.pow(-2)
            of_z = of_mean = of_scale = None
            if ctx.needs_input_grad[0]:
                pull, stiffness = (weighted @ torch.cat([mean * precision, precision], -1)).chunk(2, -1)
                of_z = (pull - point * stiffness).to(z.dtype)
            if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
                point, mean, wide = point.to(ctx.wide), mean.to(ctx.wide), weighted.to(ctx.wide)
                count = wide.sum(0).unsqueeze(-1)
                first, second = (wide.mT @ torch.cat([point, point.square()], -1)).chunk(2, -1)
                away = first - mean * count
                of_mean = (precision * away).to(scale.dtype)
                of_scale = ((precision * (second - mean * (first + away)) - count) / scale).to(scale.dtype)
            of_weights = weighted.sum(0).to(grads[0].dtype) if ctx.needs_input_grad[3] else None
        return of_z, of_mean, of_scale, of_weights, None, None


def as_mixture(d: Distribution) -> Mixture | None:
    """Returns a mixture of diagonal Gaussians or of bits as a :class:`Mixture`, torch's own too; None for all else.

    Example:
        >>> from torch.distributions import Categorical
        >>> parts = normal(torch.zeros(3, 2), torch.ones(3, 2))
        >>> len(as_mixture(MixtureSameFamily(Categorical(torch.ones(3)), parts)).log_weights)
        3
        >>> as_mixture(parts) is None
        True
    """
    if isinstance(d, Mixture):
        return d
    if isinstance(d, MixtureSameFamily) and not d.batch_shape and is_diagonal(d.component_distribution):
        return Mixture(d.component_distribution, d.mixture_distribution.logits)
    return None


def _kind(components: Distribution) -> torch.dtype:
    # Apple's GPUs have no double precision
    return torch.float32 if components.mean.device.type == "mps" else torch.float64


def _mean_and_scale(components: Distribution) -> tuple[Tensor, Tensor]:
    d = base(components)
    assert isinstance(d, Normal)
    return d.loc.flatten(1), d.scale.flatten(1)  # components.stddev is the root of the variance: other bits


def _narrow(components: Distribution) -> Tensor:
    """Returns the indices of the Gaussians whose <t(z), eta> + c loses more than eps^0.4 nats (5e-7 in float64).

    At its own mode the terms m^2 / s^2 of a component cancel; each is rounded to eps of itself.
    """
    if torch.compiler.is_compiling() or not isinstance(base(components), Normal):
        return torch.empty(0, dtype=torch.long, device=components.mean.device)
    with torch.no_grad():
        mean, scale = _mean_and_scale(components)
        lost = (mean / scale).to(_kind(components)).square().sum(-1)
        return (lost > torch.finfo(lost.dtype).eps ** -0.6).nonzero().squeeze(-1)


def _natural(components: Distribution) -> tuple[Tensor, Tensor]:
    with torch.autocast(components.mean.device.type, enabled=False):
        return natural_parameters(components, _kind(components))


def _log_weights(log_weights: Tensor | None, components: Distribution) -> Tensor:
    count, kind = components.batch_shape[0], _kind(components)
    if log_weights is None:
        return torch.full((count,), -math.log(count), dtype=kind, device=components.mean.device)
    return log_weights.to(kind).log_softmax(-1)
