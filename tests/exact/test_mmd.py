"""The maximum mean discrepancy against closed forms and sums over pairs."""

from __future__ import annotations

import math

import pytest
import torch

from prioria import VAE, likelihoods, nets, objectives, posteriors, priors
from prioria.objectives.mmd import mmd

KERNELS = {
    "rbf": (objectives.RBF(), lambda d2, latents: math.exp(-d2 / latents**2)),
    "rbf-widths": (
        objectives.RBF((0.5, 2.0)),
        lambda d2, latents: (math.exp(-d2 / 0.5) + math.exp(-d2 / 8)) / 2,
    ),
    "imq": (
        objectives.InverseMultiquadratic((1.0, 3.0)),
        lambda d2, n: (2 * n / (2 * n + d2) + 6 * n / (6 * n + d2)) / 2,
    ),
    "rq": (objectives.RationalQuadratic(2.0, power=0.5), lambda d2, latents: (1 + d2 / 4) ** -0.5),
}


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("unbiased", [False, True])
def test_is_its_sum_over_pairs(name: str, unbiased: bool) -> None:
    kernel, by_hand = KERNELS[name]
    a, b = 3 + torch.randn(4, 3, dtype=torch.float64), 3 + 2 * torch.randn(5, 3, dtype=torch.float64)

    def mean(u, v, same=False):
        pairs = [
            by_hand((u[i] - v[j]).square().sum().item(), 3)
            for i in range(len(u))
            for j in range(len(v))
            if not (same and unbiased and i == j)
        ]
        return sum(pairs) / len(pairs)

    expected = mean(a, a, same=True) + mean(b, b, same=True) - 2 * mean(a, b)
    assert mmd(a, b, kernel, unbiased=unbiased).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", KERNELS)
def test_nothing_between_a_sample_and_itself_in_another_order(name: str) -> None:
    kernel, a = KERNELS[name][0], torch.randn(50, 3, dtype=torch.float64)
    assert mmd(a, a[torch.randperm(50)], kernel, unbiased=False).item() == pytest.approx(0.0, abs=1e-12)
    b = torch.randn(40, 3, dtype=torch.float64) + 0.1
    assert mmd(a, b, kernel, unbiased=False) >= 0
    torch.testing.assert_close(mmd(a, b, kernel, unbiased=False), mmd(a[torch.randperm(50)], b, kernel, unbiased=False))


@pytest.mark.slow
def test_expectation_between_two_normals() -> None:
    # E exp(-|a-b|^2/(2 w^2)) for a ~ N(m, s^2 I), b ~ N(0, I) is (w^2/(w^2+s^2+1))^(L/2) exp(-|m|^2/(2 (w^2+s^2+1))).
    latents, width, shift, scale, count, repeats = 2, 1.3, 0.8, 0.6, 100, 400

    def expected(mean_square: float, variance: float) -> float:
        total = width**2 + variance
        return (width**2 / total) ** (latents / 2) * math.exp(-mean_square / (2 * total))

    truth = expected(0, 2 * scale**2) + expected(0, 2.0) - 2 * expected(latents * shift**2, 1 + scale**2)
    values = torch.stack(
        [
            mmd(
                shift + scale * torch.randn(count, latents),
                torch.randn(count, latents),
                objectives.RBF((width,)),
                unbiased=True,
            )
            for _ in range(repeats)
        ]
    )
    # unbiased: five standard errors, false alarm 6e-7
    assert abs(values.mean().item() - truth) < 5 * values.std().item() / math.sqrt(repeats)


def model(prior) -> VAE:
    return VAE(
        encoder=nets.GatedMLP(6, 7, gated_output=True),
        posterior=posteriors.Gaussian(7, 3),
        prior=prior,
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(3, 8, 6)),
    )


def test_objective_is_its_formula_and_reaches_the_flow_through_its_samples() -> None:
    vae = model(priors.RealNVP(3, hidden=8))
    objective = objectives.InfoVAE(alpha=0.3, weight=50.0)
    objective.check(vae, range(10))
    draw = vae.draw(torch.rand(20, 6).round())
    torch.manual_seed(3)
    loss = objective(draw)
    torch.manual_seed(3)
    discrepancy = mmd(draw.z["z"][0], vae.stages["z"].p().rsample((20,)), objectives.RBF(), unbiased=False)
    by_hand = draw.distortion.mean() + 0.7 * draw.rate.mean() + (0.3 + 50 - 1) * discrepancy
    torch.testing.assert_close(loss.value, by_hand)
    torch.testing.assert_close(loss.per_example.mean(), (draw.distortion + 0.7 * draw.rate).mean().detach())
    gradient = torch.autograd.grad(discrepancy, vae.stages["z"].p.blocks[0].scale.layers[0].weight)[0]
    assert gradient.abs().sum() > 0


def test_alpha_one_and_weight_zero_is_the_distortion() -> None:
    vae = model(priors.Mixture(3, 4))
    draw = vae.draw(torch.rand(20, 6).round())
    torch.testing.assert_close(objectives.InfoVAE(alpha=1.0, weight=0.0)(draw).value, draw.distortion.mean())


@pytest.mark.parametrize("spread", [1.0, 10.0])
def test_half_precision_of_the_networks_does_not_reach_it(spread: float) -> None:
    a, b = spread * torch.randn(100, 2), torch.randn(100, 2)
    exact = mmd(a.double(), b.double(), objectives.RBF(), unbiased=False).item()
    with torch.autocast("cpu", torch.bfloat16):
        found = mmd(a, b, objectives.RBF(), unbiased=False).item()
    assert found == pytest.approx(exact, abs=1e-6)


def test_a_prior_that_nothing_would_train_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha=1 leaves out the rate, and draws of Mixture have no gradient"):
        objectives.InfoVAE(alpha=1.0).check(model(priors.Mixture(3, 4)))
    objectives.InfoVAE(alpha=0.5).check(model(priors.Mixture(3, 4)))
    objectives.InfoVAE(alpha=1.0).check(model(priors.RealNVP(3, hidden=8)))
    objectives.InfoVAE(alpha=1.0).check(model(priors.StandardNormal(3)))


def test_refusals() -> None:
    with pytest.raises(ValueError, match="alpha=1.5 weighs the rate by 1 - alpha.*use alpha <= 1"):
        objectives.InfoVAE(alpha=1.5)
    with pytest.raises(ValueError, match="add up to 1"):
        objectives.InfoVAE(alpha=0.0, weight=0.5)
    with pytest.raises(ValueError, match="unbiased=True"):
        mmd(torch.zeros(1, 2), torch.zeros(3, 2), objectives.RBF(), unbiased=True)
    with pytest.raises(ValueError, match="num_samples=2"):
        objectives.InfoVAE()(model(priors.StandardNormal(3)).draw(torch.rand(4, 6).round(), num_samples=2))
