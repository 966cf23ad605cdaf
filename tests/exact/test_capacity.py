"""beta-VAE-B: its value, its schedule, and who feels which side of the capacity."""

from __future__ import annotations

import math

import pytest
import torch

from prioria import VAE, likelihoods, nets, objectives, posteriors, priors, stages
from prioria.objectives import Progress

GAMMA = 7.0


def model(prior=None) -> VAE:
    torch.manual_seed(0)
    return VAE(
        encoder=nets.GatedMLP(6, 7, gated_output=True),
        posterior=posteriors.Gaussian(7, 2),
        prior=priors.RealNVP(2, hidden=8) if prior is None else prior,
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, 6)),
    )


def gradients(vae: VAE, capacity: float, **options) -> dict[str, torch.Tensor]:
    objective = objectives.Capacity(capacity, GAMMA, warmup=None, **options)
    objective.check(vae, range(10**9))
    vae.zero_grad()
    objective(drawn(vae)).surrogate.backward()
    return {name: parameter.grad.clone() for name, parameter in vae.named_parameters()}


def drawn(vae: VAE):
    torch.manual_seed(5)
    return vae.draw(torch.bernoulli(torch.full((16, 6), 0.5)))


def expected(vae: VAE, sign: float) -> dict[str, torch.Tensor]:
    """Gradients by hand: distortion + sign gamma rate for encoder and decoder, gamma (-log p) for the prior."""
    draw = drawn(vae)
    mine = {name: p for name, p in vae.named_parameters() if ".p." in name}
    others = {name: p for name, p in vae.named_parameters() if ".p." not in name}
    felt = draw.distortion.mean() + sign * GAMMA * draw.rate.mean()
    of_others = torch.autograd.grad(felt, list(others.values()))
    fit = -GAMMA * vae.stages["z"].p().log_prob(draw.z["z"].detach()).mean()
    of_prior = torch.autograd.grad(fit, list(mine.values()))
    return dict(zip([*others, *mine], [*of_others, *of_prior], strict=True))


@pytest.mark.parametrize(("capacity", "sign"), [(10.0, -1.0), (0.0, 1.0)])
def test_encoder_feels_the_side_and_the_prior_always_fits(capacity: float, sign: float) -> None:
    vae = model()
    rate = drawn(vae).rate.mean().item()
    assert 0 < rate < 10
    found, by_hand = gradients(vae, capacity), expected(vae, sign)
    assert set(found) == set(by_hand)
    for name, gradient in by_hand.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5, msg=name)


def test_as_released_trains_the_prior_to_be_worse_below_the_capacity() -> None:
    vae = model()
    found, by_hand = gradients(vae, 10.0 * 16, as_released=True), expected(vae, -1.0)
    name = "stages.z.p.blocks.0.shift.layers.4.bias"
    torch.testing.assert_close(found[name], -by_hand[name], rtol=1e-4, atol=1e-5)


def test_prior_of_a_lower_group_is_fitted_without_pressing_the_posterior_above() -> None:
    from tests.contract.variants import INPUTS, two_level

    vae = two_level()
    objective = objectives.Capacity(5000.0, GAMMA, warmup=None)  # beyond the rate of any weights that are drawn
    objective.check(vae)
    torch.manual_seed(1)
    draw = vae.draw(torch.bernoulli(torch.full((16, INPUTS), 0.5)))
    objective(draw).surrogate.backward(retain_graph=True)
    own = list(vae.stages["z1"].p.parameters())
    again = draw.latents["z1"].p
    fit = torch.autograd.grad(-GAMMA * again.log_prob(draw.z["z1"].detach()).mean(), own, retain_graph=True)
    for parameter, gradient in zip(own, fit, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-4)
    rest = list(vae.stages["z2"].q.parameters())
    felt = torch.autograd.grad(draw.distortion.mean() - GAMMA * draw.rate.mean(), rest)
    for parameter, gradient in zip(rest, felt, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-4)


class Unfused(stages.Fused):
    """A group whose posterior does not look at its prior, so that its gates reach log p(z) alone."""

    def posterior(self, features, above, prior):
        return self.q(features)


def test_gates_on_the_parents_fit_the_prior_below_the_capacity() -> None:
    torch.manual_seed(0)
    gates = stages.Gates([2], per_example=True)
    gates.set_temperature(1.0)
    below = Unfused(priors.Gaussian(2, 3), posteriors.Gaussian(7, 3), parents="all", gates=gates)
    vae = VAE(
        encoder=nets.GatedMLP(6, 7, gated_output=True),
        stages={"z2": stages.Fused(priors.StandardNormal(2), posteriors.Gaussian(7, 2)), "z1": below},
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(5, 8, 6)),
    )
    objective = objectives.Capacity(50.0, GAMMA, warmup=None)
    objective.check(vae)
    draw = drawn(vae)
    objective(draw).surrogate.backward(retain_graph=True)
    fit = -GAMMA * draw.latents["z1"].p.log_prob(draw.z["z1"].detach()).mean()
    (expected,) = torch.autograd.grad(fit, gates.logits)
    assert expected.abs().item() > 1e-3
    torch.testing.assert_close(gates.logits.grad, expected, rtol=1e-4, atol=1e-5)


def test_value_and_schedule() -> None:
    vae = model(priors.StandardNormal(2))
    draw = drawn(vae)
    rate, distortion = draw.rate.mean(), draw.distortion.mean()
    objective = objectives.Capacity(4.0, GAMMA, warmup="100 steps")
    objective.check(vae)
    for step, capacity in ((0, 0.04), (24, 1.0), (99, 4.0), (500, 4.0), (None, 4.0)):
        loss = objective(draw, None if step is None else Progress(step=step, epoch=0))
        torch.testing.assert_close(loss.value, distortion + GAMMA * (rate - capacity).abs())
        torch.testing.assert_close(loss.per_example.mean(), loss.value.detach())
    assert objective.settled(Progress(step=100, epoch=0)) and not objective.settled(Progress(step=99, epoch=0))


def test_as_released_compares_the_batch_sum() -> None:
    draw = drawn(model(priors.StandardNormal(2)))
    loss = objectives.Capacity(25.0, GAMMA, warmup=None, as_released=True)(draw)
    summed = draw.distortion.sum() + GAMMA * (draw.rate.sum() - 25.0).abs()
    torch.testing.assert_close(loss.value, summed / 16)


def test_refusals() -> None:
    vae = model()
    with pytest.raises(ValueError, match=r"capacity=25.0 exceeds ln N = 6.9 nats.*1000 training examples"):
        objectives.Capacity(25.0).check(vae, range(1000))
    objectives.Capacity(math.log(1000) - 1e-9).check(vae, range(1000))
    objectives.Capacity(25.0, as_released=True).check(vae, range(1000))
    with pytest.raises(ValueError, match="call check"):
        objectives.Capacity(25.0, warmup=None)(drawn(vae))
    of_another = objectives.Capacity(25.0, warmup=None)
    of_another.check(vae)
    with pytest.raises(ValueError, match="with the model that is trained"):
        of_another(drawn(model()))
    with pytest.raises(ValueError, match="a capacity"):
        objectives.GECO(objectives.Capacity(5.0), target="nats=3")
    with pytest.raises(ValueError, match="capacity=-1.0"):
        objectives.Capacity(-1.0)
