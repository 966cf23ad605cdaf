"""The log-likelihood of a hierarchy of one and one latents against quadrature over the plane of both."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special, stats

from prioria import VAE, evaluate, likelihoods, nets, posteriors, priors, stages

Z = 3.9  # standard errors: a false alarm once in 1e4
INPUTS = 6


def two_level(prior: str) -> VAE:
    top, bottom = (nets.GatedMLP(INPUTS, 5, gated_output=True) for _ in range(2))
    q = posteriors.Gaussian(5, 1)
    priors_by_name = {
        "standard": priors.StandardNormal(1),
        "vamp": priors.VampPrior(top, q, components=4, inputs=INPUTS, initial=(0.5, 0.5)),
    }
    levels = stages.TwoLevel(prior=priors_by_name[prior], posterior=q, features=5, latents=(1, 1), hidden=6)
    likelihood = likelihoods.Bernoulli(nets.GatedMLP(2, 8, INPUTS))
    with torch.no_grad():
        for each in (levels["z1"].p, q, levels["z1"].q):
            each.get_parameter("heads.weight").mul_(0.2)  # the quadrature's square holds p(z1|z2)
        levels["z1"].p.get_parameter("heads.weight")[1] *= 0.2
        for each in (q, levels["z1"].q):
            each.get_parameter("heads.bias")[1] = 1.5  # log-variance: q covers p(z|x), so that weights have a variance
    return VAE(encoder={"z2": top, "z1": bottom}, stages=levels, likelihood=likelihood).double()


def log_prior_of_the_top(model: VAE, axis: torch.Tensor) -> np.ndarray:
    prior = model.stages["z2"].p
    if isinstance(prior, priors.StandardNormal):
        return stats.norm.logpdf(axis.numpy())
    components = model.stages["z2"].q(model.encoder_of("z2")(prior.pseudo_inputs.clamp(0, 1)))
    each = stats.norm.logpdf(axis.numpy()[:, None], components.mean[:, 0].numpy(), components.stddev[:, 0].numpy())
    return special.logsumexp(each, axis=1) - np.log(len(components.mean))


def quadrature(model: VAE, x: torch.Tensor) -> np.ndarray:
    """log p(x), from the networks' outputs; every density and both integrals are numpy's and scipy's."""
    axis = torch.linspace(-15, 15, 501, dtype=torch.float64)
    z2, z1 = torch.meshgrid(axis, axis, indexing="ij")
    below = model.stages["z1"].p(z2[..., None])
    log_z1 = stats.norm.logpdf(z1.numpy(), below.mean[..., 0].numpy(), below.stddev[..., 0].numpy())
    logits = model.likelihood.net(torch.stack([z2, z1], -1)).numpy()
    log_joint = log_prior_of_the_top(model, axis)[:, None] + log_z1
    log_px = np.moveaxis(logits @ x.numpy().T, -1, 0) - np.logaddexp(0, logits).sum(-1)
    return special.logsumexp(log_px + log_joint, axis=(1, 2)) + 2 * np.log(30 / 500)


@pytest.mark.parametrize("prior", ["standard", "vamp"])
def test_log_likelihood_of_two_levels_is_that_of_quadrature(prior: str) -> None:
    x = torch.bernoulli(torch.full((6, INPUTS), 0.5, dtype=torch.float64))
    model = two_level(prior)
    with torch.no_grad():
        expected = quadrature(model, x)
    estimate = evaluate.log_likelihood(model, x, num_samples=20_000)
    assert estimate.converged
    assert estimate.monte_carlo_error < 0.02
    assert abs(estimate.value - expected.mean()) < Z * estimate.monte_carlo_error + abs(estimate.bias)


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["standard", "vamp"])
def test_generated_x_follow_the_same_likelihood(prior: str) -> None:
    # x has 64 values: the frequencies of those that the model generates against log p(x).
    model = two_level(prior)
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * INPUTS)
    with torch.no_grad():
        expected = 20_000 * np.exp(quadrature(model, every))
        sample = model.generate(20_000).px.sample()[0]
    assert expected.sum() == pytest.approx(20_000, rel=1e-4)
    codes = (sample.long() * 2 ** torch.arange(INPUTS - 1, -1, -1)).sum(-1).bincount(minlength=64).numpy()
    rare = expected < 5
    found = np.append(codes[~rare], codes[rare].sum())
    wanted = np.append(expected[~rare], expected[rare].sum())
    keep = wanted > 0
    assert stats.chisquare(found[keep], wanted[keep] * found.sum() / wanted.sum()).pvalue > 1e-4
