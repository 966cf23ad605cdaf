"""The terms of the bound against quadrature over a latent line, and the refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import nn

from prioria import VAE, evaluate, likelihoods, posteriors, priors
from prioria.distributions import mixture
from tests.contract.variants import INPUTS, MODELS

Z = 3.9  # standard errors: a false alarm once in 1e4
SLOPE, SCALE = 0.8, 0.6
GRID = np.linspace(-12, 12, 40_001)


def line() -> VAE:
    """q(z|x) = N(0.8 x, 0.36), p(z) = N(0, 1), p(x|z) = N(2 z, 1)."""
    posterior, decoder = posteriors.Gaussian(1, 1), nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        posterior.heads.weight.copy_(torch.tensor([[SLOPE], [0.0]]))
        posterior.heads.bias.copy_(torch.tensor([0.0, 2 * np.log(SCALE)]))
        decoder.weight.fill_(2.0)
    prior = priors.StandardNormal(1)
    return VAE(encoder=nn.Identity(), posterior=posterior, prior=prior, likelihood=likelihoods.Gaussian(decoder))


def integral(values: np.ndarray) -> float:
    return float(np.trapezoid(values, GRID, axis=-1))


def test_terms_are_those_of_quadrature() -> None:
    x = np.array([-2.0, -0.3, 0.1, 1.5, 4.0])
    posterior = stats.norm.pdf(GRID, SLOPE * x[:, None], SCALE)
    mixture, log_prior = posterior.mean(0), stats.norm.logpdf(GRID)
    entropy = stats.norm.entropy(scale=SCALE)
    marginal_entropy, cross_entropy = -integral(mixture * np.log(mixture)), -integral(mixture * log_prior)
    reconstruction = integral((posterior * stats.norm.logpdf(x[:, None], 2 * GRID)).mean(0))
    expected = {
        "reconstruction": reconstruction,
        "entropy": entropy,
        "cross_entropy": cross_entropy,
        "mutual_information": marginal_entropy - entropy,
        "marginal_kl": cross_entropy - marginal_entropy,
        "elbo": reconstruction + entropy - cross_entropy,
        "lower_rate": 0.0,
        "residual": 0.0,
    }
    terms = evaluate.decompose(line(), torch.from_numpy(x[:, None]).float(), num_samples=20_000)
    for name, value in expected.items():
        term = getattr(terms, name)
        assert abs(term.value - value) < Z * term.monte_carlo_error + 1e-5, name
        assert term.monte_carlo_error < 0.05, name


def test_every_term_of_a_hierarchy_adds_up_to_the_bound() -> None:
    model, x = MODELS["vamp-prior-two-level"](), torch.bernoulli(torch.full((40, INPUTS), 0.5))
    terms = evaluate.decompose(model, x, num_samples=200)
    bound, rate = evaluate.elbo(model, x, num_samples=200), evaluate.parts(model, x, num_samples=200)["rate/z1"]
    total = terms.reconstruction.value + terms.entropy.value - terms.cross_entropy.value - terms.lower_rate.value
    assert abs(total - bound.value) < Z * terms.residual.monte_carlo_error
    assert terms.lower_rate.value == pytest.approx(rate.value, rel=1e-5)
    assert terms.residual.value == pytest.approx(total - bound.value, abs=1e-5)


def test_mutual_information_of_well_separated_examples_is_log_n() -> None:
    x = 100 * torch.arange(8).float()[:, None]
    assert evaluate.decompose(line(), x).mutual_information.value == pytest.approx(np.log(8), abs=1e-4)


def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(30, 1)
    whole = evaluate.decompose(line(), x, num_samples=3)
    monkeypatch.setattr(mixture, "TILE", 7 * 30)
    tiled = evaluate.decompose(line(), x, num_samples=3)
    torch.testing.assert_close(whole.mutual_information.pointwise, tiled.mutual_information.pointwise)


def test_binary_latents_are_decomposed_by_enumeration() -> None:
    posterior = posteriors.Bernoulli(1, 2)
    with torch.no_grad():
        posterior.get_parameter("head.weight").copy_(torch.tensor([[1.0], [-2.0]]))
    model = VAE(
        encoder=nn.Identity(),
        posterior=posterior,
        prior=priors.Bernoulli(2),
        likelihood=likelihoods.Gaussian(nn.Linear(2, 1)),
    )
    x = torch.tensor([[-1.0], [0.5], [2.0]])
    with torch.no_grad():
        p = model.condition(x).top[1].mean.double().numpy()
        prior = model.condition(x).top[0].mean.double().numpy()
    bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])[:, None]
    q = np.prod(np.where(bits == 1, p, 1 - p), -1)  # (4, N)
    mixture, log_prior = q.mean(1), np.log(np.prod(np.where(bits[:, 0] == 1, prior, 1 - prior), -1))
    terms = evaluate.decompose(model, x, num_samples=20_000)
    expected = {
        "mutual_information": (q * np.log(q / mixture[:, None])).sum(0).mean(),
        "marginal_kl": (mixture * (np.log(mixture) - log_prior)).sum(),
        "entropy": -(q * np.log(q)).sum(0).mean(),
    }
    for name, value in expected.items():
        term = getattr(terms, name)
        assert abs(term.value - value) < Z * term.monte_carlo_error + 1e-5, name


def test_feature_maps_are_decomposed_as_their_values() -> None:
    """The mutual information of 18 values in three examples, by draws of numpy and densities of scipy."""
    model, x = MODELS["feature-map-standin"](), torch.rand(3, INPUTS)
    terms = evaluate.decompose(model, x, num_samples=2000)
    with torch.no_grad():
        q = model.eval().condition(x).top[1]
    mean, scale = (each.expand(3, *q.event_shape).flatten(1).numpy() for each in (q.mean, q.stddev))
    z = mean + scale * np.random.default_rng(0).normal(size=(20_000, *mean.shape))  # of each example
    densities = stats.norm.logpdf(z[:, :, None], mean, scale).sum(-1)  # (draws, drawn from, scored by)
    own = np.diagonal(densities, axis1=1, axis2=2)
    information = own - special.logsumexp(densities, axis=2) + np.log(3)
    expected, error = information.mean(), information.std() / np.sqrt(information.size)
    term = terms.mutual_information
    assert abs(term.value - expected) < Z * np.hypot(term.monte_carlo_error, error)
    assert abs(terms.residual.value) < Z * terms.residual.monte_carlo_error + 1e-4


def test_posterior_without_a_density_everywhere_is_refused() -> None:
    with pytest.raises(ValueError, match="posterior of 'z'.*posteriors.Gaussian or posteriors.Bernoulli"):
        evaluate.decompose(MODELS["opaque-flow-posterior"](), torch.rand(3, INPUTS))
