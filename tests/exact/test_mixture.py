"""Mixtures against densities written out in float64, quadrature, and the frequencies of their components."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import Tensor

from prioria import priors
from prioria.distributions import Mixture, bernoulli, log_mean_exp, logsumexp, normal
from prioria.distributions.reduce import logsumexp_

ALPHA = 1e-4  # false-alarm rate of each statistical test; the seeds are fixed


def written_out(z: Tensor, mean: Tensor, scale: Tensor, weights: np.ndarray) -> np.ndarray:
    each = stats.norm.logpdf(z.double().numpy()[:, None], mean.double().numpy(), scale.double().numpy()).sum(-1)
    return special.logsumexp(each, axis=1, b=weights)


@pytest.mark.parametrize(("log_variance", "spread", "offset"), [(-2.0, 1.0, 0.0), (-6.0, 5.0, 0.0), (-9.0, 5.0, 20.0)])
def test_density_does_not_cancel_where_float32_would(log_variance: float, spread: float, offset: float) -> None:
    mean = offset + spread * torch.randn(50, 40)
    scale = torch.full((50, 40), log_variance / 2).exp()
    z = mean[:20] + scale[:20] * torch.randn(20, 40)
    expected = written_out(z, mean, scale, np.full(50, 1 / 50))
    np.testing.assert_allclose(Mixture(normal(mean, scale)).log_prob(z), expected, atol=1e-4, rtol=1e-6)


@pytest.mark.parametrize(("log_variance", "spread", "offset"), [(-2.0, 1.0, 0.0), (-6.0, 5.0, 0.0), (-9.0, 5.0, 20.0)])
def test_the_gradient_in_single_precision_is_that_written_out_in_double(
    log_variance: float, spread: float, offset: float
) -> None:
    mean = offset + spread * torch.randn(50, 40)
    scale, weights = (torch.full((50, 40), log_variance / 2) + 0.1 * torch.randn(50, 40)).exp(), torch.randn(50)
    inputs = [mean[:20] + scale[:20] * torch.randn(20, 40), mean, scale, weights]
    z, m, s, w = leaves = [each.double().requires_grad_() for each in inputs]
    each = torch.distributions.Normal(m, s).log_prob(z[:, None]).sum(-1)
    expected = torch.autograd.grad((each + w.log_softmax(0)).logsumexp(-1).square().sum(), leaves)
    z, m, s, w = leaves = [each.clone().requires_grad_() for each in inputs]
    found = torch.autograd.grad(Mixture(normal(m, s), w).log_prob(z).square().sum(), leaves)
    for ours, exact in zip(found, expected, strict=True):
        assert (ours - exact).norm() < 1e-4 * exact.norm()


@pytest.mark.parametrize(("mean", "scale"), [(5.0, 1e-8), (300.0, 1e-6), (-2e4, 1e-3), (0.3, 1e-7)])
@pytest.mark.parametrize("learned", [False, True])
def test_a_narrow_component_has_its_own_density_at_and_beside_its_mode(
    mean: float, scale: float, learned: bool
) -> None:
    means, scales = (
        torch.tensor([[mean], [-mean], [0.0]]).double(),
        torch.tensor([[scale], [3 * scale], [1.0]]).double(),
    )
    z = means[:2] + scales[:2] * torch.tensor([[0.0], [1.5]])
    z = torch.cat([z, means[:2], torch.tensor([[0.2], [mean + 1]])]).double().requires_grad_(learned)
    mixture = Mixture(normal(means, scales))
    found = mixture.log_prob(z)
    expected = written_out(z.detach(), means, scales, np.full(3, 1 / 3))
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-9, atol=1e-6)
    each = stats.norm.logpdf(z.detach().numpy(), means.T, scales.T)
    np.testing.assert_allclose(mixture.component_log_prob(z).detach(), each, rtol=1e-9, atol=1e-6)
    if learned:
        (gradient,) = torch.autograd.grad(found.sum(), z)
        pull = (means.T.numpy() - z.detach().numpy()) / scales.T.numpy() ** 2
        shares = special.softmax(each, 1)
        np.testing.assert_allclose(gradient.squeeze(1), (shares * pull).sum(1), rtol=1e-6, atol=1e-6)


def test_the_density_at_the_mode_of_a_narrow_component_in_single_precision() -> None:
    for mean, scale, expected in ((5.0, 1e-8, 17.50), (300.0, 1e-6, 12.90)):  # -log s - log(2 pi) / 2
        one = Mixture(normal(torch.tensor([[mean]]), torch.tensor([[scale]])))
        assert one.log_prob(torch.tensor([mean])).item() == pytest.approx(expected, abs=0.005)


def test_nothing_has_the_logarithm_of_nothing_and_no_gradient() -> None:
    a = torch.tensor([[-torch.inf, -torch.inf], [0.0, -torch.inf]], requires_grad=True)
    for found in (logsumexp(a), log_mean_exp(a) + np.log(2), logsumexp_(a.detach().clone())):
        assert found.tolist() == [-torch.inf, 0.0]
    (gradient,) = torch.autograd.grad(logsumexp(a).sum(), a)
    assert gradient.tolist() == [[0.0, 0.0], [1.0, 0.0]]


def test_components_far_below_the_nearest_change_nothing() -> None:
    terms = torch.cat([torch.zeros(8, 1), -40 - 1000 * torch.rand(8, 500)], -1).double()
    expected = special.logsumexp(terms.numpy(), axis=-1)
    np.testing.assert_allclose(logsumexp_(terms).numpy(), expected, rtol=0, atol=1e-12)


def test_weighted_density_and_its_gradient_are_those_of_the_mixture_written_out() -> None:
    mean, log_scale = (0.5 * torch.randn(2, 6, 3, dtype=torch.float64)).unbind(0)
    weights, z = torch.randn(6, dtype=torch.float64), torch.randn(4, 5, 3, dtype=torch.float64)
    inputs = [each.requires_grad_() for each in (mean, log_scale, weights, z)]
    each = torch.distributions.Normal(mean, log_scale.exp()).log_prob(z[..., None, :]).sum(-1)
    expected = (each + weights.log_softmax(0)).logsumexp(-1)
    found = Mixture(normal(mean, log_scale.exp()), weights).log_prob(z)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found.sum(), inputs), torch.autograd.grad(expected.sum(), inputs))


def test_binary_mixture_sums_to_one_over_all_codes() -> None:
    codes = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 5)
    mixture = Mixture(bernoulli(3 * torch.randn(7, 5)), torch.randn(7))
    assert mixture.log_prob(codes).exp().sum().item() == pytest.approx(1.0, abs=1e-5)


def test_mean_is_that_of_the_density() -> None:
    mixture = Mixture(normal(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [0.5]])), torch.tensor([0.0, 1.0]))
    z = torch.linspace(-10, 10, 20_001, dtype=torch.float64)[:, None]
    mean = (z * mixture.log_prob(z).exp()[:, None]).sum().item() * 1e-3
    assert mixture.mean.item() == pytest.approx(mean, abs=1e-5)


def test_sampler_visits_components_by_their_weights() -> None:
    prior = priors.Mixture(1, components=5, learned_weights=True)
    with torch.no_grad():
        prior.mean.copy_(100 * torch.arange(5.0)[:, None])  # so far apart that a draw tells its component
        prior.get_parameter("log_weights").copy_(torch.tensor([0.0, 1.0, -1.0, 0.5, -2.0]))
        sample = prior().sample(torch.Size([40, 500]))
    counts = (sample / 100).round().int().flatten().bincount(minlength=5)
    weights = special.softmax([0.0, 1.0, -1.0, 0.5, -2.0])
    assert stats.chisquare(counts.numpy(), 20_000 * weights).pvalue > ALPHA


def test_uniform_sampler_visits_all_components_alike_and_in_no_order() -> None:
    prior = priors.Mixture(1, components=10)
    with torch.no_grad():
        prior.mean.copy_(100 * torch.arange(10.0)[:, None])
        index = (prior().sample(torch.Size([20_000])) / 100).round().int().flatten()
    assert stats.chisquare(index.bincount(minlength=10).numpy()).pvalue > ALPHA
    pairs = (10 * index[:-1:2] + index[1::2]).bincount(minlength=100)
    assert stats.chisquare(pairs.numpy()).pvalue > ALPHA


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_logsumexp_is_that_of_scipy_with_the_gradient_of_torch(dim: int) -> None:
    a = (300 * torch.randn(4, 5, 6, dtype=torch.float64)).requires_grad_()
    found = logsumexp(a, dim)
    np.testing.assert_allclose(found.detach(), special.logsumexp(a.detach().numpy(), axis=dim), rtol=1e-12)
    weights = torch.randn_like(found)
    (gradient,) = torch.autograd.grad((weights * found).sum(), a)
    (expected,) = torch.autograd.grad((weights * a.logsumexp(dim)).sum(), a)
    torch.testing.assert_close(gradient, expected)
    mean = special.logsumexp(a.detach().numpy(), axis=dim) - np.log(a.shape[dim])
    np.testing.assert_allclose(log_mean_exp(a, dim).detach(), mean, rtol=1e-12)


def test_weights_alone_may_be_learned() -> None:
    prior = priors.Mixture(2, 3, learned_weights=True)
    prior.mean.requires_grad_(False)
    prior.log_variance.requires_grad_(False)
    z = torch.randn(7, 2)
    (gradient,) = torch.autograd.grad(prior().log_prob(z).sum(), [prior.log_weights])
    densities = np.stack([stats.norm(m, np.exp(v / 2)).logpdf(z).sum(1) for m, v in _parts(prior)], 1)
    responsibilities = special.softmax(densities, 1)  # d/dlog w_k of log sum softmax(w) p: r_k - 1/3
    np.testing.assert_allclose(gradient, (responsibilities - 1 / 3).sum(0), atol=1e-4)


def _parts(prior: priors.Mixture) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(zip(prior.mean.numpy(), prior.log_variance.numpy(), strict=True))


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32, torch.float64])
def test_bits_of_any_type_have_a_density(dtype: torch.dtype) -> None:
    logits, z = torch.randn(3, 2), torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
    probabilities = logits.sigmoid()[:, None]
    expected = torch.where(z == 1, probabilities, 1 - probabilities).prod(-1).mean(0).log()
    found = Mixture(bernoulli(logits)).log_prob(z.to(dtype))
    assert found.dtype == (dtype if dtype.is_floating_point else torch.float32)
    torch.testing.assert_close(found.float(), expected)


def test_no_values_have_no_densities() -> None:
    d = Mixture(normal(torch.randn(3, 2), torch.ones(3, 2)))
    assert d.log_prob(torch.zeros(4, 0, 2)).shape == (4, 0)
    assert d.log_prob(torch.zeros(0, 2, requires_grad=True)).shape == (0,)
    assert d.component_log_prob(torch.zeros(0, 2)).shape == (0, 3)
