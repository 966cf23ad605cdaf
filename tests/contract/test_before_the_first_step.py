"""What an objective cannot train is refused by its check, which leaves the model as it was."""

from __future__ import annotations

import pytest
import torch
import zuko
from torch import nn

from prioria import VAE, likelihoods, nets, objectives, posteriors, priors, theory
from prioria.objectives import GECO, REWO, Objective
from prioria.stage import Stage


def bits_below(straight_through: bool) -> VAE:
    """Two Gaussian latents above three bits."""
    below = posteriors.Bernoulli(7, 3, straight_through=straight_through)
    return VAE(
        encoder=nets.MLP(4, 5, activate_output=True),
        stages={
            "z2": Stage(prior=priors.StandardNormal(2), posterior=posteriors.Gaussian(5, 2)),
            "z1": Stage(prior=priors.Bernoulli(3, above=2), posterior=below),
        },
        likelihood=likelihoods.Bernoulli(nn.Linear(5, 4)),
    )


BATCHED = [
    objectives.BetaTC(),
    objectives.BetaTC(tc=objectives.Stratified()),
    objectives.FactorVAE(2.0, 2, hidden=8),
    objectives.InfoVAE(),
]
SINGLE = [objectives.ELBO(), objectives.IWAE(1), objectives.Capacity(2.0), GECO(objectives.ELBO(), "nats=1")]


@pytest.mark.parametrize("objective", BATCHED, ids=lambda each: type(each).__name__)
def test_a_term_of_the_batch_needs_gradients_of_every_group(objective: Objective) -> None:
    """Their surrogate has no score function: the gradient of the bits would be missing, not noisy."""
    with pytest.raises(ValueError, match="draws have no gradient"):
        objective.check(bits_below(straight_through=False), range(100))
    objective.check(bits_below(straight_through=True), range(100))


@pytest.mark.parametrize("objective", SINGLE, ids=lambda each: type(each).__name__)
def test_one_draw_makes_no_score_function(objective: Objective) -> None:
    with pytest.raises(ValueError, match="num_samples=1 leaves no other draw"):
        objective.check(bits_below(straight_through=False), range(100))
    objective.check(bits_below(straight_through=True), range(100))


MISMATCHED = [
    (priors.RealNVP(3), posteriors.Bernoulli(5, 3, straight_through=True)),
    (priors.Hierarchical(3, 2, num_samples=2), posteriors.Bernoulli(5, 3, straight_through=True)),
    (priors.Mixture(3, 4), posteriors.Bernoulli(5, 3, straight_through=True)),
    (zuko.flows.MAF(3), posteriors.Bernoulli(5, 3, straight_through=True)),
    (priors.Bernoulli(3), posteriors.Gaussian(5, 3)),
    (priors.Bernoulli(3), posteriors.IAF(5, 3)),
    (theory.Harmonium(torch.zeros(4, 3), torch.zeros(4), torch.zeros(3)), posteriors.Gaussian(5, 3)),
]


@pytest.mark.parametrize(("prior", "posterior"), MISMATCHED)
@pytest.mark.parametrize("objective", [objectives.ELBO(), objectives.IWAE(2)], ids=["elbo", "iwae"])
def test_bits_have_no_rate_against_a_density(objective: Objective, prior: nn.Module, posterior: nn.Module) -> None:
    model = VAE(
        encoder=nets.MLP(4, 5, activate_output=True),
        posterior=posterior,
        prior=prior,
        likelihood=likelihoods.Bernoulli(nn.Linear(3, 4)),
    )
    with pytest.raises(ValueError, match="over (real numbers|discrete values), the posterior .* over"):
        objective.check(model, range(100))


def test_two_draws_do() -> None:
    objectives.ELBO(num_samples=2).check(bits_below(straight_through=False), range(100))
    objectives.IWAE(2).check(bits_below(straight_through=False), range(100))


LOOKING = [*BATCHED, objectives.ELBO(closed_form_kl=True), GECO(objectives.ELBO(), "nats=3")]


