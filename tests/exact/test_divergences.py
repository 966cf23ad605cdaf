"""Closed-form divergences against quadrature and enumeration, and the sampled rate against both."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from prioria import VAE, likelihoods, posteriors, priors
from prioria.distributions import categorical, has_kl, kl, normal, sample_and_log_prob


@pytest.mark.parametrize(("mean", "scale"), [(0.0, 1.0), (1.5, 0.2), (-3.0, 2.0)])
def test_gaussian_kl_is_the_integral(mean: float, scale: float) -> None:
    q, p = stats.norm(mean, scale), stats.norm(0.5, 1.3)
    expected, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), mean - 10 * scale, mean + 10 * scale)
    tensors = [torch.tensor([value], dtype=torch.float64) for value in (mean, scale, 0.5, 1.3)]
    assert kl(normal(*tensors[:2]), normal(*tensors[2:])).item() == pytest.approx(expected, abs=1e-7)


def test_kl_is_summed_over_the_event_and_broadcast_over_the_batch() -> None:
    q, p = normal(torch.randn(5, 3), torch.ones(5, 3)), normal(torch.randn(7, 1, 3), torch.ones(3))
    expected = 0.5 * (q.mean - p.mean).square().sum(-1)
    torch.testing.assert_close(kl(q, p), expected)


def test_categorical_kl_is_the_sum_over_categories() -> None:
    a, b = torch.randn(2, 4, 3, dtype=torch.float64).unbind(0)
    expected = stats.entropy(a.softmax(-1).numpy(), b.softmax(-1).numpy(), axis=-1).sum()
    assert kl(categorical(a), categorical(b)).item() == pytest.approx(expected)


@pytest.mark.parametrize("latents", [1, 2, 5])
def test_a_full_gaussian_has_the_density_entropy_and_kl_of_scipy(latents: int) -> None:
    q = posteriors.FullGaussian(3, latents)(torch.randn(3))
    mean, covariance = q.mean.detach().double().numpy(), q.covariance_matrix.detach().double().numpy()
    reference = stats.multivariate_normal(mean, covariance)
    z, log_q = sample_and_log_prob(q, (1000,))
    np.testing.assert_allclose(log_q.detach(), reference.logpdf(z.detach().double().numpy()), atol=1e-4)
    np.testing.assert_allclose(q.log_prob(z).detach(), log_q.detach(), atol=1e-4)
    assert q.entropy().item() == pytest.approx(reference.entropy(), abs=1e-4)
    p = normal(torch.full((latents,), 0.5), torch.full((latents,), 1.3))
    away = mean - 0.5
    expected = 0.5 * (
        np.trace(covariance) / 1.69
        + away @ away / 1.69
        - latents
        + latents * np.log(1.69)
        - np.linalg.slogdet(covariance)[1]
    )
    assert has_kl(q, p) and kl(q, p).item() == pytest.approx(expected, abs=1e-4)


def test_draws_of_a_full_gaussian_have_its_covariance() -> None:
    q = posteriors.FullGaussian(3, 3)(torch.randn(3))
    z = q.sample((200_000,))
    error = (q.variance[:, None] * q.variance + q.covariance_matrix.square()).sqrt() / 200_000**0.5
    assert ((z.mT.cov() - q.covariance_matrix).abs() < 5 * error).all()  # of nine, below 1e-5


def test_rate_averages_to_the_closed_form() -> None:
    model = VAE(
        encoder=nn.Identity(),
        posterior=posteriors.Gaussian(3, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(nn.Linear(2, 3)),
    )
    with torch.no_grad():
        draw = model.draw(torch.randn(4, 3), num_samples=100_000)
    q = draw.latents["z"].q
    assert q is not None
    mean, variance = q.mean.double().numpy(), q.variance.double().numpy()
    expected = 0.5 * (variance + mean**2 - 1 - np.log(variance)).sum(-1)
    error = draw.rate.std(0).double().numpy() / 100_000**0.5
    assert (np.abs(draw.rate.double().mean(0).numpy() - expected) < 4.3 * error + 1e-4).all()  # of four, 1e-4 in all
