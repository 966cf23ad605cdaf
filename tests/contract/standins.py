"""Small models of the kinds that the interface must carry: a flow posterior, fusion with the prior, feature maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from prioria import posteriors
from prioria.distributions import normal
from prioria.stage import Stage


class SampledOnce(Distribution):
    """z = m + s * sinh(eps): density known at its own draws only, as for an inverse autoregressive flow."""

    arg_constraints: dict = {}
    has_rsample = True

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        self._mean, self._scale = mean, scale
        super().__init__(mean.shape[:-1], mean.shape[-1:], validate_args=False)

    def expand(self, batch_shape: torch.Size, _instance: object = None) -> SampledOnce:
        shape = (*batch_shape, self._mean.shape[-1])
        return SampledOnce(self._mean.expand(shape), self._scale.expand(shape))

    def rsample_and_log_prob(self, sample_shape: torch.Size) -> tuple[Tensor, Tensor]:
        eps = torch.randn(*sample_shape, *self._mean.shape)
        log_det = (self._scale * eps.cosh()).log()
        standard = normal(torch.zeros_like(eps), torch.ones_like(eps))
        return self._mean + self._scale * eps.sinh(), standard.log_prob(eps) - log_det.sum(-1)

    def rsample(self, sample_shape: torch.Size = torch.Size()) -> Tensor:
        return self.rsample_and_log_prob(sample_shape)[0]

    def log_prob(self, value: Tensor) -> Tensor:
        raise ValueError("log_prob at a foreign z is refused; draw from the posterior instead")


class OpaqueFlow(nn.Module):
    def __init__(self, context: int, latents: int) -> None:
        super().__init__()
        self.heads = nn.Linear(context, 2 * latents)

    def forward(self, context: Tensor) -> Distribution:
        mean, scale = self.heads(context).chunk(2, -1)
        return SampledOnce(mean, scale.exp())


class FusedStage(Stage):
    """Posterior = prior times Gaussian evidence, by precision weighting."""

    def __init__(self, features: int, latents: int, *, above: int | None) -> None:
        prior = posteriors.Gaussian(above or 1, latents)
        super().__init__(prior=prior, posterior=posteriors.Gaussian(features, latents))

    def prior(self, above: Tensor | None) -> Distribution:
        return self.p(torch.ones(1) if above is None else above)

    def posterior(self, features: Tensor, above: Tensor | None, prior: Distribution) -> Distribution:
        evidence = self.q(features)
        assert isinstance(evidence, Independent) and isinstance(prior, Independent)
        a, b = evidence.base_dist, prior.base_dist
        precision = a.scale.pow(-2) + b.scale.pow(-2)
        mean = (a.loc * a.scale.pow(-2) + b.loc * b.scale.pow(-2)) / precision
        return normal(mean, precision.rsqrt())


class FeatureMapStage(Stage):
    """Latents and state are feature maps (C, H, W); every group adds to the state."""

    def __init__(self, features: int, *, channels: int, side: int) -> None:
        super().__init__(
            prior=nn.Conv2d(channels, 2 * channels, 1), posterior=nn.Linear(features, 2 * channels * side**2)
        )
        self.start = nn.Parameter(0.1 * torch.randn(channels, side, side))
        self.mix = nn.Conv2d(channels, channels, 1)

    def _state(self, above: Tensor | None) -> Tensor:
        return self.start if above is None else above + self.start

    def prior(self, above: Tensor | None) -> Distribution:
        state = self._state(above)
        rows = self.p(state.reshape(-1, *state.shape[-3:]))
        return self._maps(rows.reshape(*state.shape[:-3], *rows.shape[1:]))

    def posterior(self, features: Tensor, above: Tensor | None, prior: Distribution) -> Distribution:
        return self._maps(self.q(features).unflatten(-1, (-1, *self.start.shape[1:])) + 0 * self._state(above).mean())

    def merge(self, above: Tensor | None, z: Tensor) -> Tensor:
        return self._state(above) + self.mix(z.reshape(-1, *z.shape[-3:])).reshape(z.shape)

    def _maps(self, parameters: Tensor) -> Distribution:
        mean, log_scale = parameters.chunk(2, -3)
        return normal(mean, log_scale.exp(), event_dims=3)
