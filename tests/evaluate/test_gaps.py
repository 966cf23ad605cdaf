"""Gaps of the linear-Gaussian model, known in closed form, and of models of every other kind."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import nn

from prioria import VAE, evaluate, likelihoods, posteriors, priors
from tests.contract.variants import MODELS

A = torch.tensor([[1.0, 0.5], [0.3, 1.0], [0.2, -0.1]], dtype=torch.float64)  # z ~ N(0, I), x | z ~ N(A z, I)
X = torch.tensor([[0.7, -1.1, 0.4]], dtype=torch.float64)
PRECISION = torch.eye(2, dtype=torch.float64) + A.mT @ A  # of p(z | x)
BEST = torch.linalg.solve(PRECISION, A.mT @ X[0]), 1 / PRECISION.diagonal()  # mean and variance of the best diagonal q
LOG_PX = stats.multivariate_normal(cov=(A @ A.mT + torch.eye(3)).numpy()).logpdf(X[0].numpy())


def model(mean: torch.Tensor, variance: torch.Tensor) -> VAE:
    """The linear-Gaussian model with an encoder that gives this one Gaussian for every x."""
    encoder, posterior, decoder = nn.Linear(3, 4), posteriors.Gaussian(4, 2), nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        encoder.weight.zero_()
        encoder.bias.copy_(torch.cat([mean, variance.log()]))
        posterior.heads.weight.copy_(torch.eye(4))
        posterior.heads.bias.zero_()
        decoder.weight.copy_(A)
    prior, likelihood = priors.StandardNormal(2), likelihoods.Gaussian(decoder)
    return VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=likelihood).double()


def bound(mean: torch.Tensor, variance: torch.Tensor) -> float:
    """E_q log p(x, z) + H(q) of the linear-Gaussian model in closed form."""
    error = (X[0] - A @ mean).square().sum() + (A.square() @ variance).sum()
    log_px = -0.5 * error - 1.5 * torch.tensor(2 * torch.pi).log()
    rate = 0.5 * (variance + mean.square() - 1 - variance.log()).sum()
    return (log_px - rate).item()


@pytest.mark.parametrize("start", [(torch.tensor([0.9, 0.2]), torch.tensor([0.7, 0.1])), BEST], ids=["off", "best"])
def test_gaps_of_the_linear_gaussian_model(start: tuple) -> None:
    found = evaluate.gaps(model(*start), X, num_samples=20_000, num_steps=300, draws=50)
    best, given = bound(*BEST), bound(*(part.double() for part in start))
    assert found.elbo.value == pytest.approx(given, abs=4 * found.elbo.monte_carlo_error)
    assert found.optimized.value == pytest.approx(best, abs=4 * found.optimized.monte_carlo_error)
    assert found.log_likelihood.value == pytest.approx(LOG_PX, abs=4 * found.log_likelihood.monte_carlo_error)
    assert found.amortization.value == pytest.approx(best - given, abs=0.02)
    assert found.approximation.value == pytest.approx(LOG_PX - best, abs=0.02)
    assert LOG_PX - best > 0.05


@pytest.mark.parametrize("name", ["ladder", "bits", "binary-hierarchy", "dependency-graph-iaf", "gaussian-posterior"])
def test_fitting_raises_the_bound_and_leaves_the_model_as_it_was(name: str) -> None:
    made, x = MODELS[name](), torch.bernoulli(torch.full((5, 6), 0.5))
    before, state = {n: v.clone() for n, v in made.state_dict().items()}, torch.get_rng_state()
    found = evaluate.gaps(made, x, num_samples=100, num_steps=30, draws=4)
    assert found.amortization.value > 0
    assert all(torch.equal(value, before[n]) for n, value in made.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in made.parameters())
    assert "amortization gap" in str(found)


def test_a_point_posterior_and_no_draws_are_refused() -> None:
    point = VAE(
        encoder=nn.Identity(),
        posterior=posteriors.Delta(6, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(nn.Linear(2, 6)),
    )
    with pytest.raises(ValueError, match="no density"):
        evaluate.gaps(point, torch.zeros(2, 6))
    with pytest.raises(ValueError, match="draws=0"):
        evaluate.gaps(MODELS["bits"](), torch.zeros(2, 6), draws=0)
