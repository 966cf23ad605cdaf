"""The aggregate posterior: its density against torch's own mixture, and draws of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from prioria import VAE, evaluate, likelihoods, load, nets, posteriors, priors
from prioria.distributions import Mixture, bernoulli, mixture, normal
from prioria.distributions.reduce import logsumexp_
from tests.contract.standins import OpaqueFlow
from tests.contract.structured import conv_ladder
from tests.contract.variants import INPUTS, two_level

ALPHA = 1e-4


def model(posterior=None, prior=None, latents: int = 2) -> VAE:
    torch.manual_seed(0)
    return VAE(
        encoder=nets.GatedMLP(INPUTS, 7, gated_output=True),
        posterior=posteriors.Gaussian(7, latents) if posterior is None else posterior,
        prior=priors.StandardNormal(latents) if prior is None else prior,
        likelihood=likelihoods.Gaussian(nets.GatedMLP(latents, 8, INPUTS)),
    )


def rows(count: int) -> torch.Tensor:
    return torch.bernoulli(torch.full((count, INPUTS), 0.5))


def exact(vae: VAE, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        q = vae.stages["z"].q(vae.encoder["x"](x)).base_dist
    components = Independent(Normal(q.loc.double(), q.scale.double()), 1)
    return MixtureSameFamily(Categorical(torch.ones(len(x)).double()), components).log_prob(z)


def test_density_is_the_mixture_of_all_encodings() -> None:
    vae, x = model(), rows(257)
    z = torch.randn(50, 2, dtype=torch.float64)
    torch.testing.assert_close(evaluate.aggregate_posterior(vae, x).log_prob(z), exact(vae, x, z), rtol=1e-5, atol=1e-5)
    some = evaluate.aggregate_posterior(vae, x, limit=30).log_prob(z)
    torch.testing.assert_close(some, exact(vae, x[torch.arange(30) * 257 // 30], z), rtol=1e-5, atol=1e-5)


def test_density_can_be_differentiated() -> None:
    vae, x = model(), rows(30)
    z = torch.randn(4, 2, requires_grad=True)
    evaluate.aggregate_posterior(vae, x).log_prob(z).sum().backward()
    with torch.no_grad():
        difference = exact(vae, x, z.double() + 1e-4) - exact(vae, x, z.double() - 1e-4)
    assert z.grad is not None
    torch.testing.assert_close(z.grad.sum(1).double(), difference / 2e-4, rtol=1e-3, atol=1e-3)


def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    d = Mixture(normal(torch.randn(100, 3), torch.rand(100, 3) + 0.1))
    z = torch.randn(4, 25, 3, requires_grad=True)
    whole = d.log_prob(z)
    monkeypatch.setattr(mixture, "TILE", 700)
    tiled = d.log_prob(z)
    torch.testing.assert_close(tiled, whole)
    gradients = [torch.autograd.grad(each.sum(), z)[0] for each in (tiled, whole)]
    torch.testing.assert_close(*gradients)


def test_total_correlation_is_that_of_quadrature() -> None:
    """Against a sum over a grid of torch's own mixture; within five errors, which happens by chance once in 1.7e6."""
    vae, x = model(posteriors.Gaussian(7, 2, log_variance_bounds=(-3.0, 0.0))), 4 * rows(12)
    step = 0.05
    axis = torch.arange(-15, 15, step, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    q = exact(vae, x, z).exp().reshape(len(axis), len(axis))
    assert abs(q.sum() * step**2 - 1) < 1e-6
    first, second = q.sum(1) * step, q.sum(0) * step
    expected = (torch.xlogy(q, q / (first[:, None] * second)).sum() * step**2).item()
    found = evaluate.total_correlation(vae, x, num_samples=20_000)
    assert expected > 0.01 and found.standard_error < expected / 10
    assert abs(found.value - expected) < 5 * found.standard_error
    assert found.monte_carlo_error == pytest.approx(found.standard_error)  # there is no other error
    described = found.to_json()
    assert (described["num_samples"], described["examples"]) == (20_000, 12)


def test_total_correlation_of_bits_is_that_of_all_codes() -> None:
    vae = model(posterior=posteriors.Bernoulli(7, 3), prior=priors.Bernoulli(3))
    with torch.no_grad():
        x = 3 * rows(9)
        bits = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
        probabilities = vae.stages["z"].q(4 * vae.encoder["x"](x)).base_dist.probs.double()[:, None]
        vae.encoder["x"].register_forward_hook(lambda net, given, out: 4 * out)
        joint = torch.where(bits == 1, probabilities, 1 - probabilities).prod(-1).mean(0)
        single = probabilities.mean((0, 1))
        apart = torch.where(bits == 1, single, 1 - single).prod(-1)
    expected = (joint * (joint / apart).log()).sum().item()
    found = evaluate.total_correlation(vae, x, num_samples=20_000)
    assert found.standard_error < expected / 5 and abs(found.value - expected) < 5 * found.standard_error


def test_draws_follow_the_density() -> None:
    vae, x = model(latents=1), 3 * rows(12)
    grid = torch.linspace(-40, 40, 20_001, dtype=torch.float64).unsqueeze(1)
    cumulative = (exact(vae, x, grid).exp() * (grid[1] - grid[0])).cumsum(0)
    z = evaluate.aggregate_draws(vae, x, num_samples=4000, seed=1).squeeze(1)
    assert stats.kstest(z.numpy(), lambda v: _at(v, grid, cumulative)).pvalue > ALPHA
    assert torch.equal(z, evaluate.aggregate_draws(vae, x, num_samples=4000, seed=1).squeeze(1))
    assert not torch.equal(z, evaluate.aggregate_draws(vae, x, num_samples=4000, seed=2).squeeze(1))


def _at(v, grid, cumulative):
    import numpy as np

    return np.interp(v, grid.squeeze(1).numpy(), cumulative.numpy())


def test_prior_draws_follow_the_prior() -> None:
    z = evaluate.prior_draws(model(latents=1), num_samples=4000).squeeze(1)
    assert stats.kstest(z.numpy(), "norm").pvalue > ALPHA


def test_model_and_random_numbers_stay_as_they_were() -> None:
    vae, x = model(), rows(3)
    before = torch.get_rng_state()
    evaluate.prior_draws(vae, num_samples=10)
    evaluate.aggregate_draws(vae, x, num_samples=10)
    evaluate.aggregate_posterior(vae, x)
    assert torch.equal(torch.get_rng_state(), before)
    assert vae.training


def test_lower_groups_and_unknown_ones() -> None:
    vae, x = two_level(), rows(40)
    lower = evaluate.aggregate_posterior(vae, x, group="z1")
    assert lower.event_shape == evaluate.aggregate_draws(vae, x, num_samples=7, group="z1").shape[1:] == (4,)
    assert lower.components.batch_shape == (40,)
    assert evaluate.prior_draws(vae, num_samples=7, group="z1").shape == (7, 4)
    with pytest.raises(ValueError, match="num_samples=0 must be at least 1"):
        evaluate.aggregate_draws(vae, x, num_samples=0)
    with pytest.raises(ValueError, match="group='z9' is unknown; this model has z2, z1"):
        evaluate.aggregate_posterior(vae, x, group="z9")


def test_feature_maps_have_an_aggregate_density() -> None:
    vae, x = conv_ladder("free", "none", INPUTS), rows(6)
    q, z = evaluate.aggregate_posterior(vae, x), evaluate.prior_draws(vae, num_samples=4)
    assert evaluate.has_aggregate_density(vae, x) and z.dim() == 4 and q.sample((3,)).shape[1:] == z.shape[1:]
    with torch.no_grad():
        each = vae.condition(x).top[1].expand((6,))
    # one Gaussian for each value of the maps, of every row at every z
    single = stats.norm(each.mean[:, None].double().numpy(), each.stddev[:, None].double().numpy()).logpdf(z.numpy())
    expected = special.logsumexp(single.sum((2, 3, 4)), axis=0) - math.log(len(x))
    np.testing.assert_allclose(q.log_prob(z).numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(q.mean.numpy(), each.mean.mean(0).numpy(), rtol=1e-4, atol=1e-6)
    assert evaluate.overlap(vae, x, held_out=x, num_samples=50).pockets is not None
    assert math.isfinite(evaluate.symmetric_kl(vae, x, num_samples=50).value)


def test_a_flow_posterior_has_draws_but_no_density_elsewhere() -> None:
    vae = model(OpaqueFlow(7, 2))
    assert evaluate.aggregate_draws(vae, rows(5), num_samples=20).shape == (20, 2)
    assert not evaluate.has_aggregate_density(vae, rows(5))
    with pytest.raises(ValueError, match="posterior of 'z'.*use a diagonal one"):
        evaluate.aggregate_posterior(vae, rows(5))


def test_as_a_prior_it_has_the_highest_bound_of_its_encoder(tmp_path) -> None:
    # E log p(z) is highest for p = q(z): Gibbs' inequality, on the examples that make it.
    vae, x = model(), rows(30)
    aggregate = priors.AggregatePosterior.of(evaluate.aggregate_posterior(vae, x).components)
    bounds = {}
    for name, prior in {"aggregate": aggregate, "standard": vae.stages["z"].p, "mixture": priors.Mixture(2, 5)}.items():
        vae.stages["z"].p = prior
        bounds[name] = evaluate.elbo(vae, x, num_samples=200).value
    assert bounds["aggregate"] == max(bounds.values())
    model(prior=aggregate).save(tmp_path)
    z = torch.randn(6, 2)
    torch.testing.assert_close(load(tmp_path).stages["z"].p().log_prob(z), aggregate().log_prob(z), rtol=0, atol=0)


def test_bits() -> None:
    logits = torch.randn(5, 3)
    prior = priors.AggregatePosterior.of(bernoulli(logits))
    z = torch.tensor([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    by_hand = torch.distributions.Bernoulli(logits=logits).log_prob(z.unsqueeze(1)).sum(-1).exp().mean(-1).log()
    torch.testing.assert_close(prior().log_prob(z), by_hand)
    with pytest.raises(ValueError, match=r"location has shape \(5,\)"):
        priors.AggregatePosterior(torch.zeros(5))


def test_draws_of_the_prior_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = model()
    expected = evaluate.prior_draws(vae, num_samples=7, seed=3)
    monkeypatch.setattr(vae.likelihood, "forward", None)
    assert torch.equal(evaluate.prior_draws(vae, num_samples=7, seed=3), expected)


def test_sum_of_exponentials_in_single_precision_is_that_in_double() -> None:
    torch.manual_seed(0)
    terms = 300 * torch.randn(20, 50_000, dtype=torch.float64) - 1e4
    expected = torch.logsumexp(terms, -1)
    torch.testing.assert_close(logsumexp_(terms), expected, rtol=0, atol=1e-6)
    even = torch.full((3, 50_000), -1e4, dtype=torch.float64)  # all terms count: rounding adds up where it can
    torch.testing.assert_close(logsumexp_(even.clone()), torch.logsumexp(even, -1), rtol=0, atol=1e-6)
