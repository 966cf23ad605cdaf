"""The whole chain from draw to estimate against closed forms."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import MultivariateNormal

from prioria import evaluate, objectives
from tests.exact.linear_gaussian import (
    BEST_DIAGONAL_VARIANCE,
    COVARIANCE,
    ELBO,
    LOG_PX,
    POSTERIOR_MEAN,
    TO_MEAN,
    A,
    ExactPosterior,
    X,
    diagonal_posterior,
    model,
)

Z = 3.9  # standard errors: a false alarm once in 1e4
CURVE = {2: -5.732, 5: -5.619, 16: -5.513, 50: -5.446}  # importance-weighted bounds, known to 0.004


def test_the_published_constants_are_those_of_the_model() -> None:
    marginal = MultivariateNormal(torch.zeros(3).double(), A @ A.mT + 0.25 * torch.eye(3))
    assert marginal.log_prob(X).item() == pytest.approx(LOG_PX, abs=1e-9)
    torch.testing.assert_close((TO_MEAN @ X[0]), torch.tensor(POSTERIOR_MEAN).double(), atol=1e-6, rtol=0)
    q = model().condition(X).top[1]
    torch.testing.assert_close(q.variance[0], torch.tensor(BEST_DIAGONAL_VARIANCE).double(), atol=1e-6, rtol=0)
    mismatch = torch.distributions.kl_divergence(
        MultivariateNormal(q.mean[0], q.variance[0].diag()), MultivariateNormal(TO_MEAN @ X[0], COVARIANCE)
    )
    assert LOG_PX - mismatch.item() == pytest.approx(ELBO, abs=1e-9)


def test_elbo_is_the_closed_form() -> None:
    estimate = evaluate.elbo(model(), X, num_samples=100_000)
    assert abs(estimate.value - ELBO) < Z * estimate.monte_carlo_error
    assert estimate.monte_carlo_error < 0.01


@pytest.mark.slow
def test_importance_weighted_bound_follows_its_curve() -> None:
    bounds = {}
    for samples, expected in CURVE.items():
        estimate = evaluate.log_likelihood(model(), X.expand(4000, 3), num_samples=samples)
        assert abs(estimate.value - expected) < 0.004 + Z * estimate.standard_error
        bounds[samples] = estimate.value
    assert ELBO < bounds[2] < bounds[5] < bounds[16] < bounds[50] < LOG_PX


def test_log_likelihood_is_the_closed_form() -> None:
    wide = torch.full((2,), 0.9, dtype=torch.float64)  # wider than p(z|x) in every direction: bounded weights
    estimate = evaluate.log_likelihood(model(diagonal_posterior(wide)), X.expand(20, 3), num_samples=5000)
    assert abs(estimate.value - LOG_PX) < Z * estimate.monte_carlo_error
    assert estimate.monte_carlo_error == pytest.approx(estimate.standard_error, rel=0.6)
    assert estimate.monte_carlo_error < 0.01
    assert estimate.converged


def test_weights_of_infinite_variance_are_not_called_converged() -> None:
    # w ~ exp(z' (Q^-1 - P^-1) z / 2) under N(0, Q) has a tail of shape k = 1 - the least eigenvalue of Q P^-1.
    posterior = model().condition(X).top[1]
    shape = 1 - torch.linalg.eigvals(posterior.variance[0].diag() @ COVARIANCE.inverse()).real.min().item()
    estimate = evaluate.log_likelihood(model(), X.expand(50, 3), num_samples=10_000)
    assert shape > 0.7
    assert estimate.weights is not None
    assert estimate.weights.pareto_k.mean().item() == pytest.approx(shape, abs=0.1)
    assert not estimate.converged


def test_exact_posterior_leaves_no_variance() -> None:
    estimate = evaluate.log_likelihood(model(ExactPosterior()), X, num_samples=50)
    assert estimate.value == pytest.approx(LOG_PX, abs=1e-7)  # log s = log 0.5 is held in float32
    assert estimate.monte_carlo_error < 1e-8
    assert estimate.ess == pytest.approx(50)
    assert evaluate.elbo(model(ExactPosterior()), X).value == pytest.approx(LOG_PX, abs=1e-7)


@pytest.mark.parametrize("samples", [1, 7])
def test_reported_iwae_is_the_bound_itself(samples: int) -> None:
    draw = model().draw(X.expand(5, 3), num_samples=samples)
    joint = MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double()).log_prob(draw.z["z"])
    joint = joint + MultivariateNormal(torch.zeros(3).double(), 0.25 * torch.eye(3)).log_prob(X - draw.z["z"] @ A.mT)
    q = MultivariateNormal((TO_MEAN @ X[0]), (1 / COVARIANCE.inverse().diagonal()).diag())
    weights = (joint - q.log_prob(draw.z["z"])).exp()
    expected = -weights.mean(0).log().mean()
    torch.testing.assert_close(objectives.IWAE(num_samples=samples)(draw).value, expected)
