"""Harmoniums against the reference values, sums written out, quadrature, and models that are consistent or not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from prioria import VAE, likelihoods, nets, posteriors, priors, theory

F64 = torch.float64
ALPHA = 1e-4  # false-alarm rate of each statistical test; the seeds are fixed
W = torch.tensor([[1.0, -1.0], [0.5, 2.0], [-1.5, 0.3]], dtype=F64)
U, V = torch.tensor([0.1, -0.2, 0.3], dtype=F64), torch.tensor([-0.4, 0.25], dtype=F64)
X = torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)), dtype=F64)
Z = torch.tensor(list(itertools.product([0.0, 1.0], repeat=2)), dtype=F64)


def rbm() -> theory.Harmonium:
    return theory.Harmonium(W, U, V)


def test_reference_values() -> None:
    harmonium, x = rbm(), torch.tensor([1.0, 0.0, 1.0], dtype=F64)
    assert harmonium.log_partition().item() == pytest.approx(4.395738937, abs=1e-6)
    hidden = harmonium.log_prob_hidden(Z).exp().tolist()
    assert hidden == pytest.approx([0.110931, 0.443029, 0.101189, 0.344851], abs=1e-6)
    assert harmonium.log_prob_visible(x).exp().item() == pytest.approx(0.042369093, abs=1e-6)
    assert harmonium.posterior_mean(x).tolist() == pytest.approx([0.289051, 0.389361], abs=1e-6)


def test_marginals_are_sums_of_the_joint() -> None:
    harmonium = rbm()
    joint = np.array([[float(x @ W @ z + x @ U + z @ V) for z in Z] for x in X])
    total = special.logsumexp(joint)
    assert harmonium.log_partition().item() == pytest.approx(total)
    np.testing.assert_allclose(harmonium.log_prob_hidden(Z).detach(), special.logsumexp(joint, 0) - total)
    np.testing.assert_allclose(harmonium.log_prob_visible(X).detach(), special.logsumexp(joint, 1) - total)


def test_the_density_of_real_values_is_as_exact_as_its_weights() -> None:
    alone = theory.Harmonium(0 * W, U, V, visible="gaussian")  # without weights x is N(u, 1)
    expected = stats.norm.logpdf(X, U).sum(-1)
    np.testing.assert_allclose(alone.log_prob_visible(X).detach(), expected, rtol=1e-13)


def test_sum_over_either_side_gives_the_same_partition() -> None:
    wide = theory.Harmonium(torch.randn(3, 9, dtype=F64), torch.randn(3, dtype=F64), torch.randn(9, dtype=F64))
    turned = theory.Harmonium(wide.weight.detach().mT, wide.hidden_bias.detach(), wide.visible_bias.detach())
    torch.testing.assert_close(wide.log_partition(), turned.log_partition())
    assert wide.log_prob_hidden(theory.codes(9).double()).exp().sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("shape", [(3, 9), (9, 3)])
def test_a_sum_in_parts_is_the_same_and_holds_little(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    weight, biases = torch.randn(shape, dtype=F64), [torch.randn(n, dtype=F64) for n in shape]
    sums = []
    for numbers in (2**22, 27):
        monkeypatch.setattr("prioria.theory.harmonium.NUMBERS", numbers)
        model = theory.Harmonium(weight, *biases)
        held: list[int] = []
        for name in ("encode", "decode"):
            monkeypatch.setattr(model, name, _noting(getattr(model, name), held))
        with torch.inference_mode():
            model.log_partition()
        total = model.log_partition()
        sums.append([total, *torch.autograd.grad(total, list(model.parameters()))])
        assert max(held) == min(numbers, 8 * 9)
    torch.testing.assert_close(*sums)


def _noting(network, held: list[int]):
    def noting(states: torch.Tensor) -> torch.Tensor:
        held.append(network(states).numel())
        return network(states)

    return noting


def test_gaussian_visible_marginal_is_the_mixture_and_integrates_to_one() -> None:
    harmonium = theory.Harmonium(W[:1], U[:1], V, visible="gaussian")
    mass, _ = integrate.quad(lambda x: harmonium.log_prob_visible(torch.tensor([x], dtype=F64)).exp().item(), -12, 12)
    assert mass == pytest.approx(1.0, abs=1e-7)
    weights = harmonium.log_prob_hidden(Z).exp().detach().numpy()
    mixture = sum(w * stats.norm(float(W[0] @ z + U[0])).pdf(0.7) for w, z in zip(weights, Z, strict=True))
    assert harmonium.log_prob_visible(torch.tensor([0.7], dtype=F64)).exp().item() == pytest.approx(mixture)


@pytest.mark.parametrize("how", ["exact", "gibbs"])
def test_draws_follow_the_marginal(how: str) -> None:
    harmonium = rbm()
    z = harmonium.sample_hidden(4000) if how == "exact" else harmonium.gibbs(4000, steps=60)[1]
    counts = np.bincount((z @ torch.tensor([2.0, 1.0], dtype=F64)).long(), minlength=4)
    expected = 4000 * harmonium.log_prob_hidden(Z).exp().detach().numpy()
    assert stats.chisquare(counts, expected).pvalue > ALPHA


def test_both_sides_too_large_are_refused_and_sampled_by_gibbs() -> None:
    harmonium = theory.Harmonium(torch.zeros(21, 22), torch.zeros(21), torch.zeros(22))
    with pytest.raises(ValueError, match="too many to sum over.*gibbs"):
        harmonium.log_partition()
    assert harmonium.sample_hidden(3, steps=2).shape == (3, 22)


def model(prior: torch.nn.Module, encoder: torch.nn.Module, decoder: torch.nn.Module, *, gaussian: bool = False) -> VAE:
    likelihood = likelihoods.Gaussian(decoder) if gaussian else likelihoods.Bernoulli(decoder)
    posterior = posteriors.Bernoulli(None, 2)
    return VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=likelihood).double()


def affine(weight: torch.Tensor, bias: torch.Tensor) -> torch.nn.Linear:
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], dtype=F64)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer


@pytest.mark.parametrize("gaussian", [False, True])
def test_a_consistent_model_has_no_approximation_error_and_is_found_consistent(gaussian: bool) -> None:
    prior = theory.Harmonium(W, U, V, visible="gaussian" if gaussian else "bernoulli")
    consistent = model(prior, affine(W.mT, V), affine(W, U), gaussian=gaussian)
    x = torch.randn(40, 3, dtype=F64) if gaussian else X
    found = theory.exact(consistent, x)
    torch.testing.assert_close(found.log_likelihood, prior.log_prob_visible(x))
    assert found.approximation_error.abs().max() < 1e-12
    measured = theory.consistency(consistent, x)
    assert max(measured.decoder_residual, measured.encoder_residual, measured.asymmetry) < 1e-6
    assert abs(measured.prior_divergence) < 1e-12


def test_each_defect_is_found_where_it_is() -> None:
    def measure(prior=None, encoder=None, decoder=None) -> theory.Consistency:
        return theory.consistency(model(prior or rbm(), encoder or affine(W.mT, V), decoder or affine(W, U)), X)

    bent = nets.MLP(2, 8, 3).double()
    assert measure(decoder=bent).decoder_residual > 1e-3
    assert measure(encoder=nets.MLP(3, 8, 2).double()).encoder_residual > 1e-3
    assert measure(encoder=affine(W.mT + 1.0, V)).asymmetry == pytest.approx(6**0.5)
    uniform = measure(prior=priors.Bernoulli(2, uniform=True))
    marginal = rbm().log_prob_hidden(Z).exp().detach().numpy()
    assert uniform.prior_divergence == pytest.approx(stats.entropy(np.full(4, 0.25), marginal), abs=1e-9)


@pytest.mark.parametrize("hidden", [(), (16,), (16, 16)], ids=["linear", "one hidden", "two hidden"])
def test_encoders_of_any_depth_reach_the_posterior_of_a_consistent_model(hidden: tuple[int, ...]) -> None:
    trained = model(rbm(), nets.MLP(3, *hidden, 2, activation="tanh"), affine(W, U))
    weight = trained.stages["z"].p.log_prob_visible(X).exp().detach()
    states = theory.states_of(trained, X)
    optimizer = torch.optim.LBFGS(trained.encoder.parameters(), max_iter=150, line_search_fn="strong_wolfe")

    def error() -> torch.Tensor:
        optimizer.zero_grad()
        found = (weight * theory.exact(trained, X, states=states).approximation_error).sum()
        found.backward()
        return found

    optimizer.step(error)
    assert 0 <= error().item() < 1e-5


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"weight has shape \(3, 2\).*\(visible, hidden\)"):
        theory.Harmonium(W, V, U)
    gaussian = VAE(
        encoder=torch.nn.Identity(),
        posterior=posteriors.Gaussian(3, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(nets.MLP(2, 3)),
    )
    with pytest.raises(ValueError, match="one group of bits"):
        theory.consistency(gaussian, X.float())
    with pytest.raises(ValueError, match="latents=.*too many"):
        theory.exact(
            VAE(
                encoder=torch.nn.Identity(),
                posterior=posteriors.Gaussian(3, 3),
                prior=priors.StandardNormal(3),
                likelihood=likelihoods.Bernoulli(nets.MLP(3, 3)),
            ),
            X.float(),
        )


def test_quadrature_of_a_gaussian_model_equals_its_closed_form() -> None:
    """p(x) = N(b, A A^T + s^2 I) for p(x|z) = N(A z + b, s^2 I) and two standard normal latents."""
    a, b = torch.tensor([[1.0, 0.9], [0.8, 1.0], [0.2, -0.1]], dtype=F64), torch.zeros(3, dtype=F64)
    linear = VAE(
        encoder=torch.nn.Identity(),
        posterior=posteriors.Gaussian(3, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Gaussian(affine(a, b), scale=0.5),
    ).double()
    x = torch.tensor([[0.7, -1.1, 0.4]], dtype=F64)
    with torch.no_grad():
        found = theory.exact(linear, x)
    assert found.log_likelihood.item() == pytest.approx(-5.264136318, abs=1e-6)
    covariance = a @ a.mT + 0.25 * torch.eye(3, dtype=F64)
    assert found.log_likelihood.item() == pytest.approx(
        stats.multivariate_normal(b, covariance).logpdf(x[0].numpy()), abs=1e-6
    )
    assert found.approximation_error.item() > 0


def test_its_density_is_in_single_precision_under_autocast() -> None:
    torch.manual_seed(0)
    rbm, z = theory.Harmonium(torch.randn(20, 10), torch.randn(20), torch.randn(10)), theory.codes(10)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = rbm().log_prob(z)
    weight, u, v = (parameter.detach().double().numpy() for parameter in rbm.parameters())
    energy = z.numpy() @ v + np.logaddexp(0, z.numpy() @ weight.T + u).sum(1)
    np.testing.assert_allclose(found, energy - special.logsumexp(energy), atol=1e-4)
