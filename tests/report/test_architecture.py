"""The description of a module reads like the code that builds it."""

import torch
from torch import nn

from prioria import VAE, likelihoods, nets, posteriors, priors
from prioria.module import describe
from prioria.report.architecture import as_code


def test_parts_that_are_shared_are_named_by_where_they_were():
    encoder, posterior = nets.GatedMLP(6, 4, gated_output=True), posteriors.Gaussian(4, 2)
    model = VAE(
        encoder=encoder,
        posterior=posterior,
        prior=priors.VampPrior(encoder, posterior, components=3, pseudo_inputs=torch.zeros(3, 6)),
        likelihood=likelihoods.Bernoulli(nn.Linear(2, 6)),
    )
    assert as_code(describe(model)).splitlines() == [
        "model.VAE(",
        "    encoder=nets.GatedMLP(sizes=(6, 4), gated_output=True),",
        "    likelihood=likelihoods.Bernoulli(net=<likelihood.net>),",
        "    posterior=posteriors.Gaussian(context=4, latents=2),",
        "    prior=priors.VampPrior(",
        "        encoder=encoder,",
        "        posterior=posterior,",
        "        components=3,",
        "        pseudo_inputs=<tensor 3 x 6>,",
        "        trainable=True,",
        "        bounds='data',",
        "        initial=(0.05, 0.01),",
        "    ),",
        ")",
    ]


def test_values_are_written_as_python_writes_them():
    described = {"class": "x.Y", "args": {"a": {"tuple": [1]}, "b": [True, "t"], "c": {"dict": {"k": None}}, "d": None}}
    assert as_code(described) == "x.Y(a=(1,), b=[True, 't'], c={'k': None})"
