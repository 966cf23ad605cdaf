"""Logarithms of gamma variables: the coordinates in which a Dirichlet distribution factorizes."""

from __future__ import annotations

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, Gamma, constraints, register_kl
from torch.distributions.kl import kl_divergence


class LogGamma(Distribution):
    r"""z = log g, g ~ Gamma(a, 1): log p(z) = a z - e^z - log Gamma(a).

    softmax(z) of K such values is Dirichlet(a_1, ..., a_K), exactly. Draws have gradients, z = log g' + log(u) / a with
    g' ~ Gamma(a + 1) and u uniform (Marsaglia and Tsang, 2000, sec. 6), and do not underflow where a is small.

    Args:
        log_concentration: log a (...,).

    Example:
        >>> LogGamma(torch.zeros(2)).log_prob(torch.zeros(2))
        tensor([-1., -1.])
    """

    arg_constraints = {"log_concentration": constraints.real}  # noqa: RUF012 - torch's own way
    support = constraints.real
    has_rsample = True

    def __init__(self, log_concentration: Tensor, validate_args: bool | None = None) -> None:
        self.log_concentration = log_concentration
        super().__init__(log_concentration.shape, validate_args=validate_args)

    @property
    def concentration(self) -> Tensor:
        return self.log_concentration.exp()

    @property
    def mean(self) -> Tensor:
        return torch.digamma(self.concentration)

    @property
    def variance(self) -> Tensor:
        return torch.polygamma(1, self.concentration)

    def expand(self, batch_shape: Size, _instance: object = None) -> LogGamma:
        return LogGamma(self.log_concentration.expand(batch_shape), validate_args=False)

    def rsample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        a = self.concentration.expand(self._extended_shape(Size(sample_shape)))
        tiny = torch.finfo(a.dtype).tiny
        u = torch.rand(a.shape, dtype=a.dtype, device=a.device).clamp(min=tiny)
        return torch._standard_gamma(a + 1).clamp(min=tiny).log() + u.log() / a

    def log_prob(self, value: Tensor) -> Tensor:
        a = self.concentration
        return a * value - value.exp() - torch.lgamma(a)

    def entropy(self) -> Tensor:
        a = self.concentration
        return torch.lgamma(a) + a - a * torch.digamma(a)


@register_kl(LogGamma, LogGamma)
def _kl(q: LogGamma, p: LogGamma) -> Tensor:
    one = torch.ones(())
    gammas = (Gamma(each.concentration, one.to(each.concentration), validate_args=False) for each in (q, p))
    return kl_divergence(*gammas)
