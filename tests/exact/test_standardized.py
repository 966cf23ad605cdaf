"""Standardized priors: closed forms, integrals, and moments that the loop sets once."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from prioria import VAE, fit, flows, likelihoods, nets, posteriors, priors
from prioria.distributions import is_bound
from prioria.objectives import ELBO, REWO
from prioria.train import Run


def test_the_density_of_a_moved_normal_is_that_of_the_normal_that_it_is() -> None:
    prior = priors.Standardized(priors.StandardNormal(3), 3)
    draws = torch.randn(50, 3) * torch.tensor([0.1, 4.0, 20.0]) + torch.tensor([5.0, -300.0, 0.0])
    prior.set(draws)
    expected = torch.distributions.Normal(draws.mean(0), draws.std(0)).log_prob(draws).sum(-1)
    torch.testing.assert_close(prior().log_prob(draws), expected, rtol=1e-5, atol=1e-4)


def test_a_moved_flow_integrates_to_one_and_keeps_its_generation_space() -> None:
    prior = priors.Standardized(priors.RealNVP(2, hidden=8), 2)
    prior.set(torch.randn(500, 2) * torch.tensor([0.5, 3.0]) + torch.tensor([10.0, -4.0]))
    x, y = torch.linspace(5, 15, 400), torch.linspace(-40, 32, 800)
    with torch.no_grad():
        density = prior().log_prob(torch.cartesian_prod(x, y)).exp().reshape(400, 800)
    assert torch.trapezoid(torch.trapezoid(density, y), x).item() == pytest.approx(1, abs=1e-3)
    z = prior().sample((20,))
    z0 = flows.to_generation(prior(), z)
    torch.testing.assert_close(flows.from_generation(prior(), z0), z, rtol=1e-4, atol=1e-4)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(z0).sum(-1)
    torch.testing.assert_close(flows.base_log_prob(prior(), z), expected)


def test_a_moved_bound_stays_a_bound() -> None:
    assert is_bound(priors.Standardized(priors.Hierarchical(2), 2)()) and not is_bound(
        priors.Standardized(priors.Mixture(2, 3), 2)()
    )


def model(prior: nn.Module) -> VAE:
    return VAE(
        encoder=nets.MLP(4, 4),
        posterior=posteriors.Gaussian(4, 2),
        prior=prior,
        likelihood=likelihoods.Gaussian(nets.MLP(2, 4), scale=0.5),
    )


@pytest.mark.filterwarnings("ignore:warmup")  # one run ends while it warms up
def test_training_sets_the_moments_once_and_a_resumed_run_has_the_same(tmp_path: Path) -> None:
    x = torch.randn(200, 2) @ torch.randn(2, 4)
    trained = model(priors.Standardized(priors.Mixture(2, 5), 2))
    run = fit(trained, ELBO(warmup="2 epochs"), x, epochs=3, seed=0, out=tmp_path / "a")
    prior = run.last().top.p
    assert not prior.awaits_draws and prior.scale.ne(1).all()
    part = fit(
        model(priors.Standardized(priors.Mixture(2, 5), 2)),
        ELBO(warmup="2 epochs"),
        x,
        epochs=1,
        seed=0,
        out=tmp_path / "b",
    )
    assert part.last().top.p.awaits_draws  # warming up
    again = Run.load(tmp_path / "a", data=run.data).last().top.p
    torch.testing.assert_close(again.scale, prior.scale, rtol=0, atol=0)


def test_moments_are_those_of_the_aggregate_posterior_when_the_initial_phase_ends() -> None:
    x = torch.randn(400, 2) @ torch.randn(2, 4)
    trained = model(priors.Standardized(priors.Mixture(2, 5), 2))
    objective = REWO(ELBO(), "rmse=0.001", initial_phase=0.5)
    seen = {}
    prior = trained.top.p
    set_moments = prior.set
    prior.set = lambda z: (seen.setdefault("phase", objective.phase), set_moments(z))
    with pytest.warns(UserWarning, match="was not met"):  # so that the phase ends in the middle, epochs after the first
        fit(trained, objective, x, epochs=6, seed=0)
    assert seen["phase"] == "main"


@pytest.mark.parametrize(("z", "message"), [(torch.ones(1, 2), "at least 2"), (torch.ones(5, 2), "does not vary")])
def test_draws_that_have_no_deviation_are_refused(z: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        priors.Standardized(priors.StandardNormal(2), 2).set(z)


def test_the_prior_has_a_learning_rate_of_its_own() -> None:
    x = torch.randn(100, 4)
    moved = {}
    for rate in (None, 1e-3, 3e-3):
        torch.manual_seed(0)
        trained = model(priors.Mixture(2, 5))
        before = trained.top.p.mean.detach().clone()
        fit(trained, ELBO(), x, epochs=1, batch_size=80, learning_rate=1e-3, prior_learning_rate=rate, seed=0)
        moved[rate] = (trained.top.p.mean - before).abs()
    # Adam's first step is the learning rate whatever the gradient is
    torch.testing.assert_close(moved[None], moved[1e-3], rtol=0, atol=0)
    assert moved[3e-3].max().item() == pytest.approx(3 * moved[1e-3].max().item(), rel=1e-3)


def test_a_learning_rate_of_a_prior_without_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match="prior_learning_rate"):
        fit(model(priors.StandardNormal(2)), ELBO(), torch.randn(50, 4), epochs=1, prior_learning_rate=1e-2)


def test_rows_of_moments_survive_saving(tmp_path: Path) -> None:
    import prioria

    made = model(priors.Standardized(priors.Mixture(2, 5), 2))
    made.top.p.set(torch.randn(50, 2) * 7)
    made.save(tmp_path)
    z = torch.randn(5, 2)
    loaded = prioria.load(tmp_path)
    torch.testing.assert_close(loaded.top.p().log_prob(z), made.top.p().log_prob(z), rtol=0, atol=0)
    assert math.isfinite(loaded.top.p().log_prob(z).sum().item())