@pytest.mark.parametrize("objective", LOOKING, ids=lambda each: type(each).__name__)
def test_a_check_leaves_batch_normalization_and_random_numbers_as_they_were(objective: Objective) -> None:
    model = VAE(
        encoder=nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)),
        posterior=posteriors.Gaussian(5, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(nets.MLP(2, 8, 4, batch_norm=True)),
    ).train()
    before, state = {name: each.clone() for name, each in model.state_dict().items()}, torch.get_rng_state()
    objective.check(model, range(100))
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state) and model.training


@pytest.mark.parametrize("objective", [*LOOKING, objectives.IWAE(2)], ids=lambda each: type(each).__name__)
def test_a_model_in_double_precision_can_be_checked(objective: Objective) -> None:
    for likelihood in (likelihoods.Bernoulli(nn.Linear(2, 4)), likelihoods.Categorical(nn.Linear(2, 12), 3)):
        model = VAE(
            encoder=nets.MLP(4, 5, activate_output=True),
            posterior=posteriors.Gaussian(5, 2),
            prior=priors.StandardNormal(2),
            likelihood=likelihood,
        )
        objective.check(model.double(), range(100))


def test_free_bits_are_weighed_by_beta() -> None:
    model = VAE(
        encoder=nets.MLP(4, 5, activate_output=True),
        posterior=posteriors.Gaussian(5, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(nn.Linear(2, 4)),
    )
    draw = model.draw(torch.rand(7, 4).round())
    for free_bits in (1e-3, 50.0):
        expected = draw.distortion.mean() + 3.0 * draw.rate.mean().clamp(min=free_bits)
        torch.testing.assert_close(objectives.ELBO(beta=3.0, free_bits=free_bits)(draw).value, expected)


def test_an_error_of_counts_is_no_target() -> None:
    model = VAE(
        encoder=nets.MLP(4, 5, activate_output=True),
        posterior=posteriors.Gaussian(5, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Multinomial(nn.Linear(2, 4)),
    )
    with pytest.raises(ValueError, match="Words here: 0/1, classes or counts"):
        GECO(objectives.ELBO(), "rmse=0.1").check(model)


def test_a_likelihood_that_does_not_draw_can_be_checked() -> None:
    class NeverDraws(torch.distributions.Normal):
        def sample(self, sample_shape: torch.Size = torch.Size()) -> torch.Tensor:
            raise NotImplementedError

    class Likelihood(nn.Module):
        def forward(self, z: torch.Tensor) -> torch.distributions.Distribution:
            return torch.distributions.Independent(NeverDraws(z, 1.0), 1)

    model = VAE(
        encoder=nets.MLP(2, 5, activate_output=True),
        posterior=posteriors.Gaussian(5, 2),
        prior=priors.StandardNormal(2),
        likelihood=Likelihood(),
    )
    objectives.ELBO().check(model, range(100))


@pytest.mark.parametrize("beta", [1.0, 1e-3, 1e-8])
def test_a_multiplier_does_not_reach_the_discriminator(beta: float) -> None:
    """What it learns is its own cross-entropy, whatever beta is."""
    torch.manual_seed(0)
    model = VAE(
        encoder=nets.MLP(4, 5, activate_output=True),
        posterior=posteriors.Gaussian(5, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(nn.Linear(2, 4)),
    )
    inner = objectives.FactorVAE(5.0, 2, hidden=8)
    objective, draw = REWO(inner, "nats=1", beta=beta), model.draw(torch.rand(20, 4).round())
    weight = inner.tc.net[0].weight
    torch.manual_seed(1)
    found = torch.autograd.grad(objective(draw).surrogate, weight, retain_graph=True)[0]
    torch.manual_seed(1)
    expected = torch.autograd.grad(inner.tc(draw.latents["z"]).fit, weight)[0]
    torch.testing.assert_close(found, expected)
    assert expected.norm() > 1e-4
