"""GECO and REWO against the published table, scipy's densities and torch's own gradients."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from torch import Tensor, nn

from prioria import VAE, likelihoods, nets, objectives, posteriors, priors, stages
from prioria.module import describe
from prioria.objectives import GECO, REWO, Progress, geco_update, rewo_update
from prioria.rebuilding import rebuild

INPUTS, LATENTS = 6, 2

# Delta beta for nu = 1, tau = 3: beta, REWO at these delta, GECO at the first two of them.
DELTAS = (-1.0, -0.5, -0.1, 0.1, 0.5, 1.0)
TABLE = [
    (0.1, 0.169395, 0.064132, 0.010418, -0.009516, -0.039347, -0.063212, 0.171828, 0.064872),
    (0.5, 0.736149, 0.286177, 0.047369, -0.047581, -0.196735, -0.316060, 0.859141, 0.324361),
    (0.9, 0.304365, 0.141119, 0.026604, -0.085646, -0.354122, -0.568909, 1.546454, 0.583849),
    (1.0, 0.0, 0.0, 0.0, -0.095163, -0.393469, -0.632121, 1.718282, 0.648721),
    (1.5, -0.893277, -0.546017, -0.129809, -0.142744, -0.590204, -0.948181, 2.577423, 0.973082),
    (2.0, -1.260594, -0.783936, -0.189430, -0.190325, -0.786939, -1.264241, 3.436564, 1.297443),
]


def double(number: float) -> Tensor:
    return torch.tensor(number, dtype=torch.float64)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"beta={row[0]}")
def test_updates_take_the_values_of_the_table(row: tuple[float, ...]) -> None:
    beta, expected = double(row[0]), row[1:]
    moves = [rewo_update(beta, double(delta), nu=1.0, tau=3.0) - beta for delta in DELTAS]
    moves += [geco_update(beta, double(delta), nu=1.0) - beta for delta in DELTAS[:2]]
    assert [move.item() for move in moves] == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize("start", [1e-3, 0.5, 5.0])
def test_beta_is_drawn_to_one_while_the_constraint_is_met(start: float) -> None:
    beta = geco = double(start)
    for _ in range(1500):
        beta, geco = rewo_update(beta, -0.01), geco_update(geco, -0.01)
    assert beta.item() == pytest.approx(1.0, abs=1e-6)
    assert geco.item() > 1000


def model_with(likelihood: nn.Module | None = None, prior: nn.Module | None = None) -> VAE:
    return VAE(
        encoder=nets.GatedMLP(INPUTS, 8, gated_output=True),
        posterior=posteriors.Gaussian(8, LATENTS),
        prior=prior or priors.Hierarchical(LATENTS, 2, num_samples=3),
        likelihood=likelihood or likelihoods.Gaussian(nets.MLP(LATENTS, 8, INPUTS), scale=0.4),
    )


@pytest.mark.parametrize("inner", [objectives.ELBO(), objectives.ELBO(free_bits=50.0), objectives.ELBO(num_samples=4)])
def test_loss_and_gradient_are_those_of_the_lagrangian(inner: objectives.ELBO) -> None:
    model, objective = model_with(), GECO(inner, "rmse=0.1", beta=0.3)
    draw = model.draw(torch.rand(5, INPUTS), num_samples=inner.num_samples)
    distortion, rate = -draw.log_px.mean(), sum(group.log_q - group.log_p for group in draw.latents.values()).mean()
    # the rate of a few draws may be negative, and without free bits it counts as it is
    expected = distortion + 0.3 * (rate.clamp(min=inner.free_bits) if inner.free_bits else rate)
    loss = objective(draw)
    torch.testing.assert_close(loss.value, expected)
    parameters = [p for p in model.parameters() if p.requires_grad]
    ours = torch.autograd.grad(loss.surrogate, parameters, retain_graph=True, allow_unused=True)
    theirs = torch.autograd.grad(expected, parameters, allow_unused=True)
    for a, b in zip(ours, theirs, strict=True):
        zero = torch.zeros(())
        torch.testing.assert_close(zero if a is None else a, zero.expand_as(a) if b is None and a is not None else b)


def test_bound_that_selects_the_best_weights_does_not_know_beta() -> None:
    draw = model_with().draw(torch.rand(5, INPUTS))
    for beta in (0.01, 7.0):
        torch.testing.assert_close(GECO(objectives.ELBO(), "nats=3", beta=beta)(draw).per_example, -draw.log_w.mean(0))


def told(constraint: float, excess: float | None = None) -> dict[str, Tensor]:
    return {"constraint": torch.tensor(constraint), "excess": torch.tensor(constraint if excess is None else excess)}


def test_average_and_not_the_batch_ends_the_initial_phase_and_it_never_returns() -> None:
    objective = REWO(objectives.ELBO(), "nats-per-dim=1", average=0.5, step_bounds=None)
    for _ in range(12):  # the average starts at the first batch, and its decay has reached 0.5 by then
        objective.update(told(3.0, 2.0))
    objective.update(told(0.5, -0.5))  # a batch below the target, an average above: (2 - 0.5) / 2
    assert objective.phase == "initial"
    assert not objective.settled(Progress(step=2, epoch=0))
    assert objective.excess.item() == pytest.approx(0.75)
    assert objective.constraint.item() == pytest.approx(1.75)
    objective.update(told(0.0, -1.0))
    assert objective.phase == "main"
    assert objective.settled(Progress(step=3, epoch=0))
    assert objective.beta.item() == pytest.approx(1e-3)  # it moves from the next step on
    objective.update(told(9.0, 8.0))
    assert objective.phase == "main"
    assert objective.beta.item() == pytest.approx(1e-3 * math.exp(-(8.0 - 0.125) / 2), rel=1e-4)


def test_beta_moves_every_so_many_steps_within_bounds() -> None:
    objective = GECO(objectives.ELBO(), "nats-per-dim=1", every=3, step_bounds=(0.9, 1.05), average=0.0)
    betas = []
    for excess in (-1.0, -1.0, -1.0, 1.0, 1.0, 1.0):
        objective.update(told(excess))
        betas.append(objective.beta.item())
    assert betas == pytest.approx([1, 1, 1.05, 1.05, 1.05, 1.05 * 0.9])


def test_target_out_of_reach_leaves_a_multiplier_that_can_return() -> None:
    objective = GECO(objectives.ELBO(), "nats-per-dim=1", average=0.0, step_bounds=None)
    for _ in range(50):
        objective.update(told(500.0))
    assert 0 < objective.beta.item() < 1e-6
    for _ in range(50):
        objective.update(told(-500.0))
    assert 1e5 < objective.beta.item() < math.inf


def test_initial_phase_is_capped_with_a_warning() -> None:
    objective = REWO(objectives.ELBO(), "rmse=0.05")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in range(9):
            objective.update(told(0.0066, 1.0), Progress(step=step, epoch=0, total_steps=40))
    with pytest.warns(UserWarning, match=r"rmse=0.05 was not met in the first 25%.*RMSE 0.08124"):
        objective.update(told(0.0066, 1.0), Progress(step=9, epoch=0, total_steps=40))
    assert objective.phase == "main"


def names_of(model: VAE, parameters: set[nn.Parameter]) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter in parameters}


def test_initial_phase_holds_what_the_prior_alone_owns() -> None:
    model, objective = model_with(), REWO(objectives.ELBO(), "rmse=0.1")
    held = names_of(model, objective.frozen(model))
    assert held == {name for name, _ in model.named_parameters() if name.startswith("stages.z.p.")}
    assert any("decoder" in name for name in held) and any("encoder" in name for name in held)
    objective.main.fill_(True)
    assert objective.frozen(model) == set()
    assert GECO(objectives.ELBO(), "rmse=0.1").frozen(model) == set()


def test_initial_phase_holds_pseudo_inputs_and_not_the_encoder_they_share() -> None:
    encoder, posterior = nets.GatedMLP(INPUTS, 8, gated_output=True), posteriors.Gaussian(8, LATENTS)
    vamp = priors.VampPrior(encoder, posterior, components=3, inputs=INPUTS)
    decoder = likelihoods.Gaussian(nets.MLP(LATENTS, 8, INPUTS))
    model = VAE(encoder=encoder, posterior=posterior, prior=vamp, likelihood=decoder)
    assert names_of(model, REWO(objectives.ELBO(), "rmse=0.1").frozen(model)) == {"stages.z.p.pseudo_inputs"}


def test_initial_phase_of_two_levels_holds_the_top_prior_only() -> None:
    top, bottom = nets.GatedMLP(INPUTS, 8, gated_output=True), nets.GatedMLP(INPUTS, 5, gated_output=True)
    levels = stages.TwoLevel(
        prior=priors.Hierarchical(LATENTS, 2),
        posterior=posteriors.Gaussian(8, LATENTS),
        features=5,
        latents=(LATENTS, 3),
        hidden=9,
    )
    decoder = likelihoods.Gaussian(nets.MLP(LATENTS + 3, 8, INPUTS))
    model = VAE(encoder={"z2": top, "z1": bottom}, stages=levels, likelihood=decoder)
    held = names_of(model, REWO(objectives.ELBO(), "rmse=0.1").frozen(model))
    assert held and all(name.startswith("stages.z2.p.") for name in held)


def test_phases_are_refused_where_the_prior_has_nothing_to_hold() -> None:
    model = model_with(prior=priors.StandardNormal(LATENTS))
    with pytest.raises(ValueError, match="GECO.*Hierarchical"):
        REWO(objectives.ELBO(), "rmse=0.1").check(model)
    GECO(objectives.ELBO(), "rmse=0.1").check(model)


def test_gradient_passes_through_the_held_prior_to_the_posterior() -> None:
    model, objective = model_with(), REWO(objectives.ELBO(), "rmse=0.1", beta=0.5)
    draw = model.draw(torch.rand(5, INPUTS))
    whole = torch.autograd.grad(objective(draw).surrogate, list(model.encoder.parameters()), retain_graph=True)
    latent = draw.latents["z"]
    without_prior = torch.autograd.grad(
        -draw.log_px.mean() + 0.5 * latent.log_q.mean(), list(model.encoder.parameters()), retain_graph=True
    )
    assert any(not torch.allclose(a, b) for a, b in zip(whole, without_prior, strict=True))


def test_double_loop_takes_turns() -> None:
    model = model_with()
    objective = REWO(
        objectives.ELBO(), "nats-per-dim=1", schedule="double-loop", period=2, beta=0.5, average=0.0, step_bounds=None
    )
    prior = {parameter for name, parameter in model.named_parameters() if name.startswith("stages.z.p.")}
    rest = set(model.parameters()) - prior
    held, betas = [], []
    for _ in range(6):
        held.append(objective.frozen(model))
        objective.update(told(1.0))
        betas.append(objective.beta.item())
    assert held == [rest, rest, prior, prior, rest, rest]
    falling = [0.5 * math.exp(-1), 0.5 * math.exp(-2)]
    assert betas == pytest.approx([0.5, 0.5, *falling, falling[1], falling[1]])


def test_state_and_construction_survive_saving() -> None:
    objective = REWO(objectives.ELBO(num_samples=2), "psnr=26", nu=0.5, average=0.9)
    for excess in (2.0, -30.0, -1.0):
        objective.update(told(excess))
    again = rebuild(describe(objective))
    again.load_state_dict(objective.state_dict())
    for each in (objective, again):
        each.update(told(0.3))
    assert again.num_samples == 2
    assert again.status() == objective.status()
    assert set(again.status()) == {"beta", "psnr", "target", "phase"}
    assert again.phase == "main"
    assert torch.equal(again.excess, objective.excess) and torch.equal(again.beta, objective.beta)


def test_verdict_names_the_best_and_what_was_asked() -> None:
    objective = REWO(objectives.ELBO(), "rmse=0.05")
    missed, met = told(0.081**2), told(0.049**2)
    assert objective.verdict(missed) == "target not met: best RMSE 0.081, asked 0.05"
    assert objective.verdict(met) == "target met: RMSE 0.049, asked 0.05"
    assert objective.violation(missed) == pytest.approx(0.081**2 - 0.05**2)
    assert objective.violation(met) == 0.0


def test_average_forgets_a_bad_start_quickly() -> None:
    objective, expected = GECO(objectives.ELBO(), "nats-per-dim=1"), 50.0
    for step, cost in enumerate([50.0, *[2.0] * 60]):
        objective.update(told(cost))
        decay = min(0.99, (1 + step) / (10 + step))
        expected = cost if step == 0 else decay * expected + (1 - decay) * cost
    assert objective.constraint.item() == pytest.approx(expected, rel=1e-4)
    assert expected - 2 < 1e-4
