"""Shares of a Dirichlet distribution, as real numbers whose softmax they are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Size, Tensor
from torch.distributions import Dirichlet, Distribution, constraints, register_kl
from torch.distributions.kl import kl_divergence

PROPOSALS = 8  # of each gamma: one is accepted with probability 0.95 at least


class LogDirichlet(Distribution):
    r"""z = log theta + log s: theta ~ Dirichlet(a), s ~ Exp(1) independent of it, so that softmax(z) = theta.

    log p(z) = log Gamma(sum a) - sum log Gamma(a_k) + sum a_k log theta_k + log s - s. The scale s says nothing and is
    the same in every such distribution: KL(q || p) is that of the Dirichlets. Draws have gradients, theta as gammas
    log g' + log(u) / a with g' ~ Gamma(a + 1) and u uniform (Marsaglia and Tsang, 2000, sec. 6), which do not underflow
    where a is small. Every gamma has equally many proposals, so that draws of a row do not depend on its neighbors;
    where none is accepted, of 3e10 gammas about one, the last stands.

    Args:
        log_concentration: log a (..., K).

    Example:
        >>> LogDirichlet(torch.zeros(2)).log_prob(torch.zeros(2))
        tensor(-2.6931)
    """

    arg_constraints: Any = {"log_concentration": constraints.real_vector}  # noqa: RUF012 - torch's own way
    support: Any = constraints.real_vector
    has_rsample = True

    def __init__(self, log_concentration: Tensor, validate_args: bool | None = None) -> None:
        self.log_concentration = log_concentration
        shape = log_concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @property
    def concentration(self) -> Tensor:
        return self.log_concentration.exp()

    @property
    def mean(self) -> Tensor:
        a = self.concentration
        return torch.digamma(a) - torch.digamma(a.sum(-1, keepdim=True)) + torch.digamma(torch.ones_like(a))

    @property
    def variance(self) -> Tensor:
        a = self.concentration
        return torch.polygamma(1, a) - torch.polygamma(1, a.sum(-1, keepdim=True)) + torch.pi**2 / 6

    def expand(self, batch_shape: Size, _instance: object = None) -> LogDirichlet:
        shape = (*batch_shape, self.log_concentration.shape[-1])
        return LogDirichlet(self.log_concentration.expand(shape), validate_args=False)

    def rsample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        a = self.concentration.expand(self._extended_shape(Size(sample_shape)))
        tiny = torch.finfo(a.dtype).tiny
        u = torch.rand(a.shape, dtype=a.dtype, device=a.device).clamp(min=tiny)
        gammas: Any = _Gamma.apply(a + 1)
        log_theta = (gammas.clamp(min=tiny).log() + u.log() / a).log_softmax(-1)
        return log_theta + torch.empty_like(a[..., :1]).exponential_().clamp(min=tiny).log()

    def log_prob(self, value: Tensor) -> Tensor:
        a, log_s = self.concentration, value.logsumexp(-1)
        constant = torch.lgamma(a.sum(-1)) - torch.lgamma(a).sum(-1)
        return constant + (a * (value - log_s.unsqueeze(-1))).sum(-1) + log_s - log_s.exp()


class _Gamma(torch.autograd.Function):
    """Draws of Gamma(a) for a >= 1 by rejection (Marsaglia and Tsang, 2000, sec. 2), with their implicit gradient."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        d = a - 1 / 3
        x = torch.randn(PROPOSALS, *a.shape, dtype=a.dtype, device=a.device)
        v = (1 + x / (3 * d.sqrt())) ** 3
        bound = x.square() / 2 + d * (1 - v + v.clamp(min=torch.finfo(a.dtype).tiny).log())
        accepted = (v > 0) & (torch.rand_like(x).log() < bound)
        drawn = v[-1]
        for proposal in reversed(range(PROPOSALS - 1)):
            drawn = torch.where(accepted[proposal], v[proposal], drawn)
        drawn = (d * drawn).clamp(min=torch.finfo(a.dtype).tiny)
        ctx.save_for_backward(a, drawn)
        return drawn

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * torch._standard_gamma_grad(*ctx.saved_tensors)  # pyright: ignore


@register_kl(LogDirichlet, LogDirichlet)
def _kl(q: LogDirichlet, p: LogDirichlet) -> Tensor:
    return kl_divergence(*(Dirichlet(each.concentration, validate_args=False) for each in (q, p)))
