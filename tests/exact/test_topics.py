"""Dirichlet shares as gammas in logarithms, against scipy, and a model of topics against its integral."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from prioria import evaluate, load, starts
from prioria.distributions import LogGamma, kl
from prioria.starts import TopicStart

ALPHA = 1e-4  # false-alarm rate of each test of draws; the seed is fixed


def of(*concentration: float) -> LogGamma:
    return LogGamma(torch.tensor(concentration, dtype=torch.float64).log())


@pytest.mark.parametrize("a", [0.02, 0.5, 7.0])
def test_density_moments_and_entropy_are_those_of_scipy(a: float) -> None:
    z, ours, theirs = np.linspace(-9, 3, 7), of(a), stats.loggamma(a)
    np.testing.assert_allclose(ours.log_prob(torch.tensor(z)).numpy(), theirs.logpdf(z), rtol=1e-10)
    np.testing.assert_allclose(ours.mean.item(), theirs.mean(), rtol=1e-8)
    np.testing.assert_allclose(ours.variance.item(), theirs.var(), rtol=1e-8)
    np.testing.assert_allclose(ours.entropy().item(), theirs.entropy(), rtol=1e-6)


@pytest.mark.parametrize("a", [0.02, 0.5, 7.0])
def test_draws_are_finite_and_distributed_so(a: float) -> None:
    torch.manual_seed(0)
    z = of(a).sample((4000,)).flatten()
    assert z.isfinite().all()
    assert stats.kstest(z.numpy(), stats.loggamma(a).cdf).pvalue > ALPHA


def test_gradients_of_draws_are_those_of_the_mean() -> None:
    torch.manual_seed(0)
    log_a = torch.full((40_000,), 0.7, dtype=torch.float64, requires_grad=True)
    LogGamma(log_a).rsample().sum().backward()
    assert log_a.grad is not None
    a = torch.tensor(0.7, dtype=torch.float64).exp()
    expected = (torch.polygamma(1, a) * a).item()  # d digamma(a) / d log a
    error = (log_a.grad.std() / 200).item()
    assert abs(log_a.grad.mean().item() - expected) < stats.norm.isf(ALPHA / 2) * error


def test_kl_is_its_integral() -> None:
    q, p = of(0.8), of(2.5)

    def integrand(z: float) -> float:
        x = torch.tensor([z], dtype=torch.float64)
        return (q.log_prob(x).exp() * (q.log_prob(x) - p.log_prob(x))).item()

    both = (torch.distributions.Independent(each, 1) for each in (q, p))
    np.testing.assert_allclose(kl(*both).item(), integrate.quad(integrand, -40, 6, limit=200)[0], rtol=1e-6)


def test_the_model_of_two_topics_has_the_likelihood_of_its_integral(tmp_path) -> None:
    words = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]])
    model = starts.of_topics(TopicStart(words, 0.6, np.zeros(0)), hidden=4)
    x = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 5.0], [0.0, 0.0, 0.0]])

    def likelihood(document: np.ndarray) -> float:
        """The sum over all topics of the words, shares integrated: B(0.6 + k, 0.6 + n - k) / B(0.6, 0.6)."""
        said = np.repeat(np.arange(3), document.astype(int))
        total = 0.0
        for topics in itertools.product((0, 1), repeat=len(said)):
            k = topics.count(0)
            beta = special.beta(0.6 + k, 0.6 + len(said) - k) / special.beta(0.6, 0.6)
            total += beta * np.prod([words[topic, word] for topic, word in zip(topics, said, strict=True)])
        return np.log(total)

    found = evaluate.log_likelihood(model, x, num_samples=4000, seed=0).pointwise.numpy()
    np.testing.assert_allclose(found, [likelihood(each) for each in x.numpy()], atol=0.02)
    model.save(tmp_path)
    again = evaluate.log_likelihood(load(tmp_path), x, num_samples=4000, seed=0).pointwise.numpy()
    np.testing.assert_array_equal(again, found)


def test_topics_that_are_fitted_are_those_that_made_the_documents() -> None:
    generator = np.random.default_rng(0)
    words = np.kron(np.eye(2), np.full((1, 5), 0.2))
    shares = generator.dirichlet([0.3, 0.3], 80)
    rows = np.stack([generator.multinomial(40, share @ words) for share in shares]).astype(float)
    start = starts.topics(rows[:60], rows[60:], counts=(2,), passes=10)
    found = start.words[np.argsort(start.words[:, 0])[::-1]]
    assert np.abs(found - words).max() < 0.1
