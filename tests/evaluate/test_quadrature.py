"""The likelihood on a grid against the closed form of a linear model, and against importance sampling."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from prioria import VAE, evaluate, likelihoods, posteriors, priors
from tests.contract.variants import INPUTS, single, two_level

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
    grid, sampled = evaluate.quadrature_log_likelihood(vae, x), evaluate.log_likelihood(vae, x, 4000)
    assert abs(grid.value - sampled.value) < 4 * sampled.monte_carlo_error + abs(sampled.bias)


def test_one_latent_and_refusals() -> None:
    x = torch.rand(5, INPUTS).round()
    one = single(latents=1)
    assert evaluate.quadrature_log_likelihood(one, x).value == pytest.approx(
        evaluate.log_likelihood(one, x, 4000).value, abs=0.02
    )
    with pytest.raises(ValueError, match="1 groups and 3 latents"):
        evaluate.quadrature_log_likelihood(single(latents=3), x)
    with pytest.raises(ValueError, match="2 groups"):
        evaluate.quadrature_log_likelihood(two_level(), x)
    with pytest.raises(ValueError, match="no mean to put a grid around"):
        evaluate.quadrature_log_likelihood(single(posterior="opaque-flow"), x)
