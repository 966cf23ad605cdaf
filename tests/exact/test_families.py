"""Natural parameters, log-normalizers, KL and fusion against quadrature, enumeration and scipy."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import integrate, stats

from prioria.distributions import (
    bernoulli,
    categorical,
    fuse,
    has_kl,
    kl,
    log_normalizer,
    natural_parameters,
    normal,
    straight_through_bernoulli,
    sufficient_statistics,
)

F64 = torch.float64


def gaussian(mean: float, scale: float) -> torch.distributions.Independent:
    return normal(torch.tensor([mean], dtype=F64), torch.tensor([scale], dtype=F64))


def test_fused_gaussians_are_weighted_by_precision() -> None:
    q = fuse(gaussian(0.0, 1.0), gaussian(2.0, 0.5))
    torch.testing.assert_close(q.mean, torch.tensor([1.6], dtype=F64))
    torch.testing.assert_close(q.variance, torch.tensor([0.2], dtype=F64))


def test_fused_gaussian_is_the_normalized_product_of_densities() -> None:
    p, e = stats.norm(0.3, 0.7), stats.norm(-1.2, 1.9)
    mass, _ = integrate.quad(lambda z: p.pdf(z) * e.pdf(z), -20, 20)
    q = fuse(gaussian(0.3, 0.7), gaussian(-1.2, 1.9))
    for z in (-1.0, 0.0, 0.8):
        expected = math.log(p.pdf(z) * e.pdf(z) / mass)
        assert q.log_prob(torch.tensor([z], dtype=F64)).item() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("prior_scale", "evidence_scale"), [(1e-20, 1.0), (1.0, 1e-20), (1e15, 1e15)])
def test_extreme_scales_neither_overflow_nor_cancel(prior_scale: float, evidence_scale: float) -> None:
    def at(scale: float) -> torch.distributions.Independent:
        return normal(torch.ones(1), torch.full((1,), scale))

    q = fuse(at(prior_scale), at(evidence_scale))
    torch.testing.assert_close(q.mean, torch.ones(1))
    smaller = min(prior_scale, evidence_scale)
    expected = smaller if prior_scale != evidence_scale else smaller / math.sqrt(2)
    torch.testing.assert_close(q.stddev, torch.full((1,), expected))


@pytest.mark.parametrize("family", [bernoulli, straight_through_bernoulli])
def test_fused_bits_are_the_normalized_product(family) -> None:
    a, b = torch.tensor([0.2, 0.9]), torch.tensor([0.6, 0.3])
    q = fuse(bernoulli(a.logit()), family(b.logit()))
    torch.testing.assert_close(q.mean, a * b / (a * b + (1 - a) * (1 - b)))
    assert q.has_rsample == (family is straight_through_bernoulli)


def test_fused_categories_are_the_normalized_product() -> None:
    a, b = torch.tensor([[0.2, 0.3, 0.5]]), torch.tensor([[0.1, 0.8, 0.1]])
    q = fuse(categorical(a.log()), categorical(b.log()))
    torch.testing.assert_close(q.base_dist.probs, a * b / (a * b).sum(-1, keepdim=True))


def test_fusion_broadcasts_samples_over_examples() -> None:
    q = fuse(normal(torch.zeros(3, 5, 2), torch.ones(3, 5, 2)), normal(torch.zeros(5, 2), torch.ones(5, 2)))
    assert q.batch_shape == (3, 5)


def test_unlike_families_are_not_fused() -> None:
    with pytest.raises(ValueError, match="one family.*root='evidence'"):
        fuse(gaussian(0.0, 1.0), bernoulli(torch.zeros(1)))


def test_gaussian_log_normalizer_is_the_integral() -> None:
    d = gaussian(0.7, 0.4)
    eta, _ = natural_parameters(d, F64)

    def unnormalized(z: float) -> float:
        t = sufficient_statistics(d, torch.tensor([z], dtype=F64), F64)
        return math.exp((t * eta).sum().item()) / math.sqrt(2 * math.pi)

    mass, _ = integrate.quad(unnormalized, -10, 10)
    assert log_normalizer(d).item() == pytest.approx(math.log(mass), abs=1e-9)


def test_gradient_of_the_bernoulli_log_normalizer_is_the_mean() -> None:
    logits = torch.tensor([-1.0, 0.3, 2.0], dtype=F64, requires_grad=True)
    (gradient,) = torch.autograd.grad(log_normalizer(bernoulli(logits)), logits)
    torch.testing.assert_close(gradient, logits.detach().sigmoid())


def test_bernoulli_kl_equals_enumeration() -> None:
    q, p = torch.tensor([0.2, 0.7], dtype=F64), torch.tensor([0.5, 0.1], dtype=F64)
    expected = (q * (q / p).log() + (1 - q) * ((1 - q) / (1 - p)).log()).sum()
    torch.testing.assert_close(kl(straight_through_bernoulli(q.logit()), bernoulli(p.logit())), expected)


def test_bernoulli_kl_is_finite_where_probabilities_underflow() -> None:
    q, p = bernoulli(torch.tensor([-120.0, 130.0])), bernoulli(torch.tensor([-110.0, 0.0]))
    torch.testing.assert_close(kl(q, p), torch.tensor(math.log(2)))


def test_kl_sums_over_feature_maps() -> None:
    q, p = (normal(torch.full((5, 2, 3, 3), m), torch.ones(5, 2, 3, 3), event_dims=3) for m in (0.0, 1.0))
    torch.testing.assert_close(kl(q, p), torch.full((5,), 9.0))  # 18 dimensions of 1/2


def test_kl_between_families_has_no_closed_form() -> None:
    assert not has_kl(gaussian(0.0, 1.0), bernoulli(torch.zeros(1)))


def test_straight_through_bits_are_exactly_bits_and_pass_the_gradient_on() -> None:
    probabilities = torch.tensor([0.1, 0.3, 0.77], requires_grad=True)
    z = straight_through_bernoulli(probabilities.logit()).rsample(torch.Size([1000]))
    assert set(z.unique().tolist()) == {0.0, 1.0}
    (gradient,) = torch.autograd.grad(z.sum(0) @ torch.tensor([1.0, 2.0, 3.0]), probabilities)
    torch.testing.assert_close(gradient, torch.tensor([1000.0, 2000.0, 3000.0]))


@pytest.mark.parametrize("log_variance", [0.0, 60.0, 88.0, 89.0, 95.0, 150.0])
def test_evidence_that_says_nothing_leaves_the_prior(log_variance: float) -> None:
    evidence = normal(torch.full((1,), 3.0), torch.tensor([math.exp(log_variance / 2)]))
    q = fuse(normal(torch.zeros(1), torch.ones(1)), evidence)
    share = 1 / (1 + math.exp(log_variance))
    assert q.stddev.item() == pytest.approx(math.sqrt(1 - share), rel=1e-5)
    assert q.mean.item() == pytest.approx(3 * share, abs=1e-6)
