"""Exact sums refuse what a grid does not resolve, and what has no exact density."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from prioria import VAE, distributions, likelihoods, nets, posteriors, priors, stages, theory
from prioria.stage import Stage

X = torch.tensor([[0.725]], dtype=torch.float64)


def linear(posterior_scale: float, noise: float) -> VAE:
    """q(z|x) = N(0.725, s^2), p(x|z) = N(z, noise^2)."""
    posterior, decoder = posteriors.Gaussian(1, 1), nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        posterior.heads.weight.zero_()
        posterior.heads.bias.copy_(torch.tensor([0.725, 2 * math.log(posterior_scale)]))
        decoder.weight.fill_(1.0)
    likelihood = likelihoods.Gaussian(decoder, scale=noise)
    prior = priors.StandardNormal(1)
    return VAE(encoder=nn.Identity(), posterior=posterior, prior=prior, likelihood=likelihood).double()


@pytest.mark.parametrize(("scale", "noise"), [(1.0, 0.5), (0.1, 0.1), (0.05, 0.05)])
def test_what_the_grid_resolves_is_right(scale: float, noise: float) -> None:
    found = theory.exact(linear(scale, noise), X)
    truth = stats.norm(0, math.sqrt(1 + noise**2)).logpdf(0.725)
    assert found.log_likelihood.item() == pytest.approx(truth, abs=1e-4)
    squares = (0.725**2 + scale**2) + (scale / noise) ** 2
    bound = -math.log(2 * math.pi * noise) - 0.5 * squares + 0.5 * math.log(2 * math.pi * math.e * scale**2)
    assert found.elbo.item() == pytest.approx(bound, abs=1e-4)


@pytest.mark.parametrize(("scale", "noise"), [(0.01, 0.5), (0.5, 0.01), (0.005, 0.005)])
def test_what_it_does_not_resolve_is_refused(scale: float, noise: float) -> None:
    with pytest.raises(ValueError, match="do not resolve"):
        theory.exact(linear(scale, noise), X)
    narrow = linear(scale, noise)
    found = theory.exact(narrow, X, points=40_001)
    truth = stats.norm(0, math.sqrt(1 + noise**2)).logpdf(0.725)
    assert found.log_likelihood.item() == pytest.approx(truth, abs=1e-4)


def wide(center: float, prior_scale: float, latents: int = 1, *, noise: float = 1.0) -> VAE:
    """q(z|x) = N(center, 0.3^2), p(z) = N(0, prior_scale^2), p(x|z) = N(z, noise^2), on each axis."""
    posterior, decoder = posteriors.Gaussian(1, latents), nn.Linear(latents, latents, bias=False)
    prior = priors.Mixture(latents, components=1)
    with torch.no_grad():
        posterior.heads.weight.zero_()
        posterior.heads.bias.copy_(torch.tensor([center] * latents + [2 * math.log(0.3)] * latents))
        decoder.weight.copy_(torch.eye(latents))
        prior.mean.zero_()
        prior.log_variance.fill_(2 * math.log(prior_scale))
    return VAE(
        encoder=nn.Linear(latents, 1),
        posterior=posterior,
        prior=prior,
        likelihood=likelihoods.Gaussian(decoder, scale=noise),
    ).double()


@pytest.mark.parametrize("x", [12.0, 9.0, 7.5, -12.0])
def test_a_joint_that_goes_on_beyond_the_grid_is_refused(x: float) -> None:
    model, row = wide(math.copysign(6.0, x), 50.0), torch.tensor([[x]], dtype=torch.float64)
    with pytest.raises(ValueError, match="beyond the grid"):
        theory.exact(model, row)
    truth = stats.norm(0, math.sqrt(2501)).logpdf(x)
    assert theory.exact(model, row, reach=25.0).log_likelihood.item() == pytest.approx(truth, abs=1e-4)


@pytest.mark.parametrize(("x", "refused"), [((12.0, 0.0), True), ((0.0, 12.0), True), ((0.0, 3.0), False)])
def test_on_either_axis(x: tuple[float, float], refused: bool) -> None:
    model, row = wide(0.0, 50.0, 2), torch.tensor([x], dtype=torch.float64)
    if refused:
        with pytest.raises(ValueError, match="beyond the grid"):
            theory.exact(model, row, points=81)
    else:
        truth = stats.norm(0, math.sqrt(2501)).logpdf(x).sum()
        assert theory.exact(model, row, points=81).log_likelihood.item() == pytest.approx(truth, abs=1e-4)


@pytest.mark.parametrize("reach", [2.0, 3.0, 3.05, 3.5, 4.0])
def test_a_joint_is_refused_where_a_thousandth_is_beyond_an_end(reach: float) -> None:
    # Given x = 0 the latent is N(0, 1), whose tails are known.
    model, row = wide(0.0, math.sqrt(2), noise=math.sqrt(2)), torch.zeros(1, 1, dtype=torch.float64)
    tail = stats.norm.sf(reach)
    if tail > 1e-3:
        with pytest.raises(ValueError, match="beyond the grid"):
            theory.exact(model, row, reach=reach)
    else:
        found = theory.exact(model, row, reach=reach).log_likelihood.item()
        assert found == pytest.approx(stats.norm(0, 2).logpdf(0) + math.log1p(-2 * tail), abs=1e-4)


class Maps(nn.Module):
    """N(0, s^2) over feature maps of two channels with one pixel, for every row of a context."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, context: torch.Tensor | None = None) -> torch.distributions.Distribution:
        mean = torch.zeros(*(() if context is None else context.shape[:-1]), 2, 1, 1, dtype=torch.float64)
        return distributions.normal(mean, torch.full_like(mean, self.scale), 3)


