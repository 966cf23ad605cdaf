"""Dirichlet shares as real numbers, against scipy, and a model of topics against the sum over all topics of words."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import special, stats

from prioria import evaluate, load, starts
from prioria.distributions import LogDirichlet
from prioria.starts import TopicStart

ALPHA = 1e-4  # false-alarm rate of each test of draws; the seed is fixed


def of(*concentration: float) -> LogDirichlet:
    return LogDirichlet(torch.tensor(concentration, dtype=torch.float64).log())


@pytest.mark.parametrize("a", [(0.02, 0.5, 7.0), (1.0, 1.0)])
def test_density_is_that_of_shares_and_scale_and_the_change_of_variables(a: tuple[float, ...]) -> None:
    z = np.random.default_rng(0).normal(size=(5, len(a)))
    gammas = np.exp(z)
    scale = gammas.sum(-1)
    # d(theta_1 .. theta_{K-1}, s) / dz = prod_k e^{z_k} / s^{K-1}
    volume = z.sum(-1) - (len(a) - 1) * np.log(scale)
    expected = [stats.dirichlet(a).logpdf(each / each.sum()) for each in gammas] + stats.expon().logpdf(scale) + volume
    np.testing.assert_allclose(of(*a).log_prob(torch.tensor(z)).numpy(), expected, rtol=1e-8)


@pytest.mark.parametrize("a", [(0.02, 0.5), (7.0, 0.3)])
def test_draws_are_finite_and_distributed_so(a: tuple[float, float]) -> None:
    torch.manual_seed(0)
    z = of(*a).sample((4000,))
    assert z.isfinite().all()
    assert stats.kstest(z.softmax(-1)[:, 0].numpy(), stats.beta(*a).cdf).pvalue > ALPHA
    assert stats.kstest(z.logsumexp(-1).exp().numpy(), stats.expon().cdf).pvalue > ALPHA
    error = z.std(0) / len(z) ** 0.5
    assert ((z.mean(0) - of(*a).mean).abs() < stats.norm.isf(ALPHA / 4) * error).all()
    np.testing.assert_allclose(z.var(0).numpy(), of(*a).variance.numpy(), rtol=0.15)


def test_gradients_of_draws_are_those_of_the_mean() -> None:
    torch.manual_seed(0)
    log_a = torch.zeros(40_000, 2, dtype=torch.float64, requires_grad=True)
    LogDirichlet(log_a).rsample()[:, 0].sum().backward()
    assert log_a.grad is not None
    expected = torch.tensor([[1.0, 1.0]], dtype=torch.float64, requires_grad=True)
    (torch.digamma(expected[:, 0]) - torch.digamma(expected.sum(-1))).sum().backward()  # at a = 1 as of log a
    assert expected.grad is not None
    error = log_a.grad.std(0) / 200
    assert ((log_a.grad.mean(0) - expected.grad[0]).abs() < stats.norm.isf(ALPHA / 4) * error).all()


def test_kl_is_the_mean_of_differences_of_densities() -> None:
    torch.manual_seed(0)
    q, p = of(0.8, 2.0, 0.5), of(2.5, 1.0, 0.7)
    z = q.sample((20_000,))
    found = q.log_prob(z) - p.log_prob(z)
    expected = torch.distributions.kl_divergence(q, p).item()
    assert abs(found.mean().item() - expected) < stats.norm.isf(ALPHA / 2) * found.std().item() / 20_000**0.5


def test_the_model_of_two_topics_has_the_likelihood_of_that_sum(tmp_path) -> None:
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

    # weights of the first have a Pareto tail of k = 0.67: 4,000 samples leave an error of .02
    found = evaluate.log_likelihood(model, x, num_samples=200_000, seed=0).pointwise.numpy()
    np.testing.assert_allclose(found, [likelihood(each) for each in x.numpy()], atol=0.02)
    model.save(tmp_path)
    again = evaluate.log_likelihood(load(tmp_path), x, num_samples=200_000, seed=0).pointwise.numpy()
    np.testing.assert_array_equal(again, found)


def test_topics_that_are_fitted_are_those_that_made_the_documents() -> None:
    generator = np.random.default_rng(0)
    words = np.kron(np.eye(2), np.full((1, 5), 0.2))
    shares = generator.dirichlet([0.3, 0.3], 80)
    rows = np.stack([generator.multinomial(40, share @ words) for share in shares]).astype(float)
    start = starts.topics(rows[:60], rows[60:], counts=(2,), passes=10)
    found = start.words[np.argsort(start.words[:, 0])[::-1]]
    assert np.abs(found - words).max() < 0.1
