"""The measurements that a diagnosis rests on, against closed forms and on models with a known fault."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from prioria import VAE, evaluate, likelihoods, posteriors, priors, theory
from tests.contract.standins import OpaqueFlow
from tests.contract.variants import INPUTS, single, two_level

X, OTHER = torch.randn(400, 2), torch.randn(400, 2)


def linear(prior: nn.Module, *, scale: float = 0.5, gain: float = 1.0, noise: float = 0.1) -> VAE:
    """q(z|x) = N(x, scale^2), p(x|z) = N(gain z, noise^2), two latents."""
    posterior, decoder = posteriors.Gaussian(2, 2), nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        posterior.heads.weight.copy_(torch.cat([torch.eye(2), torch.zeros(2, 2)]))
        posterior.heads.bias.copy_(torch.tensor([0, 0, 2 * math.log(scale), 2 * math.log(scale)]))
        decoder.weight.copy_(gain * torch.eye(2))
    return VAE(
        encoder=nn.Identity(),
        posterior=posterior,
        prior=prior,
        likelihood=likelihoods.Gaussian(decoder, scale=noise),
    )


def fixed_mixture(means: list[list[float]]) -> priors.Mixture:
    prior = priors.Mixture(2, len(means))
    with torch.no_grad():
        prior.mean.copy_(torch.tensor(means))
    return prior


def test_pockets_and_leaks_are_shares_of_mass() -> None:
    # q(z) is N(0, 1.25 I) up to the sample of x; against N(0, 1.25 I) both shares are the level.
    matched = fixed_mixture([[0.0, 0.0]])
    with torch.no_grad():
        matched.log_variance.fill_(math.log(1.25))
    fair = evaluate.overlap(linear(matched), X, held_out=OTHER)
    assert fair.pockets == pytest.approx(0.01, abs=0.01) and fair.leaks == pytest.approx(0.01, abs=0.01)
    # Between narrow posteriors there are gaps; held-out rows say that they are no pockets.
    narrow = evaluate.overlap(linear(priors.StandardNormal(2), scale=0.05), X, held_out=OTHER)
    assert narrow.pockets == pytest.approx(0.01, abs=0.02)
    # The prior covers two far places of which the encodings use one: half of it is a pocket, nothing leaks.
    wide = evaluate.overlap(linear(fixed_mixture([[0.0, 0.0], [30.0, 0.0]])), X, held_out=OTHER)
    assert wide.pockets == pytest.approx(0.5, abs=0.05) and wide.leaks < 0.1
    # The prior covers one of two clusters of encodings: half of them leak.
    far = torch.cat([X[:200], X[200:] + torch.tensor([30.0, 0.0])])
    leaking = evaluate.overlap(linear(fixed_mixture([[0.0, 0.0]])), far, held_out=far)
    assert leaking.leaks == pytest.approx(0.5, abs=0.1) and leaking.pockets < 0.05
    assert leaking.test.p_value == 0.001


def test_two_sample_test_keeps_its_level_and_finds_a_shift() -> None:
    generator = torch.Generator().manual_seed(5)
    values = []
    for _ in range(60):
        a, b = torch.randn(40, 2, generator=generator), torch.randn(40, 2, generator=generator)
        values.append(evaluate.two_sample_test(a, b, permutations=99).p_value)
    # uniform under the null: 60 draws with mean 1/2 and deviation 0.29/sqrt(60); four of them: false alarm 6e-5
    assert abs(sum(values) / 60 - 0.5) < 4 * 0.29 / math.sqrt(60)
    shifted = evaluate.two_sample_test(torch.randn(100, 2), torch.randn(100, 2) + 1)
    assert shifted.p_value == 0.001


def test_draws_that_are_all_one_do_not_differ() -> None:
    assert evaluate.two_sample_test(torch.ones(20, 2), torch.ones(20, 2)).p_value == 1.0


def test_divisions_that_differ_as_much_are_counted_whatever_their_rounding() -> None:
    a, b = torch.zeros(50, 4), torch.zeros(50, 4)
    a[0, 0] = 1.0
    for seed in range(5):
        torch.manual_seed(seed)
        assert evaluate.two_sample_test(a, b).p_value == 1.0  # on whichever side the odd draw is
    a[1, 0] = 1.0
    together = 2 * math.comb(98, 48) / math.comb(100, 50)
    # 999 divisions of which 0.495 have both odd draws on one side: five deviations, false alarm 6e-7
    assert abs(evaluate.two_sample_test(a, b).p_value - together) < 5 * math.sqrt(together * (1 - together) / 999)


def test_draws_that_are_no_numbers_are_not_tested() -> None:
    with pytest.raises(ValueError, match="must be finite"):
        evaluate.two_sample_test(torch.tensor([[0.0], [math.nan]]), torch.zeros(2, 1))


def test_flow_posteriors_have_leaks_but_no_measurable_pockets() -> None:
    found = evaluate.overlap(
        single(posterior="opaque-flow"),
        torch.rand(30, INPUTS).round(),
        held_out=torch.rand(30, INPUTS).round(),
        num_samples=200,
    )
    assert found.pockets is None and 0 <= found.leaks <= 1


def test_dead_and_duplicate_components() -> None:
    prior = fixed_mixture([[0.0, 0.0], [0.0, 0.05], [2.0, 0.0], [50.0, 0.0]])
    found = evaluate.prior_components(linear(prior), X)
    assert found is not None
    assert (found.count, found.dead, found.distinct) == (4, 1, 3)
    assert found.usage.sum().item() == pytest.approx(1.0) and found.usage[3] < 1e-6
    assert evaluate.prior_components(linear(priors.StandardNormal(2)), X) is None


def test_a_chain_of_components_is_not_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # KL between N(a, 1) and N(b, 1), both ways, is (a - b)^2: every second one is 0.16 from the last kept.
    chain = fixed_mixture([[0.2 * k, 0.0] for k in range(101)])
    with torch.no_grad():
        chain.log_variance.zero_()
    found = evaluate.prior_components(linear(chain), X, num_samples=100)
    assert found is not None and found.distinct == 51
    monkeypatch.setattr("prioria.evaluate.latent.components.KEPT", 10)  # of 101, 20 are within the ten: the rest are 81
    found = evaluate.prior_components(linear(chain), X, num_samples=100)
    assert found is not None and found.distinct == 10 + 81


def test_a_component_that_is_hardly_sampled_is_not_dead() -> None:
    prior = fixed_mixture([[0.0, 0.0], [2.0, 0.0], [50.0, 0.0]])
    weighted = priors.Mixture(2, 3, learned_weights=True)
    with torch.no_grad():
        weighted.mean.copy_(prior.mean)
        weighted.log_variance.copy_(prior.log_variance)
        weighted.log_weights.copy_(torch.tensor([0.0, 0.0, -20.0]))
    found, even = (evaluate.prior_components(linear(each), X) for each in (weighted, prior))
    assert found is not None and found.dead == 0 and even is not None and even.dead == 1


def test_usage_is_the_mean_responsibility() -> None:
    prior = fixed_mixture([[-1.0, 0.0], [1.0, 0.0]])
    model = linear(prior)
    z = evaluate.aggregate_draws(model, X, num_samples=1000)
    with torch.no_grad():
        densities = torch.stack([torch.distributions.Normal(m, 1.0).log_prob(z).sum(1) for m in prior.mean])
    found = evaluate.prior_components(model, X, num_samples=1000)
    assert found is not None
    torch.testing.assert_close(found.usage.float(), densities.softmax(0).mean(1), atol=1e-5, rtol=1e-4)


def test_reconstruction_errors_of_a_linear_model() -> None:
    found = evaluate.reconstruction(linear(priors.StandardNormal(2), scale=0.5, gain=0.8), X)
    rms = X.square().mean().sqrt().item()
    assert found.from_mean == pytest.approx(0.2 * rms, rel=1e-4)
    # (0.2 x + 0.8 * 0.5 eps): the two add in squares; five standard errors of 800 values
    assert found.from_draws == pytest.approx(math.sqrt((0.2 * rms) ** 2 + 0.4**2), rel=5 / math.sqrt(2 * 800))
    assert found.without == pytest.approx((X - X.mean(0)).square().mean().sqrt().item(), rel=1e-5)
    assert found.response == pytest.approx(0.8, rel=1e-4) and found.scale == pytest.approx(0.1)
    assert found.sensitivity == pytest.approx(
        0.8 / found.without, rel=5 / math.sqrt(2 * 1000)
    )  # of 500 draws of N(0, I)
    dead = evaluate.reconstruction(linear(priors.StandardNormal(2), gain=0.0), X)
    assert dead.response == dead.sensitivity == 0.0 and dead.from_mean >= dead.without
    assert found.standardized == pytest.approx(found.from_draws / 0.1)  # one scale for all
    bits = evaluate.reconstruction(single(), torch.rand(9, INPUTS).round())
    assert bits.scale is None and bits.standardized is None


def test_words_are_compared_in_documents_as_long_as_the_rows() -> None:
    # Two topics, each word 9/10 of its own; one bit that a document's words decide, lengths of 2 to 2,000 words.
    topics = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    which, length = torch.arange(400) % 2, torch.tensor([2.0, 2000.0]).repeat_interleave(2).repeat(100)
    x = length[:, None] * topics[which]
    encoder, decoder = nn.Linear(2, 1, bias=False), nn.Linear(1, 2)
    with torch.no_grad():
        encoder.weight.copy_(torch.tensor([[-100.0, 100.0]]))
        decoder.bias.copy_(topics[0].log())
        decoder.weight.copy_((topics[1] / topics[0]).log()[:, None])
    model = VAE(
        encoder=encoder,
        posterior=posteriors.Bernoulli(None, 1),
        prior=priors.Bernoulli(1, uniform=True),
        likelihood=likelihoods.Multinomial(decoder),
    )
    found = evaluate.reconstruction(model, x)
    assert found.from_mean == pytest.approx(0, abs=1e-3) and found.from_draws == pytest.approx(0, abs=1e-3)
    # half of either topic at every length: the mean frequencies are 1/2, each count is 0.4 of its length off
    assert found.without == pytest.approx(0.4 * length.square().mean().sqrt().item(), rel=1e-5)
    assert found.response == pytest.approx(1, rel=1e-5) and found.sensitivity == pytest.approx(1, rel=0.05)
    with torch.no_grad():
        decoder.weight.zero_()
    dead = evaluate.reconstruction(model, x)
    assert dead.response == pytest.approx(0, abs=1e-6) and dead.sensitivity == pytest.approx(0, abs=1e-6)
    assert dead.from_mean >= dead.without


def test_kl_per_dimension_against_closed_forms() -> None:
    found = evaluate.kl_per_dimension(linear(priors.StandardNormal(2), scale=0.5), X)["z"]
    assert found is not None and found.against == "the prior"
    expected = 0.5 * (X.square().mean(0) + 0.25 - 1 - math.log(0.25))
    torch.testing.assert_close(found.values, expected.double(), rtol=1e-4, atol=1e-5)

    flow = evaluate.kl_per_dimension(linear(priors.RealNVP(2, hidden=8), scale=0.5), X)["z"]
    assert flow is not None and "moments" in flow.against
    mean, variance = X.mean(0), X.var(0, correction=0) + 0.25
    normal = torch.distributions.Normal(mean, variance.sqrt())
    by_hand = torch.distributions.kl_divergence(torch.distributions.Normal(X, torch.tensor(0.5)), normal).mean(0)
    torch.testing.assert_close(flow.values, by_hand.double(), rtol=1e-4, atol=1e-5)


def test_bits_under_a_harmonium_have_no_kl_for_each() -> None:
    prior = theory.Harmonium(torch.randn(3, 2), torch.randn(3), torch.randn(2))
    model = VAE(
        encoder=nn.Identity(),
        posterior=posteriors.Bernoulli(2, 2),
        prior=prior,
        likelihood=likelihoods.Gaussian(nn.Linear(2, 2)),
    )
    assert evaluate.kl_per_dimension(model, X, num_samples=2) == {"z": None}


def test_kl_per_dimension_of_hierarchies_and_flows() -> None:
    x = torch.rand(30, INPUTS).round()
    found = evaluate.kl_per_dimension(two_level(), x)
    assert {name: each and len(each.values) for name, each in found.items()} == {"z2": 2, "z1": 4}
    model = two_level()
    total = sum(
        each.values.sum().item() for each in evaluate.kl_per_dimension(model, x, num_samples=1000).values() if each
    )
    rate = evaluate.parts(model, x, num_samples=1000, seed=1)["rate"]
    assert abs(total - rate.value) < 4 * math.sqrt(2) * rate.monte_carlo_error
    assert evaluate.kl_per_dimension(single(posterior="opaque-flow"), x)["z"] is None
    assert OpaqueFlow is type(single(posterior="opaque-flow").stages["z"].q)


def test_many_components_are_not_dead_for_want_of_draws() -> None:
    # Where p(z) = q(z), 200 narrow posteriors, a component stays without any of 500 draws with probability e^-2.5, of
    # 2,000 with e^-10: one or more of them in 1 % of all seeds, and none with this one.
    x = torch.stack([torch.arange(200.0), torch.zeros(200)], 1)
    q = evaluate.aggregate_posterior(linear(priors.StandardNormal(2), scale=0.01), x).components
    found = evaluate.prior_components(linear(priors.AggregatePosterior.of(q), scale=0.01), x, num_samples=500, limit=50)
    assert found is not None and (found.count, found.dead) == (200, 0)
