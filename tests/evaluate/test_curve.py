"""The importance-weighted bound for many K against binomial sums and quadrature, and its verdict on convergence.

Each comparison of a mean is a t test that raises a false alarm for 1 in 10,000 seeds; the seeds are fixed.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import nn

from prioria import VAE, evaluate, likelihoods, posteriors, priors
from tests.contract.variants import INPUTS, MODELS
from tests.evaluate.test_certify import linear_gaussian

ALPHA = 1e-4
EXAMPLES = 200


def p_value(estimate: evaluate.Estimate, truth: float) -> float:
    return float(stats.ttest_1samp(estimate.pointwise.numpy(), truth).pvalue)


@pytest.mark.slow
def test_every_point_is_the_binomial_sum_of_a_model_with_one_bit() -> None:
    """Of K bits the number of ones is Binomial(K, q), and a weight takes one of two values."""
    decoder = nn.Linear(1, INPUTS)
    posterior = posteriors.Bernoulli(INPUTS, 1)
    model = VAE(
        encoder=nn.Identity(), posterior=posterior, prior=priors.Bernoulli(1), likelihood=likelihoods.Bernoulli(decoder)
    )
    with torch.no_grad():
        decoder.weight.fill_(3.0)
        decoder.bias.fill_(-2.0)
        posterior.head.weight.zero_()
        posterior.head.bias.fill_(-3.0)
    curve = evaluate.bound_curve(model, torch.ones(EXAMPLES, INPUTS))
    log_px = INPUTS * np.array([-math.log1p(math.exp(2.0)), -math.log1p(math.exp(-1.0))])
    log_q = np.array([-math.log1p(math.exp(-3.0)), -math.log1p(math.exp(3.0))])
    zero, one = log_px + math.log(0.5) - log_q
    assert curve.counts == (1, 5, 10, 50, 100, 500, 1000, 5000)
    for estimate in curve.estimates:
        n = np.arange(estimate.num_samples + 1)
        share = n / estimate.num_samples
        bounds = special.logsumexp(np.stack([zero + 0 * n, one + 0 * n]), axis=0, b=np.stack([1 - share, share]))
        truth = float(stats.binom.pmf(n, estimate.num_samples, 1 / (1 + math.e**3)) @ bounds)
        assert p_value(estimate, truth) > ALPHA
        assert estimate.standard_error < 0.3
    assert curve.converged


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_samples_of_a_linear_model_are_a_quadrature_over_their_noise(count: int) -> None:
    """z ~ N(0, 1), x|z ~ N(a z, 1/4), q(z|x) = N(m, s^2): Gauss-Hermite over the noise of all K samples."""
    model, _ = linear_gaussian(1)
    a = model.likelihood.net.weight.item()
    x, m, s = 1.0, 0.0, math.exp(-1.5)
    nodes, weights = special.roots_hermitenorm(60)
    z = m + s * nodes
    log_w = stats.norm.logpdf(x, a * z, 0.5) + stats.norm.logpdf(z) - stats.norm.logpdf(z, m, s)
    grid = np.stack(np.meshgrid(*[log_w] * count, indexing="ij"))
    mass = math.prod(np.ix_(*[weights / weights.sum()] * count))
    truth = float((mass * (special.logsumexp(grid, axis=0) - math.log(count))).sum())
    curve = evaluate.bound_curve(model, torch.full((EXAMPLES, 1), x), counts=(count, 60))
    assert p_value(curve.estimates[0], truth) > ALPHA
    spread = curve.estimates[0].pointwise.var().item()  # all rows are the same: what differs is the noise alone
    assert curve.estimates[0].monte_carlo_variance.mean().item() == pytest.approx(spread, rel=0.5)


@pytest.mark.parametrize("name", ["vamp-prior", "ladder", "binary-hierarchy"])
def test_it_never_falls_and_ends_at_the_log_likelihood(name: str) -> None:
    model, x = MODELS[name](), torch.rand(6, INPUTS).round()
    curve = evaluate.bound_curve(model, x, counts=(1, 5, 10, 100, 1000), seed=3)
    for one, other in itertools.pairwise(curve.estimates):
        assert (other.pointwise - one.pointwise > -1e-9).all()
    whole = evaluate.log_likelihood(model, x, num_samples=1000, seed=3)
    torch.testing.assert_close(curve.estimates[-1].pointwise, whole.pointwise, rtol=0, atol=1e-9)
    assert curve.estimates[-1].ess == pytest.approx(whole.ess)


def test_a_bad_encoder_is_not_converged_and_the_exact_posterior_is() -> None:
    bad, _ = linear_gaussian(10)
    curve = evaluate.bound_curve(bad, torch.randn(20, 10), counts=(1, 100, 500))
    assert curve.rise > 0.1 and not curve.converged and "not converged" in str(curve)
    good, _ = linear_gaussian(1)
    a = good.likelihood.net.weight.item()
    variance = 1 / (1 + 4 * a * a)
    with torch.no_grad():
        posterior = good.stages["z"].q
        posterior.heads.weight.copy_(torch.tensor([[4 * a * variance], [0.0]]))
        posterior.heads.bias.copy_(torch.tensor([0.0, math.log(variance)]))
    curve = evaluate.bound_curve(good, torch.randn(20, 1), counts=(1, 100, 500))
    assert curve.converged and abs(curve.rise) < 1e-4
    assert curve.to_json()["converged"] is True


@pytest.mark.parametrize("counts", [(5,), (0, 5), (5, 1), (5, 5)])
def test_counts_must_ascend(counts: tuple[int, ...]) -> None:
    model, _ = linear_gaussian(1)
    with pytest.raises(ValueError, match="counts="):
        evaluate.bound_curve(model, torch.zeros(1, 1), counts=counts)
