"""The likelihood on a grid against closed forms and scipy's integrals; its error is measured, not hoped for."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import integrate, stats
from torch import nn
from torch.distributions import MultivariateNormal

from prioria import VAE, evaluate, likelihoods, posteriors, priors
from prioria.distributions import Mixture, normal
from prioria.stage import Stage
from tests.contract.variants import INPUTS, MODELS, single
from tests.evaluate.test_certify import linear_gaussian

W, NOISE = torch.tensor([[1.0, 0.9], [0.8, 1.0], [0.2, -0.1]]), 0.5
X = torch.tensor([[0.7, -1.1, 0.4], [0.0, 0.3, -0.2]])


def model() -> VAE:
    posterior, decoder = posteriors.Gaussian(3, 2), nn.Linear(2, 3, bias=False)
    covariance = torch.linalg.inv(torch.eye(2) + W.T @ W / NOISE**2)
    with torch.no_grad():
        posterior.heads.weight.copy_(torch.cat([covariance @ W.T / NOISE**2, torch.zeros(2, 3)]))
        posterior.heads.bias.copy_(torch.cat([torch.zeros(2), covariance.diag().log()]))
        decoder.weight.copy_(W)
    likelihood = likelihoods.Gaussian(decoder, scale=NOISE)
    return VAE(encoder=nn.Identity(), posterior=posterior, prior=priors.StandardNormal(2), likelihood=likelihood)


def test_is_the_closed_form_of_a_linear_model() -> None:
    found = evaluate.quadrature_log_likelihood(model(), X)
    marginal = torch.distributions.MultivariateNormal(torch.zeros(3), W @ W.T + NOISE**2 * torch.eye(3))
    torch.testing.assert_close(found.pointwise.float(), marginal.log_prob(X), atol=1e-4, rtol=1e-4)
    assert found.pointwise[0].item() == pytest.approx(-5.264136318, abs=1e-4)
    assert "quadrature" in str(found.estimator) and math.isclose(found.monte_carlo_error, 0.0)


def test_agrees_with_importance_sampling_where_the_prior_is_learned() -> None:
    vae, x = single("realnvp"), torch.rand(20, INPUTS).round()
    grid, sampled = evaluate.quadrature_log_likelihood(vae, x), evaluate.log_likelihood(vae, x, num_samples=4000)
    assert abs(grid.value - sampled.value) < 4 * sampled.monte_carlo_error + abs(sampled.bias)


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("narrow", [1, 300])
def test_it_finds_the_posterior_where_the_encoder_does_not(dimensions: int, narrow: float) -> None:
    """q(z|x) is N(0, e^-3 I) whatever x; the larger the weights, the narrower the posterior and the farther away."""
    vae, _ = linear_gaussian(dimensions)
    with torch.no_grad():
        a = vae.likelihood.net.weight.mul_(narrow).double()
    marginal = MultivariateNormal(torch.zeros(dimensions).double(), a @ a.mT + 0.25 * torch.eye(dimensions))
    x = marginal.sample((105,)).float()
    found = evaluate.quadrature_log_likelihood(vae, x)
    assert found.converged
    torch.testing.assert_close(found.pointwise, marginal.log_prob(x.double()), atol=1e-4, rtol=0)
    coarse = evaluate.quadrature_log_likelihood(vae, x, points=9)
    assert ((coarse.pointwise - found.pointwise).abs() < coarse.error).all()
    assert not coarse.converged


def test_groups_and_auxiliary_latents_share_the_grid() -> None:
    x = torch.randn(20, 1)
    normal = priors.Gaussian(1, 1)
    with torch.no_grad():
        normal.heads.weight.copy_(torch.tensor([[1.5], [0.0]]))
        normal.heads.bias.copy_(torch.tensor([0.3, math.log(0.2)]))
    likelihood = likelihoods.Gaussian(nn.Identity(), scale=0.5)
    prior = priors.Hierarchical(1, 1, auxiliary_decoder=normal)
    bound = VAE(encoder=nn.Identity(), posterior=posteriors.Gaussian(1, 1), prior=prior, likelihood=likelihood)
    groups = {
        "z2": Stage(prior=priors.StandardNormal(1), posterior=posteriors.Gaussian(1, 1)),
        "z1": Stage(prior=normal, posterior=posteriors.Gaussian(2, 1)),
    }
    last = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        last.weight.copy_(torch.tensor([[0.0, 1.0]]))
    two = VAE(encoder=nn.Identity(), stages=groups, likelihood=likelihoods.Gaussian(last, scale=0.5))
    truth = torch.from_numpy(stats.norm.logpdf(x.numpy(), 0.3, math.sqrt(1.5**2 + 0.2 + 0.25))).flatten()
    for vae in (bound, two):
        found = evaluate.quadrature_log_likelihood(vae, x)
        torch.testing.assert_close(found.pointwise, truth, atol=1e-5, rtol=0, check_dtype=False)


class Square(nn.Module):
    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z.square()


class TwoPeaks(nn.Module):
    """A prior of two narrow peaks at -4 and 4."""

    def forward(self, context: torch.Tensor | None = None) -> Mixture:
        return Mixture(normal(torch.tensor([[-4.0], [4.0]]), torch.full((2, 1), 0.1)))


def test_a_mode_that_the_search_loses_is_missed() -> None:
    # p(x|z) = N(x; z, 20^2) hardly tells the peaks apart: p(0) = N(0; 4, 400.01), half of it from each peak.
    decoder = nn.Linear(1, 1)
    nn.init.ones_(decoder.weight), nn.init.zeros_(decoder.bias)
    vae = VAE(
        encoder=nn.Identity(),
        posterior=posteriors.Gaussian(1, 1),
        prior=TwoPeaks(),
        likelihood=likelihoods.Gaussian(decoder, scale=20.0),
    )
    x, expected = torch.zeros(1, 1), stats.norm.logpdf(0.0, 4.0, math.sqrt(400.01))
    few = evaluate.quadrature_log_likelihood(vae, x)
    assert not few.converged and abs(few.value - expected) < few.error.item()
    many = evaluate.quadrature_log_likelihood(vae, x, points=1601)
    assert many.converged and many.value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("x", "scale"), [(4.0, 0.2), (4.0, 0.1), (4.0, 0.05), (1.0, 0.02)])
def test_the_error_covers_a_lost_mode(x: float, scale: float) -> None:
    vae = VAE(
        encoder=nn.Identity(),
        posterior=posteriors.Gaussian(1, 1),
        prior=priors.StandardNormal(1),
        likelihood=likelihoods.Gaussian(Square(), scale=scale),
    )
    places = [-math.sqrt(x), math.sqrt(x)]
    mass = integrate.quad(lambda z: stats.norm.pdf(z) * stats.norm.pdf(x, z * z, scale), -8, 8, points=places)[0]
    few = evaluate.quadrature_log_likelihood(vae, torch.tensor([[x]]))
    # about thirty of the draws are in the lost half: log 2 may come out as log 1.55 at three standard errors
    assert not few.converged and abs(few.value - math.log(mass)) < 1.6 * few.error.item()
    many = evaluate.quadrature_log_likelihood(vae, torch.tensor([[x]]), points=3201)
    assert many.converged and many.value == pytest.approx(math.log(mass), abs=1e-5)


def test_a_posterior_with_two_modes_is_integrated_or_said_not_to_be() -> None:
    likelihood = likelihoods.Gaussian(Square(), scale=0.5)
    vae = VAE(
        encoder=nn.Identity(),
        posterior=posteriors.Gaussian(1, 1),
        prior=priors.StandardNormal(1),
        likelihood=likelihood,
    )
    mass = integrate.quad(lambda z: stats.norm.pdf(z) * stats.norm.pdf(4.0, z * z, 0.5), -8, 8, points=[-2, 2])[0]
    x = torch.tensor([[4.0]])
    assert not evaluate.quadrature_log_likelihood(vae, x, points=41).converged
    found = evaluate.quadrature_log_likelihood(vae, x, points=801)
    assert found.converged
    assert found.value == pytest.approx(math.log(mass), abs=1e-5)
    assert found.to_json()["quadrature_error"] < 0.01


def test_one_latent_and_refusals() -> None:
    x = torch.rand(5, INPUTS).round()
    one = single(latents=1)
    assert evaluate.quadrature_log_likelihood(one, x).value == pytest.approx(
        evaluate.log_likelihood(one, x, num_samples=4000).value, abs=0.02
    )
    with pytest.raises(ValueError, match="3 latents in all groups"):
        evaluate.quadrature_log_likelihood(single(latents=3), x)
    with pytest.raises(ValueError, match=r"bits; use theory\.exact"):
        evaluate.quadrature_log_likelihood(MODELS["bits"](), x)
    with pytest.raises(ValueError, match="points=80 must be odd"):
        evaluate.quadrature_log_likelihood(one, x, points=80)
