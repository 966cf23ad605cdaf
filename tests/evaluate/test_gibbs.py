"""Annealing over bits and classes against sums over every code: alone, in layers, and beside real latents.

Each comparison of a mean allows 3 standard errors: a false alarm in 1 of 740 seeds, and the seeds are fixed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, OneHotCategorical

from prioria import VAE, evaluate, likelihoods, posteriors, priors, theory
from prioria.stage import Stage
from tests.evaluate.test_certify import NOISE, standard_errors
from tests.exact.test_binary_hierarchy import ByHand, hierarchy

BITS, REAL, INPUTS = 3, 2, 4


def coupled(*bits: int) -> VAE:
    """A binary hierarchy with weights so large that its encoder, which was never trained, is far off."""
    model = hierarchy(*bits)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(1.5 * torch.randn_like(parameter))
    return model


def check(certificate: evaluate.Certificate, truth: Tensor) -> None:
    assert standard_errors(certificate.lower.pointwise - truth) < 3
    assert standard_errors(certificate.upper.pointwise - truth) > -3
    assert abs(certificate.gap) < 0.25


@pytest.mark.slow
@pytest.mark.parametrize("bits", [(4,), (3, 4), (2, 3, 5)])
def test_the_sum_over_codes_is_inside_the_bracket_and_a_bad_encoder_is_caught(bits: tuple[int, ...]) -> None:
    model = coupled(*bits)
    certificate = evaluate.certify(model, num_examples=60, num_steps=40, num_samples=5)
    by_hand = ByHand(model, bits)
    truth = {row: by_hand.exact(row.numpy())[0] for row in certificate.x.unique(dim=0)}
    exact = torch.tensor([next(v for row, v in truth.items() if torch.equal(row, x)) for x in certificate.x])
    check(certificate, exact)
    missing = (exact - certificate.importance.pointwise).mean().item()
    assert missing > 0.1
    assert certificate.importance_gap > 3 * certificate.importance_gap_error


def mixed() -> tuple[VAE, nn.Linear, nn.Linear]:
    """Bits z2, z1|z2 ~ N(B z2, I/2), x|z1 z2 ~ N(A (z2, z1), NOISE^2): given z2, x is Gaussian."""
    prior, decoder = priors.Gaussian(BITS, REAL), nn.Linear(BITS + REAL, INPUTS)
    with torch.no_grad():
        prior.heads.weight[REAL:].zero_()
        prior.heads.bias[REAL:].fill_(torch.tensor(0.5).log())
        decoder.weight.mul_(4)
    groups = {
        "z2": Stage(prior=priors.Bernoulli(BITS), posterior=posteriors.Bernoulli(INPUTS, BITS)),
        "z1": Stage(prior=prior, posterior=posteriors.Gaussian(INPUTS + BITS, REAL)),
    }
    model = VAE(encoder=nn.Identity(), stages=groups, likelihood=likelihoods.Gaussian(decoder, scale=NOISE))
    return model, prior.heads, decoder


@pytest.mark.slow
def test_bits_and_real_latents_move_together() -> None:
    model, heads, decoder = mixed()
    certificate = evaluate.certify(model, num_examples=40, num_steps=50, num_samples=5)
    below, offset = heads.weight[:REAL].detach().double(), heads.bias[:REAL].detach().double()
    on_bits, on_real = decoder.weight.detach().double().split([BITS, REAL], 1)
    covariance = 0.5 * on_real @ on_real.mT + NOISE**2 * torch.eye(INPUTS)
    terms = []
    for code in itertools.product([0.0, 1.0], repeat=BITS):
        z2 = torch.tensor(code).double()
        mean = on_bits @ z2 + on_real @ (below @ z2 + offset) + decoder.bias.detach()
        terms.append(MultivariateNormal(mean, covariance).log_prob(certificate.x.double()))
    check(certificate, torch.stack(terms).logsumexp(0) - BITS * torch.tensor(2.0).log())


def test_the_marginal_of_a_harmonium_is_a_prior_over_bits() -> None:
    """Its bits are summed over by hand: log sum_z p(x|z) exp(<z, v> + sum_i softplus((W z + u)_i)) - log Z."""
    torch.manual_seed(0)
    w, u, v = 1.5 * torch.randn(5, BITS), torch.randn(5), torch.randn(BITS)
    decoder = nn.Linear(BITS, INPUTS)
    with torch.no_grad():
        decoder.weight.mul_(4)
    posterior, likelihood = posteriors.Bernoulli(INPUTS, BITS), likelihoods.Bernoulli(decoder)
    model = VAE(encoder=nn.Identity(), posterior=posterior, prior=theory.Harmonium(w, u, v), likelihood=likelihood)
    x = torch.bernoulli(torch.full((30, INPUTS), 0.5))
    z = torch.tensor(list(itertools.product([0.0, 1.0], repeat=BITS)))
    energy = z @ v + nn.functional.softplus(z @ w.mT + u).sum(-1)
    logits = decoder(z)[:, None]
    log_px = (x * logits - nn.functional.softplus(logits)).sum(-1)
    truth = (log_px + energy.log_softmax(0)[:, None]).logsumexp(0).detach().double()
    estimate = evaluate.annealed_log_likelihood(model, x, num_steps=40, num_chains=20)
    torch.testing.assert_close(estimate.pointwise, truth, atol=0.15, rtol=0)
    # of the mean over rows, whose noise is a hundredth of a nat: false alarm 6e-7 were the errors normal
    assert (estimate.pointwise - truth).mean().abs() < 5 * estimate.monte_carlo_variance.sum().sqrt() / len(x)
    assert standard_errors(estimate.pointwise - truth) < 3


class Unlisted(OneHotCategorical):
    """Classes that do not say what they are."""

    has_enumerate_support = False


class Classes(nn.Module):
    """One of four classes."""

    def __init__(self, family: type[OneHotCategorical]) -> None:
        super().__init__()
        self.family = family

    def forward(self, context: Tensor | None = None) -> OneHotCategorical:
        return self.family(logits=torch.zeros(4) if context is None else torch.zeros(len(context), 4))


def classes(family: type[OneHotCategorical]) -> VAE:
    likelihood = likelihoods.Bernoulli(nn.Linear(4, INPUTS))
    return VAE(encoder=nn.Identity(), posterior=Classes(family), prior=Classes(family), likelihood=likelihood)


def test_classes_are_summed_and_those_without_a_list_are_refused() -> None:
    torch.manual_seed(0)
    x, model = torch.rand(20, INPUTS).round(), classes(OneHotCategorical)
    logits = model.likelihood.net.weight.mT + model.likelihood.net.bias
    truth = ((x @ logits.mT - nn.functional.softplus(logits).sum(-1)).logsumexp(1) - math.log(4)).double().detach()
    found = evaluate.annealed_log_likelihood(model, x, num_steps=20, num_chains=100)
    # of the mean over rows: false alarm 6e-7 were the errors normal
    assert (found.pointwise - truth).mean().abs() < 5 * found.monte_carlo_variance.sum().sqrt() / len(x) + 1e-3
    with pytest.raises(ValueError, match="'z' has values that cannot be listed"):
        evaluate.annealed_log_likelihood(classes(Unlisted), x)


def mixture(latents: int) -> tuple[VAE, Callable[[Tensor], Tensor]]:
    """c of three classes, z ~ N(0, I), x|c z ~ N(b_c + A z, NOISE^2): a mixture of Gaussians, and its log p(x)."""
    torch.manual_seed(3)
    decoder = nn.Linear(3 + latents, INPUTS)
    groups = {
        "c": Stage(prior=priors.Categorical(3), posterior=posteriors.Categorical(INPUTS, 3)),
        "z": Stage(prior=priors.StandardNormal(latents), posterior=posteriors.Gaussian(INPUTS + 3, latents)),
    }
    with torch.no_grad():
        groups["c"].p.logits.copy_(torch.tensor([0.5, 0.0, -1.0]))
        decoder.weight.mul_(3)
    model = VAE(encoder=nn.Identity(), stages=groups, likelihood=likelihoods.Gaussian(decoder, scale=NOISE))

    def log_p(x: Tensor) -> Tensor:
        classes, a = decoder.weight.detach().double().split([3, latents], 1)
        normal = MultivariateNormal(torch.zeros(INPUTS).double(), a @ a.mT + NOISE**2 * torch.eye(INPUTS))
        centered = x.double() - classes.mT[:, None] - decoder.bias.detach()
        return (groups["c"].p.logits.log_softmax(0)[:, None] + normal.log_prob(centered)).logsumexp(0).detach()

    return model, log_p


@pytest.mark.slow
def test_classes_and_real_latents_move_together() -> None:
    model, log_p = mixture(2)
    certificate = evaluate.certify(model, num_examples=20, num_steps=60, num_samples=4)
    check(certificate, log_p(certificate.x))


def test_quadrature_sums_over_the_classes() -> None:
    model, log_p = mixture(1)
    torch.manual_seed(0)
    x = model.sample(4)
    found = evaluate.quadrature_log_likelihood(model, x)
    assert found.converged
    torch.testing.assert_close(found.pointwise, log_p(x), atol=0.01, rtol=0)
