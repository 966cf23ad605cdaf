"""Annealed importance sampling against closed forms: both ends hold, and a bad encoder is caught.

Each comparison of a mean allows 3 standard errors: a false alarm in 1 of 740 seeds, and the seeds are fixed.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from prioria import VAE, evaluate, likelihoods, posteriors, priors
from prioria.stage import Stage

NOISE = 0.5


def linear_gaussian(dimensions: int) -> tuple[VAE, MultivariateNormal]:
    """z ~ N(0, I), x|z ~ N(A z, I/4), with q(z|x) = N(0, e^-3 I) far from p(z|x); and the marginal p(x)."""
    decoder = nn.Linear(dimensions, dimensions, bias=False)
    posterior = posteriors.Gaussian(dimensions, dimensions)
    with torch.no_grad():
        decoder.weight.copy_(torch.randn(dimensions, dimensions) / math.sqrt(dimensions))
        posterior.heads.weight.zero_()
        posterior.heads.bias.copy_(torch.cat([torch.zeros(dimensions), torch.full((dimensions,), -3.0)]))
    model = VAE(
        encoder=nn.Identity(),
        posterior=posterior,
        prior=priors.StandardNormal(dimensions),
        likelihood=likelihoods.Gaussian(decoder, scale=NOISE),
    )
    a = decoder.weight.detach().double()
    return model, MultivariateNormal(torch.zeros(dimensions).double(), a @ a.mT + NOISE**2 * torch.eye(dimensions))


def standard_errors(difference: Tensor) -> float:
    return (difference.mean() / difference.std() * math.sqrt(len(difference))).item()


@pytest.mark.slow
@pytest.mark.parametrize(("dimensions", "num_steps"), [(2, 100), (10, 100), (50, 200)])
def test_the_closed_form_is_inside_the_bracket_and_a_bad_encoder_is_caught(dimensions: int, num_steps: int) -> None:
    model, marginal = linear_gaussian(dimensions)
    certificate = evaluate.certify(model, num_examples=60, num_steps=num_steps, num_samples=1000)
    truth = marginal.log_prob(certificate.x.double())
    assert standard_errors(certificate.lower.pointwise - truth) < 3
    assert standard_errors(certificate.upper.pointwise - truth) > -3
    assert abs(certificate.gap) < 1.5
    missing = (truth - certificate.importance.pointwise).mean().item()
    assert missing > 1
    assert certificate.importance_gap > missing - 3 * certificate.importance_gap_error
    assert certificate.importance_gap > 3 * certificate.importance_gap_error


@pytest.mark.slow
def test_a_hierarchical_prior_is_annealed_with_its_auxiliary_latents() -> None:
    a = torch.tensor([[1.5], [-0.8]])
    zeta = priors.Gaussian(1, 2)
    with torch.no_grad():
        zeta.heads.weight.copy_(torch.cat([a, torch.zeros(2, 1)]))
        zeta.heads.bias.copy_(torch.tensor([0.0, 0.0, math.log(0.3), math.log(0.3)]))
    model, _ = linear_gaussian(2)
    decoder = model.likelihood.net.weight.detach().double()
    prior = priors.Hierarchical(2, 1, num_samples=1, auxiliary_decoder=zeta)  # its q(zeta|z) is as it was initialized
    model = VAE(encoder=nn.Identity(), posterior=posteriors.Gaussian(2, 2), prior=prior, likelihood=model.likelihood)
    covariance = decoder @ (a @ a.mT + 0.3 * torch.eye(2)).double() @ decoder.mT + NOISE**2 * torch.eye(2)
    certificate = evaluate.certify(model, num_examples=60, num_steps=100, num_samples=10)
    truth = MultivariateNormal(torch.zeros(2).double(), covariance).log_prob(certificate.x.double())
    assert standard_errors(certificate.lower.pointwise - truth) < 3
    assert standard_errors(certificate.upper.pointwise - truth) > -3
    assert abs(certificate.gap) < 0.2


@pytest.mark.slow
def test_all_groups_of_a_hierarchy_move() -> None:
    """z2 ~ N(0, I), z1|z2 ~ N(B z2, I/2), x|z1 z2 linear in both."""
    prior = priors.Gaussian(2, 2)
    with torch.no_grad():
        prior.heads.weight[2:].zero_()
        prior.heads.bias.copy_(torch.tensor([0.0, 0.0, math.log(0.5), math.log(0.5)]))
    groups = {
        "z2": Stage(prior=priors.StandardNormal(2), posterior=posteriors.Gaussian(3, 2)),
        "z1": Stage(prior=prior, posterior=posteriors.Gaussian(5, 2)),
    }
    decoder = nn.Linear(4, 3, bias=False)
    model = VAE(encoder=nn.Identity(), stages=groups, likelihood=likelihoods.Gaussian(decoder, scale=NOISE))
    below, a = prior.heads.weight[:2].detach().double(), decoder.weight.detach().double()
    root = torch.cat([torch.eye(2), torch.zeros(2, 2)], 1).double()
    lower = torch.cat([below, math.sqrt(0.5) * torch.eye(2)], 1)
    factor = a @ torch.cat([root, lower])
    x = torch.randn(62, 3)
    estimate = evaluate.annealed_log_likelihood(model, x, num_steps=60)
    marginal = MultivariateNormal(torch.zeros(3).double(), factor @ factor.mT + NOISE**2 * torch.eye(3))
    difference = estimate.pointwise - marginal.log_prob(x.double())
    assert standard_errors(difference) < 3
    assert abs(difference.mean().item()) < 0.05
    assert difference.std().item() < 4 * math.sqrt(62) * estimate.monte_carlo_error


@pytest.mark.slow
def test_annealing_repeats_and_leaves_the_random_numbers_alone() -> None:
    model, _ = linear_gaussian(2)
    x, before = torch.randn(3, 2), torch.get_rng_state()
    first, again, other = (
        evaluate.annealed_log_likelihood(model, x, num_steps=5, num_chains=20, seed=seed).pointwise
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_what_cannot_be_annealed_is_refused() -> None:
    model, _ = linear_gaussian(2)
    with pytest.raises(ValueError, match="num_steps=1"):
        evaluate.annealed_log_likelihood(model, torch.zeros(1, 2), num_steps=1)
    with pytest.raises(ValueError, match="num_examples=1"):
        evaluate.certify(model, num_examples=1)
