"""The coupling flow against autograd, quadrature and the identity; foreign flows as priors."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch.distributions import Normal

from prioria import VAE, flows, likelihoods, nets, posteriors, priors
from prioria.distributions import sample_and_log_prob


def flow(latents: int, *, scale: float = 3.0) -> priors.RealNVP:
    """A flow far from the identity, in float64."""
    prior = priors.RealNVP(latents, hidden=8).double()
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.mul_(scale)
    return prior


@pytest.mark.parametrize("latents", [1, 2, 3, 5])
def test_log_det_is_that_of_autograds_jacobian(latents: int) -> None:
    prior = flow(latents)
    for z in torch.randn(4, latents, dtype=torch.float64):
        jacobian = torch.autograd.functional.jacobian(prior.to_generation, z)
        _, expected = torch.linalg.slogdet(jacobian)
        z0 = prior.to_generation(z)
        found = prior().log_prob(z) - flows.base_log_prob(prior(), z)
        torch.testing.assert_close(found, expected)
        assert found.abs() > 1e-2
        base = torch.distributions.MultivariateNormal(torch.zeros(latents).double(), torch.eye(latents).double())
        torch.testing.assert_close(prior().log_prob(z), base.log_prob(z0) + expected)


@pytest.mark.parametrize("latents", [1, 2, 5])
def test_generation_space_and_back(latents: int) -> None:
    prior = flow(latents)
    z = 3 * torch.randn(3, 4, latents, dtype=torch.float64)
    torch.testing.assert_close(prior.from_generation(prior.to_generation(z)), z)
    torch.testing.assert_close(prior.to_generation(prior.from_generation(z)), z)
    assert (prior.to_generation(z) - z).abs().mean() > 0.1


def test_each_block_keeps_one_half_and_moves_the_other() -> None:
    first, second = flow(5).blocks[0], flow(5).blocks[1]
    z = torch.randn(4, 5, dtype=torch.float64)
    assert torch.equal(first()(z)[:, :2], z[:, :2]) and not torch.isclose(first()(z)[:, 2:], z[:, 2:]).any()
    assert torch.equal(second()(z)[:, 2:], z[:, 2:]) and not torch.isclose(second()(z)[:, :2], z[:, :2]).any()


def test_scale_and_shift_are_bounded_by_tanh() -> None:
    s, t = flow(4, scale=100.0).blocks[0].scale_and_shift(torch.randn(100, 4, dtype=torch.float64))
    assert s.abs().max() <= 1 and t.abs().max() <= 1 and s.abs().max() > 0.9


def test_zero_networks_are_the_identity() -> None:
    prior = flow(3, scale=0.0)
    z = torch.randn(7, 3, dtype=torch.float64)
    assert torch.equal(prior.to_generation(z), z)
    torch.testing.assert_close(prior().log_prob(z), Normal(0.0, 1.0).log_prob(z).sum(-1))


def test_samples_carry_gradients_through_the_inverse() -> None:
    prior = flow(2)
    torch.manual_seed(1)
    prior().rsample(torch.Size([6])).square().sum().backward()
    weight = prior.blocks[2].shift.layers[0].weight
    found = weight.grad[0, 0].item()
    values = []
    for step in (1e-6, -1e-6):
        with torch.no_grad():
            weight[0, 0] += step
            torch.manual_seed(1)
            values.append(prior().rsample(torch.Size([6])).square().sum())
            weight[0, 0] -= step
    assert found == pytest.approx((values[0] - values[1]).item() / 2e-6, rel=1e-5)
    assert found != 0


def test_sample_and_density_of_one_pass_agree() -> None:
    prior = flow(3)
    z, log_p = sample_and_log_prob(prior(), (4, 5))
    assert z.shape == (4, 5, 3) and log_p.shape == (4, 5)
    torch.testing.assert_close(prior().log_prob(z), log_p)


def test_a_prior_without_a_generation_space_is_refused() -> None:
    with pytest.raises(ValueError, match="generation space; use priors.RealNVP"):
        flows.to_generation(priors.Mixture(2, 3)(), torch.zeros(1, 2))


def test_any_zuko_flow_is_a_prior_as_it_is() -> None:
    zuko = pytest.importorskip("zuko")
    foreign = zuko.flows.NSF(2, transforms=2, hidden_features=(8,))
    model = VAE(
        encoder=nets.GatedMLP(6, 7, gated_output=True),
        posterior=posteriors.Gaussian(7, 2),
        prior=foreign,
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, 6)),
    )
    draw = model.draw(torch.rand(5, 6).round(), num_samples=3)
    torch.testing.assert_close(draw.latents["z"].log_p, foreign().log_prob(draw.z["z"]))
    draw.log_w.mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in foreign.parameters())
    assert model.generate(4).z["z"].shape == (1, 4, 2)
    z = torch.randn(4, 2)
    torch.testing.assert_close(
        flows.from_generation(foreign(), flows.to_generation(foreign(), z)), z, atol=1e-4, rtol=1e-4
    )


def test_networks_run_once_for_a_density_and_once_for_a_draw_with_its_density() -> None:
    prior, runs = flow(3), []
    for block in prior.blocks:
        block.scale.register_forward_hook(lambda *_: runs.append(1))
    prior().log_prob(torch.randn(4, 3, dtype=torch.float64))
    assert len(runs) == len(prior.blocks)
    sample_and_log_prob(prior(), (4,))
    assert len(runs) == 2 * len(prior.blocks)


def test_the_determinant_is_of_the_values_that_are_given_not_of_those_before() -> None:
    coupling = flow(3).blocks[0]()
    x, other = torch.randn(2, 4, 3, dtype=torch.float64)
    y, after = coupling(x), coupling(other)
    fresh = flow(3).blocks[0]
    fresh.load_state_dict(coupling.scale_and_shift.__self__.state_dict())
    for pair in ((x, y), (other, after)):
        expected = fresh.scale_and_shift(pair[0])[0].sum(-1)
        torch.testing.assert_close(coupling.log_abs_det_jacobian(*pair), expected)
    assert not torch.isclose(coupling.log_abs_det_jacobian(x, y), coupling.log_abs_det_jacobian(other, after)).any()


@pytest.mark.slow
def test_validation_of_torchs_distributions_stays_on() -> None:
    code = (
        "import torch; from torch.distributions import Distribution, Normal\n"
        "before = (Distribution._validate_args, Distribution.__dict__['arg_constraints'])\n"
        "import prioria, sys\n"
        "for name in prioria.__all__: getattr(prioria, name)\n"
        "prioria.priors.RealNVP(2)().sample(); assert 'zuko' not in sys.modules\n"
        "assert (Distribution._validate_args, Distribution.__dict__['arg_constraints']) == before\n"
        "try: Normal(0.0, -1.0)\n"
        "except ValueError: print('refused')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "refused"


def test_generation_space_of_feature_maps_is_that_of_their_values() -> None:
    mean, scale = torch.randn(2, 3, 4), torch.rand(2, 3, 4) + 0.5
    prior = torch.distributions.Independent(torch.distributions.Normal(mean, scale), 3)
    z = torch.randn(5, 24)
    z0 = flows.to_generation(prior, z)
    torch.testing.assert_close(z0, (z - mean.flatten()) / scale.flatten())
    torch.testing.assert_close(flows.from_generation(prior, z0), z)
