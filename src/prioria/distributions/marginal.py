"""The marginal of a model with latents of its own, bounded by importance sampling."""

from __future__ import annotations

import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution, constraints

from prioria.distributions.reduce import log_mean_exp
from prioria.distributions.traits import sample_and_log_prob

TILE = 2**20  # numbers in the widest temporary of a tile: 4 MB


class Marginal(Distribution):
    r"""p(z) = integral of p(z|zeta) p(zeta) d zeta, its log-density a lower bound.

    log_prob(z) = log (1/K) sum_k p(z|zeta_k) p(zeta_k) / q(zeta_k|z) with zeta_k ~ q(zeta|z), whose expectation is at
    most log p(z) and rises to it as K grows, or as q becomes exact (Burda, Grosse and Salakhutdinov, 2016, eq. 8).
    Every call draws fresh zeta for every z: exp(log_prob(z)) is an unbiased estimate of p(z), so that likelihoods
    estimated with it by importance sampling stay unbiased too. Sampling is ancestral.

    Without gradients the rows are scored in tiles of a few megabytes, at least one row (its K zeta) at a time.

    Args:
        zeta: p(zeta), without batch axes.
        decoder: conditional (..., auxiliary) -> p(z|zeta).
        encoder: conditional (..., latents) -> q(zeta|z).
        event_shape: that of z.
        num_samples: K.

    Example:
        >>> from prioria import distributions, priors
        >>> zeta = distributions.normal(torch.zeros(3), torch.ones(3))
        >>> d = Marginal(zeta, priors.Gaussian(3, 2), priors.Gaussian(2, 3), Size([2]), num_samples=8)
        >>> d.log_prob(d.sample((4, 5))).shape
        torch.Size([4, 5])
    """

    arg_constraints: dict = {}
    bound = True

    def __init__(
        self, zeta: Distribution, decoder: nn.Module, encoder: nn.Module, event_shape: Size, num_samples: int
    ) -> None:
        self.zeta, self.decoder, self.encoder, self.num_samples = zeta, decoder, encoder, num_samples
        super().__init__(event_shape=event_shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        return constraints.independent(constraints.real, len(self.event_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return self._bound(value)
        rows = value.reshape(-1, *self.event_shape)
        tiles = [self._bound(tile) for tile in rows.split(self._rows(self.num_samples))]
        return torch.cat(tiles).reshape(value.shape[: value.dim() - len(self.event_shape)])

    def sample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        with torch.no_grad():
            zeta = self.zeta.sample(Size(sample_shape)).reshape(-1, *self.zeta.event_shape)
            rows = torch.cat([self.decoder(tile).sample() for tile in zeta.split(self._rows(1))])
            return rows.reshape(*sample_shape, *self.event_shape)

    def _bound(self, z: Tensor) -> Tensor:
        zeta, log_q = sample_and_log_prob(self.encoder(z), (self.num_samples,))
        return log_mean_exp(self.decoder(zeta).log_prob(z) + self.zeta.log_prob(zeta) - log_q, 0)

    def _rows(self, samples: int) -> int:
        layers = [*self.encoder.parameters(), *self.decoder.parameters()]
        width = max((len(layer) for layer in layers if layer.dim() > 0), default=1)
        return max(1, TILE // (samples * width))
