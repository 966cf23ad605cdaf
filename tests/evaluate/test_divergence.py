"""Divergences and leakage against closed forms and quadrature."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from prioria import VAE, evaluate, likelihoods, nets, posteriors, priors
from prioria.evaluate.latent.divergence import _subsampled_error, perez_cruz
from tests.contract.standins import OpaqueFlow
from tests.contract.variants import INPUTS, feature_map_standin, two_level

X = torch.tensor([[-1.0], [0.5], [2.0]])
SLOPE, SCALE = 0.8, 0.6
GRID = torch.linspace(-14, 14, 40_001, dtype=torch.float64)


def line(prior: nn.Module | None = None) -> VAE:
    """q(z|x) = N(0.8 x, 0.36) with one latent."""
    posterior = posteriors.Gaussian(1, 1)
    with torch.no_grad():
        posterior.heads.weight.copy_(torch.tensor([[SLOPE], [0.0]]))
        posterior.heads.bias.copy_(torch.tensor([0.0, 2 * math.log(SCALE)]))
    return VAE(
        encoder=nn.Identity(),
        posterior=posterior,
        prior=priors.StandardNormal(1) if prior is None else prior,
        likelihood=likelihoods.Gaussian(nn.Linear(1, 1)),
    )


def log_q(z: torch.Tensor) -> torch.Tensor:
    return torch.distributions.Normal(SLOPE * X.double().T, SCALE).log_prob(z[:, None]).exp().mean(1).log()


def log_p(model: VAE, z: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.stages["z"].p().log_prob(z[:, None].float()).double()


def integral(values: torch.Tensor) -> float:
    return float(values.sum() * (GRID[1] - GRID[0]))


@pytest.mark.parametrize("prior", [priors.StandardNormal(1), priors.RealNVP(1, 2, hidden=4)])
def test_both_directions_against_quadrature(prior: nn.Module) -> None:
    model = line(prior)
    q, p = log_q(GRID), log_p(model, GRID)
    found = evaluate.symmetric_kl(model, X, num_samples=40_000)
    truth = integral(q.exp() * (q - p)) + integral(p.exp() * (p - q))
    # four standard errors: false alarm 6e-5
    assert abs(found.value - truth) < 4 * found.standard_error
    assert found.standard_error < 0.1 * truth
    assert found.q_to_p == pytest.approx(integral(q.exp() * (q - p)), abs=4 * found.standard_error)
    assert found.warning is None


def test_what_is_not_finite_is_null_in_json() -> None:
    found = evaluate.Divergence(math.inf, 1.5, math.nan, 10, 0, "by hand").to_json()
    assert (found["value"], found["q_to_p"], found["p_to_q"], found["standard_error"]) == (None, None, 1.5, None)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_nearest_neighbors_find_the_divergence_of_two_normals(dimensions: int) -> None:
    # KL both ways of N(0, I) and N((1, 0..), I) is 1/2; known bias and spread at n = 5000: 0.957 +- 0.036 for the sum.
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((5000, dimensions)), generator.standard_normal((5000, dimensions))
    b[:, 0] += 1
    assert perez_cruz(a, b).mean() + perez_cruz(b, a).mean() == pytest.approx(1.0, abs=0.2)
    c = generator.standard_normal((5000, dimensions))
    assert perez_cruz(a, c).mean() + perez_cruz(c, a).mean() == pytest.approx(0.0, abs=0.2)


def test_error_of_nearest_neighbors_is_the_spread_over_draws() -> None:
    """40 estimates give their spread to 11 %, so that four of these are 0.45; as if independent it would be 0.55."""
    estimates, errors = [], []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        a, b = generator.standard_normal((1500, 2)), generator.standard_normal((1500, 2)) + [1, 0]
        estimates.append(perez_cruz(a, b).mean() + perez_cruz(b, a).mean())
        errors.append(_subsampled_error(a, b))
    assert np.mean(errors) == pytest.approx(np.std(estimates, ddof=1), rel=0.3)


def test_nearest_neighbors_are_the_formula_over_all_distances() -> None:
    generator = np.random.default_rng(1)
    a, b = generator.standard_normal((7, 3)), generator.standard_normal((5, 3))
    within = np.linalg.norm(a[:, None] - a[None], axis=-1) + np.diag([np.inf] * 7)
    across = np.linalg.norm(a[:, None] - b[None], axis=-1)
    by_hand = 3 * np.log(across.min(1) / within.min(1)) + math.log(5 / 6)
    np.testing.assert_allclose(perez_cruz(a, b), by_hand)


def test_nearest_neighbors_agree_with_the_density_where_they_resolve_it() -> None:
    model = line()
    found = evaluate.nearest_neighbor_kl(model, X, num_samples=5000)
    exact = evaluate.symmetric_kl(model, X, num_samples=40_000)
    assert found.warning is None
    assert found.value == pytest.approx(exact.value, abs=0.25)


def test_generation_space_is_that_of_the_flow() -> None:
    flow = priors.RealNVP(1, 2, hidden=4)
    model = line(flow)
    found = evaluate.nearest_neighbor_kl(model, X, num_samples=2000, generation_space=True)
    with torch.no_grad():
        a = flow.to_generation(evaluate.aggregate_draws(model, X, num_samples=2000)).double().numpy()
        b = flow.to_generation(evaluate.prior_draws(model, num_samples=2000)).double().numpy()
    assert found.value == pytest.approx(perez_cruz(a, b).mean() + perez_cruz(b, a).mean())
    assert "generation" in found.estimator
    standard = [
        evaluate.nearest_neighbor_kl(line(), X, num_samples=500, generation_space=s).value for s in (True, False)
    ]
    assert standard[0] == standard[1]


def test_generation_space_of_feature_maps_has_all_their_dimensions() -> None:
    maps, x = feature_map_standin(), torch.rand(60, INPUTS).round()
    found = evaluate.nearest_neighbor_kl(maps, x, num_samples=200, generation_space=True)
    prior = maps.stages["z3"].prior(None).base_dist
    drawn = (evaluate.aggregate_draws(maps, x, num_samples=200), evaluate.prior_draws(maps, num_samples=200))
    with torch.no_grad():
        a, b = (((z - prior.loc) / prior.scale).flatten(1).double().numpy() for z in drawn)
    assert a.shape == (200, 18)
    assert found.value == pytest.approx(perez_cruz(a, b).mean() + perez_cruz(b, a).mean(), rel=1e-4)


def wide(latents: int, scale: float, spread: float, posterior: nn.Module | None = None) -> VAE:
    q = posteriors.Gaussian(INPUTS, latents)
    with torch.no_grad():
        q.heads.weight.normal_(std=spread)
        q.heads.weight[latents:].zero_()
        q.heads.bias[latents:] = 2 * math.log(scale)
    return VAE(
        encoder=nn.Identity(),
        posterior=q if posterior is None else posterior,
        prior=priors.StandardNormal(latents),
        likelihood=likelihoods.Gaussian(nets.GatedMLP(latents, INPUTS)),
    )


def test_warns_where_draws_cannot_resolve_narrow_posteriors() -> None:
    x = torch.randn(3000, INPUTS)
    narrow = wide(2, 1e-3, 1.0)
    found = evaluate.nearest_neighbor_kl(narrow, x, num_samples=500)
    assert found.warning is not None and "too few draws" in found.warning and "too few draws" in str(found)
    assert evaluate.symmetric_kl(narrow, x, num_samples=500).value > 3 * found.value  # what it cannot see


def test_warns_in_many_dimensions() -> None:
    found = evaluate.nearest_neighbor_kl(wide(20, 1.0, 0.1), torch.randn(200, INPUTS), num_samples=500)
    assert found.warning == "biased low in 20 dimensions, by a tenth or more; use symmetric_kl"


@pytest.mark.parametrize(("latents", "warned"), [(2, False), (5, True)])
def test_warns_from_the_dimension_on_where_the_estimate_is_low_by_a_tenth(latents: int, warned: bool) -> None:
    """q(z) is N(0, 1.16 I) and p(z) = N(0, I): spread 0.4 by the rows, 1 by the posterior."""
    x = torch.randn(500, INPUTS, generator=torch.Generator().manual_seed(0))
    found = evaluate.nearest_neighbor_kl(wide(latents, 1.0, 0.4 / math.sqrt(INPUTS)), x, num_samples=500)
    assert (found.warning is not None) == warned
    # and that is so: KL of N((2, 0, ..), I) and N(0, I) both ways is 4; four sets give its mean to 0.01
    found = []
    for seed in range(4):
        a, b = np.random.default_rng(seed).standard_normal((2, 5000, latents))
        a[:, 0] += 2
        found.append(perez_cruz(a, b).mean() + perez_cruz(b, a).mean())
    assert (1 - np.mean(found) / 4 > 0.1) == warned


def test_what_cannot_be_measured_is_refused() -> None:
    x = torch.randn(20, INPUTS)
    flow = wide(2, 1.0, 1.0, OpaqueFlow(INPUTS, 2))
    with pytest.raises(ValueError, match="use a diagonal one"):
        evaluate.symmetric_kl(flow, x)
    assert math.isfinite(evaluate.nearest_neighbor_kl(flow, x, num_samples=200).value)
    with pytest.raises(ValueError, match="num_samples=1 draws have no error; use at least 2"):
        evaluate.symmetric_kl(two_level(), x.sigmoid().round(), num_samples=1)
    with pytest.raises(ValueError, match="draws coincide"):
        perez_cruz(np.zeros((5, 2)), np.ones((5, 2)))
    with pytest.raises(ValueError, match="for the top group 'z2', not for group='z1'"):
        evaluate.nearest_neighbor_kl(two_level(), x, num_samples=10, generation_space=True, group="z1")
    assert evaluate.nearest_neighbor_kl(two_level(), x.sigmoid().round(), num_samples=50, group="z1").num_samples == 50


@pytest.mark.parametrize("prior", [priors.StandardNormal(1), priors.RealNVP(1, 2, hidden=4)])
def test_leakage_against_quadrature(prior: nn.Module) -> None:
    model, count = line(prior), 40_000
    q, p = log_q(GRID), log_p(model, GRID)
    found = evaluate.leakage(model, X, thresholds=[-math.inf, -2.0, math.inf], num_samples=count).density
    leaked = (p < -2.0).double()
    share = integral(q.exp() * leaked)
    score = integral(q.exp() * (q - p) * leaked)
    assert found.share == [0.0, pytest.approx(share, abs=4 * math.sqrt(share / count)), 1.0]
    spread = math.sqrt(integral(q.exp() * ((q - p) * leaked).square()) / count)
    assert found.score[0] == 0.0 and found.conditional[0] is None
    assert found.score[1] == pytest.approx(score, abs=4 * spread)
    everywhere = math.sqrt(integral(q.exp() * (q - p).square()) / count)
    assert found.score[2] == pytest.approx(integral(q.exp() * (q - p)), abs=4 * everywhere)  # KL(q || p)
    assert found.conditional[1] * found.share[1] == pytest.approx(found.score[1])


def test_leakage_without_the_log_determinant() -> None:
    flow = priors.RealNVP(1, 2, hidden=4)
    found = evaluate.leakage(line(flow), X, thresholds=[math.inf], num_samples=2000)
    q = evaluate.aggregate_posterior(line(flow), X)
    assert found.base != found.density and found.components == 3
    z = GRID[:, None].float()
    with torch.no_grad():
        base = torch.distributions.Normal(0.0, 1.0).log_prob(flow.to_generation(z)).squeeze(1).double()
        log_aggregate = q.log_prob(z).double()
    expected = integral(log_aggregate.exp() * (log_aggregate - base))
    spread = math.sqrt(integral(log_aggregate.exp() * (log_aggregate - base).square()) / 2000)
    assert found.base.score[0] == pytest.approx(expected, abs=4 * spread)
    plain = evaluate.leakage(line(), X, thresholds=[-1.0], num_samples=200)
    assert plain.base == plain.density


def test_classes_are_summed_over() -> None:
    """Against scipy's entropy of the mean of the posteriors, both ways."""
    from scipy.stats import entropy

    from prioria import stages

    torch.manual_seed(0)
    encoder = nets.MLP(INPUTS, 8, 5)
    model = VAE(
        encoder=encoder,
        stages=stages.Classes(3, 2, features=5),
        likelihood=likelihoods.Bernoulli(nets.MLP(2 + 3, 8, INPUTS)),
    )
    with torch.no_grad():
        model.stages["c"].p.logits.copy_(torch.tensor([1.0, 0.0, -2.0]))
    x = torch.rand(20, INPUTS).round()
    q = model.stages["c"].q(encoder(x)).probs.mean(0).detach().double().numpy()
    p = model.stages["c"].p.logits.softmax(0).detach().double().numpy()
    found = evaluate.symmetric_kl(model, x)
    assert found.q_to_p == pytest.approx(entropy(q, p), rel=1e-4)
    assert found.p_to_q == pytest.approx(entropy(p, q), rel=1e-4)
    assert found.standard_error == 0 and "exact" in str(found)
