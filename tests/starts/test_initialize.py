"""Parts of any model begin at statistics of the training rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch import nn

from prioria import VAE, data, likelihoods, nets, posteriors, priors, starts


def rows() -> torch.Tensor:
    generator = np.random.default_rng(0)
    places = np.array([[0.0, 10.0, 4.0], [20.0, -10.0, 4.0]])[np.arange(120) % 2]
    return torch.from_numpy(places + generator.normal(size=(120, 3))).float()


def model(prior: nn.Module | None = None, **options: str) -> VAE:
    torch.manual_seed(0)
    encoder, posterior = nets.MLP(3, 4), posteriors.Gaussian(4, 2)
    outputs = 6 if options.get("variance") == "pixel" else 3
    return VAE(
        encoder=encoder,
        posterior=posterior,
        prior=priors.VampPrior(encoder, posterior, components=2, inputs=3) if prior is None else prior,
        likelihood=likelihoods.Gaussian(nn.Linear(2, outputs), **options),
    )


def test_pseudo_inputs_begin_at_the_centers_of_the_rows() -> None:
    built, found = model(), data.load(rows())
    assert starts.initialize(built, found) == ["stages.z.p", "likelihood"]
    x = found.train.tensor()
    expected = torch.from_numpy(KMeans(2, n_init=5, random_state=1).fit(x.numpy()).cluster_centers_)
    ours = built.top.p.pseudo_inputs.detach()
    torch.testing.assert_close(ours[ours[:, 0].argsort()], expected[expected[:, 0].argsort()], atol=1e-4, rtol=0)


def test_components_of_a_mixture_begin_at_the_moments_of_their_codes() -> None:
    prior = priors.Mixture(2, components=2, learned_weights=True)
    codes = torch.cat([torch.randn(300, 2) * 0.5 + 5, torch.randn(100, 2) - 5])
    torch.manual_seed(0)
    assert prior.start_at_codes(codes)
    order = prior.mean[:, 0].argsort()
    torch.testing.assert_close(prior.mean[order].detach(), torch.stack([codes[300:].mean(0), codes[:300].mean(0)]))
    variances = torch.stack([codes[300:].var(0, correction=0), codes[:300].var(0, correction=0)])
    torch.testing.assert_close(prior.log_variance[order].exp().detach(), variances, rtol=1e-3, atol=0)
    shares = prior.log_weights.softmax(0)[order].detach()
    torch.testing.assert_close(shares, torch.tensor([101 / 402, 301 / 402]))


@pytest.mark.parametrize("variance", ["global", "pixel"])
def test_the_output_begins_at_the_moments_of_the_rows(variance: str) -> None:
    built, found = model(priors.StandardNormal(2), variance=variance), data.load(rows())
    assert starts.initialize(built, found) == ["likelihood"]
    x = found.train.tensor()
    px = built.likelihood(torch.zeros(1, 2))
    torch.manual_seed(1)
    many = built.likelihood(built.top.p().sample((20000,)))
    # the output is linear in z: its mean over the prior is that at zero, but for the 500 draws that centered it
    spread = built.likelihood.net.weight[:3].norm(dim=1).detach() / 500**0.5
    assert ((many.mean.mean(0) - x.mean(0)).abs() < 5 * spread).all()
    scale = x.var(0, correction=0).mean().sqrt() if variance == "global" else None
    if scale is not None:
        torch.testing.assert_close(px.stddev.flatten(), scale.expand(3))


def test_frequencies_of_bits_are_the_biases_and_other_parts_stay() -> None:
    bits = (
        torch.rand(200, 5, generator=torch.Generator().manual_seed(0)) < torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])
    ).float()
    likelihood = likelihoods.Bernoulli(nn.Linear(2, 5))
    assert likelihood.start_at_output(torch.zeros(3, 2), bits)
    frequency = (bits.sum(0) + 0.5) / 201
    torch.testing.assert_close(likelihood(torch.zeros(2)).mean.detach(), frequency)
    conv = likelihoods.Bernoulli(nn.Sequential(nn.Linear(2, 5), nn.Linear(5, 5, bias=False)))
    assert not conv.start_at_output(torch.zeros(3, 2), bits)
