"""The bracket on three trained models of different kinds: what a sum over all latents says lies inside.

Each comparison of a mean allows 3 standard errors: a false alarm in 1 of 740 seeds, and the seeds are fixed.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from prioria import VAE, evaluate, fit, likelihoods, nets, objectives, posteriors, priors, stages
from prioria.data import Dataset, load
from tests.evaluate.test_certify import standard_errors
from tests.exact.test_binary_hierarchy import ByHand

INPUTS, BITS = 64, (3, 4)
AXIS = torch.linspace(-12, 12, 241, dtype=torch.float64)
STEP = math.log(24 / 240)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def trained(model: VAE, digits: Dataset) -> VAE:
    fit(model, objectives.ELBO(), digits, epochs=6, learning_rate=3e-3, seed=0, progress=False)
    return model


def over_grid(model: VAE, x: Tensor, z: Tensor, log_p: Tensor) -> Tensor:
    """log of the sum of p(x|z) p(z) over points z (P, L), without the volume of a cell."""
    with torch.no_grad():
        terms = [model.likelihood(part.float().unsqueeze(1)).log_prob(x) for part in z.split(4000)]
    return (torch.cat(terms).double() + log_p.unsqueeze(1)).logsumexp(0)


def with_vamp_prior() -> VAE:
    encoder, posterior = nets.GatedMLP(INPUTS, 16, gated_output=True), posteriors.Gaussian(16, 2)
    prior = priors.VampPrior(encoder, posterior, components=10, inputs=INPUTS)
    likelihood = likelihoods.Bernoulli(nets.GatedMLP(2, 16, INPUTS))
    return VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=likelihood)


def under_vamp_prior(model: VAE, x: Tensor) -> Tensor:
    z = torch.cartesian_prod(AXIS, AXIS)
    with torch.no_grad():
        log_p = model.stages["z"].p().log_prob(z.float()).double()
    assert log_p.logsumexp(0).add(2 * STEP).item() == pytest.approx(0, abs=0.01)
    return over_grid(model, x, z, log_p) + 2 * STEP


def with_hierarchical_prior() -> VAE:
    normals = {"auxiliary_decoder": priors.Gaussian(1, 1), "auxiliary_encoder": priors.Gaussian(1, 1)}
    return VAE(
        encoder=nets.GatedMLP(INPUTS, 16, gated_output=True),
        posterior=posteriors.Gaussian(16, 1),
        prior=priors.Hierarchical(1, 1, num_samples=4, **normals),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(1, 16, INPUTS)),
    )


def under_hierarchical_prior(model: VAE, x: Tensor) -> Tensor:
    prior = model.stages["z"].p
    zeta, z = (0.5 * AXIS)[:, None], AXIS[:, None]
    with torch.no_grad():
        table = prior.decoder(zeta.float()[:, None]).log_prob(z.float()).double()
    log_zeta = -0.5 * zeta.square() - 0.5 * math.log(2 * math.pi)
    log_p = (table + log_zeta).logsumexp(0) + STEP + math.log(0.5)
    assert log_p.logsumexp(0).add(STEP).item() == pytest.approx(0, abs=0.01)
    return over_grid(model, x, z, log_p) + STEP


def with_bits() -> VAE:
    sizes = {f"z{i}": n for i, n in enumerate(BITS)}
    return VAE(
        encoder=nets.BottomUp(INPUTS, sizes, activation="tanh"),
        stages=stages.BinaryHierarchy(sizes),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(BITS[-1], INPUTS)),
    )


def over_codes(model: VAE, x: Tensor) -> Tensor:
    by_hand = ByHand(model, BITS)
    return torch.tensor([by_hand.exact(row.numpy())[0] for row in x])


MODELS = {
    "vamp prior": (with_vamp_prior, under_vamp_prior),
    "hierarchical prior": (with_hierarchical_prior, under_hierarchical_prior),
    "binary hierarchy": (with_bits, over_codes),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
def test_the_truth_is_inside_the_bracket_of_a_trained_model(kind: str, digits: Dataset) -> None:
    build, sum_over_latents = MODELS[kind]
    model = trained(build(), digits)
    certificate = evaluate.certify(model, num_examples=30, num_steps=60, num_samples=500)
    truth = sum_over_latents(model, certificate.x)
    assert standard_errors(certificate.lower.pointwise - truth) < 3
    assert standard_errors(certificate.upper.pointwise - truth) > -3
    assert standard_errors(certificate.importance.pointwise - truth) < 3
    assert abs(certificate.gap) < 1
    assert (truth - certificate.importance.pointwise).mean().item() < certificate.certified
