"""The VampPrior where its density and its gradient are known."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy import integrate, stats
from torch import nn

from prioria import VAE, fit, likelihoods, load, nets, objectives, posteriors, priors
from prioria.stage import Stage

F64 = torch.float64


def linear_posterior() -> posteriors.Gaussian:
    """Features (m, log s^2) are the parameters themselves: q(z|u) = N(u_1, exp(u_2))."""
    posterior = posteriors.Gaussian(2, 1)
    with torch.no_grad():
        posterior.heads.weight.copy_(torch.eye(2))
        posterior.heads.bias.zero_()
    return posterior


def vamp(*components: tuple[float, float]) -> priors.VampPrior:
    """A prior whose components are N(mean, variance)."""
    means, variances = torch.tensor(components).unbind(1)
    rows = torch.stack([means, variances.log()], 1)
    encoder, posterior = nn.Identity(), linear_posterior().double()
    prior = priors.VampPrior(encoder, posterior, components=len(rows), pseudo_inputs=rows, bounds=None)
    return prior.double()


def log_density(prior: priors.VampPrior, z: float) -> float:
    return prior().log_prob(torch.tensor([z], dtype=F64)).item()


def test_density_of_two_components() -> None:
    assert log_density(vamp((0.0, 1.0), (2.0, 0.25)), 1.0) == pytest.approx(-1.743104578, abs=1e-6)


def test_one_component_at_the_prior_is_the_standard_normal() -> None:
    prior = vamp((0.0, 1.0))
    for z in (-7.0, 0.0, 1.3):
        assert log_density(prior, z) == pytest.approx(stats.norm.logpdf(z), abs=1e-12)


def test_order_of_the_pseudo_inputs_does_not_matter() -> None:
    components = [(0.0, 1.0), (2.0, 0.25), (-3.0, 0.01)]
    densities = [log_density(vamp(*order), 0.7) for order in itertools.permutations(components)]
    assert densities == pytest.approx([densities[0]] * 6, abs=1e-12)


def test_density_integrates_to_one() -> None:
    prior = vamp((0.0, 1.0), (2.0, 0.25), (-3.0, 0.01))
    mass, _ = integrate.quad(
        lambda z: torch.tensor(log_density(prior, z)).exp().item(), -12, 12, points=[-3, 0, 2], limit=200
    )
    assert mass == pytest.approx(1.0, abs=1e-6)


def test_pseudo_input_equal_to_the_only_example_leaves_no_rate_and_no_gradient_of_it() -> None:
    # q(z|x) = p(z) for every value of every parameter: the rate is identically zero, and so is its gradient.
    x = torch.rand(1, 4, dtype=F64)
    encoder, posterior = nn.Linear(4, 5), posteriors.Gaussian(5, 3)
    prior = priors.VampPrior(encoder, posterior, components=1, pseudo_inputs=x, trainable=False)
    decoder = likelihoods.Bernoulli(nn.Linear(3, 4))
    model = VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=decoder).double()
    with torch.no_grad():
        prior.pseudo_inputs.copy_(x)  # in double precision
    rate = model.draw(x, num_samples=7).rate
    torch.testing.assert_close(rate, torch.zeros_like(rate), atol=1e-10, rtol=0)
    gradients = torch.autograd.grad(rate.sum(), [*encoder.parameters(), *posterior.parameters()])
    for gradient in gradients:
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-9, rtol=0)


def test_gradient_reaches_pseudo_inputs_as_through_the_mixture_written_out() -> None:
    encoder, posterior = nn.Linear(4, 5).double(), posteriors.Gaussian(5, 3).double()
    prior = priors.VampPrior(encoder, posterior, components=6, inputs=4, initial=(0.5, 0.2)).double()
    z = torch.randn(11, 3, dtype=F64)
    q = posterior(encoder(prior.pseudo_inputs.clamp(0, 1)))
    each = torch.distributions.Normal(q.mean, q.stddev).log_prob(z[:, None]).sum(-1)
    written_out = (each.exp().mean(1)).log()
    ours = prior().log_prob(z)
    torch.testing.assert_close(ours, written_out)
    parameters = [prior.pseudo_inputs, *encoder.parameters(), *posterior.parameters()]
    expected = torch.autograd.grad(written_out.sum(), parameters)
    torch.testing.assert_close(torch.autograd.grad(ours.sum(), parameters), expected)


def test_rows_beyond_the_bounds_are_refused_and_loaded_models_are_not(tmp_path) -> None:
    encoder, posterior = nets.MLP(2, 4, 5, activate_output=True), posteriors.Gaussian(5, 2)
    rows = torch.tensor([[1.5, 2.0], [2.5, 4.0]])
    with pytest.raises(
        ValueError, match=r"bounds=\(0.0, 1.0\) do not hold pseudo_inputs.* from 1.5 to 4 .*bounds=None"
    ):
        priors.VampPrior(encoder, posterior, components=2, pseudo_inputs=rows)
    prior = priors.VampPrior(encoder, posterior, components=2, pseudo_inputs=rows, bounds=(1.5, 4.0))
    decoder = likelihoods.Gaussian(nets.MLP(2, 2))
    VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=decoder).save(tmp_path)
    assert torch.equal(load(tmp_path).stages["z"].p.clamped(), rows)


def test_an_encoder_of_all_groups_serves_the_top_one() -> None:
    encoder, posterior = nets.BottomUp(6, {"z2": 4, "z1": 5}, activate_output=True), posteriors.Gaussian(4, 2)
    prior = priors.VampPrior(encoder, posterior, components=3, inputs=6, group="z2")
    groups = {
        "z2": Stage(prior=prior, posterior=posterior),
        "z1": Stage(prior=priors.Gaussian(2, 3), posterior=posteriors.Gaussian(7, 3)),
    }
    model = VAE(encoder=encoder, stages=groups, likelihood=likelihoods.Bernoulli(nets.MLP(5, 6)))
    draw = model.draw(torch.rand(4, 6))
    q = posterior(encoder(prior.clamped())["z2"])  # the mean over components of their densities, one at a time
    terms = [q.log_prob(z.expand(3, 2)).logsumexp(0) - math.log(3) for z in draw.z["z2"][0]]
    torch.testing.assert_close(draw.latents["z2"].log_p[0], torch.stack(terms), atol=1e-4, rtol=1e-4)


def test_pseudo_inputs_are_clamped_with_the_gradient_of_clamp_bounds_included() -> None:
    prior = priors.VampPrior(nn.Identity(), linear_posterior(), components=1, pseudo_inputs=torch.full((1, 7), 0.5))
    edges = torch.tensor([[-1.0, -1e-45, 0.0, 0.3, 1.0, 1.0 + 1.2e-7, 2.0]])
    with torch.no_grad():
        prior.pseudo_inputs.copy_(edges)
    prior.clamped().backward(gradient := torch.randn(1, 7))
    theirs = edges.clone().requires_grad_()
    theirs.clamp(0, 1).backward(gradient)
    assert prior.pseudo_inputs.grad is not None and theirs.grad is not None
    assert torch.equal(prior.clamped(), theirs.clamp(0, 1)) and torch.equal(prior.pseudo_inputs.grad, theirs.grad)
    assert prior.pseudo_inputs.grad.count_nonzero() == 3


@pytest.mark.parametrize(
    ("rows", "given", "bounds"),
    [
        (torch.randn(60, 6, generator=torch.Generator().manual_seed(0)) * 2 - 3, {}, None),
        (torch.rand(60, 6, generator=torch.Generator().manual_seed(0)), {}, (0.0, 1.0)),
        (torch.randn(60, 6, generator=torch.Generator().manual_seed(0)), {"bounds": (-1.0, 1.0)}, (-1.0, 1.0)),
    ],
)
def test_bounds_and_start_follow_the_rows_unless_they_are_given(rows, given, bounds, tmp_path) -> None:
    torch.manual_seed(0)
    encoder, posterior = nets.MLP(6, 4), posteriors.Gaussian(4, 2)
    prior = priors.VampPrior(encoder, posterior, components=5, inputs=6, **given)
    before = prior.pseudo_inputs.detach().clone()
    model = VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=likelihoods.Gaussian(nets.MLP(2, 6)))
    fit(model, objectives.ELBO(), rows.numpy(), epochs=1, learning_rate=1e-9, progress=False)
    assert prior.bounds == bounds
    low, high = rows.min(), rows.max()
    if bounds is None:
        assert ((low <= prior.pseudo_inputs) & (prior.pseudo_inputs <= high)).all()
        assert prior.pseudo_inputs.mean().item() == pytest.approx(rows.mean().item(), abs=1)
    else:
        torch.testing.assert_close(prior.pseudo_inputs.detach(), before)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model").stages["z"].p
    assert again.bounds == bounds
    torch.testing.assert_close(again.clamped(), prior.clamped())