def test_two_channels_of_one_pixel_are_two_latents() -> None:
    """x = A z + noise, so that log p(x) is that of N(0, A A^T + I / 4)."""
    torch.manual_seed(0)
    a, x = torch.randn(3, 2, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    decoder = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        decoder.weight.copy_(a)
    likelihood = likelihoods.Gaussian(nets.Rows(nn.Sequential(nn.Flatten(), decoder), event_dims=3), scale=0.5)
    model = VAE(encoder=nn.Identity(), posterior=Maps(0.5), prior=Maps(1.0), likelihood=likelihood).double()
    truth = stats.multivariate_normal(cov=(a @ a.mT).numpy() + np.eye(3) / 4).logpdf(x.numpy())
    found = theory.exact(model, x, points=201)
    np.testing.assert_allclose(found.log_likelihood.detach().numpy(), truth, atol=1e-5)


def test_bits_and_reals_bounds_and_gates_are_refused() -> None:
    groups = {
        "z2": Stage(prior=priors.Bernoulli(1), posterior=posteriors.Bernoulli(5, 1)),
        "z1": Stage(prior=priors.Gaussian(1, 1), posterior=posteriors.Gaussian(6, 1)),
    }
    encoder = nets.MLP(4, 5, activate_output=True)
    mixed = VAE(encoder=encoder, stages=groups, likelihood=likelihoods.Bernoulli(nn.Linear(2, 4)))
    x = torch.ones(2, 4)
    with pytest.raises(ValueError, match="of two kinds"):
        theory.exact(mixed, x)
    bound = VAE(
        encoder=encoder,
        posterior=posteriors.Gaussian(5, 1),
        prior=priors.Hierarchical(1, 1, auxiliary_decoder=priors.Gaussian(1, 1)),
        likelihood=likelihoods.Bernoulli(nn.Linear(1, 4)),
    )
    with pytest.raises(ValueError, match="only a bound"):
        theory.exact(bound, x)
    gated = VAE(
        encoder=encoder,
        stages=stages.DependencyGraph(nodes=2, latents=1, features=5, hidden=6),
        likelihood=likelihoods.Bernoulli(nets.MLP(2, 4)),
    )
    with pytest.raises(ValueError, match="group 'z"):
        theory.exact(gated, x)
