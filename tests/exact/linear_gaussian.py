"""A linear-Gaussian model whose likelihood, posterior and best diagonal posterior are known in closed form.

z ~ N(0, I), x | z ~ N(A z, I/4). The numbers below were computed outside of prioria.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, MultivariateNormal

from prioria import VAE, likelihoods, posteriors, priors

A = torch.tensor([[1.0, 0.9], [0.8, 1.0], [0.2, -0.1]], dtype=torch.float64)
X = torch.tensor([[0.7, -1.1, 0.4]], dtype=torch.float64)
COVARIANCE = (torch.eye(2) + A.mT @ A / 0.25).inverse()
TO_MEAN = COVARIANCE @ A.mT / 0.25

LOG_PX = -5.264136318
POSTERIOR_MEAN = (0.554106, -0.696086)
BEST_DIAGONAL_VARIANCE = (0.129534, 0.120773)
ELBO = -5.877016231


class ExactPosterior(nn.Module):
    """q(z|x) = p(z|x), a Gaussian with full covariance."""

    def forward(self, x: Tensor) -> Distribution:
        return MultivariateNormal(x @ TO_MEAN.mT, COVARIANCE)


def diagonal_posterior(variance: Tensor | None = None) -> posteriors.Gaussian:
    """A diagonal Gaussian about the mean of p(z|x); by default the nearest one, with the diagonal of its precision."""
    posterior = posteriors.Gaussian(3, 2).double()
    variance = 1 / COVARIANCE.inverse().diagonal() if variance is None else variance
    with torch.no_grad():
        posterior.heads.weight.copy_(torch.cat([TO_MEAN, torch.zeros(2, 3)]))
        posterior.heads.bias.copy_(torch.cat([torch.zeros(2), variance.log()]))
    return posterior


def model(posterior: nn.Module | None = None) -> VAE:
    decoder = nn.Linear(2, 3, bias=False, dtype=torch.float64)
    with torch.no_grad():
        decoder.weight.copy_(A)
    return VAE(
        encoder=nn.Identity(),
        posterior=diagonal_posterior() if posterior is None else posterior,
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Gaussian(decoder, scale=0.5),
    ).double()
