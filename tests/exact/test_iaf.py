"""Inverse autoregressive flow against autograd's Jacobian, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch.autograd.functional import jacobian

from prioria import VAE, likelihoods, nets, posteriors, priors
from prioria.distributions import factors, normal
from prioria.nets import Autoregressive
from prioria.posteriors import InverseAutoregressiveFlow

FORMS = pytest.mark.parametrize("gated", [True, False], ids=["gated", "affine"])
REVERSALS = pytest.mark.parametrize("reverse", [True, False], ids=["reversed", "in order"])


def flow(latents: int, *, steps: int = 3, gated: bool = True, reverse: bool = True) -> InverseAutoregressiveFlow:
    made = InverseAutoregressiveFlow(latents, 5, steps=steps, hidden=(11, 12), gated=gated, reverse=reverse).double()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # not near the identity
    return made


def base(latents: int, *batch: int) -> torch.distributions.Distribution:
    return normal(
        torch.randn(*batch, latents, dtype=torch.float64), torch.rand(*batch, latents, dtype=torch.float64) + 0.5
    )


@FORMS
@REVERSALS
@pytest.mark.parametrize("latents", [2, 3, 7])
def test_log_density_is_that_of_the_base_less_the_log_determinant_of_the_jacobian(
    gated: bool, reverse: bool, latents: int
) -> None:
    made, z0 = flow(latents, gated=gated, reverse=reverse), base(latents)
    q = made(z0, torch.randn(5, dtype=torch.float64))
    torch.manual_seed(1)
    z, log_q = q.rsample_and_log_prob()
    torch.manual_seed(1)
    start = z0.rsample()

    def whole(start: torch.Tensor) -> torch.Tensor:
        for step in q.steps:
            start, _ = step(start)
        return start

    torch.testing.assert_close(whole(start), z)
    _, log_det = torch.linalg.slogdet(jacobian(whole, start))
    torch.testing.assert_close(log_q, z0.log_prob(start) - log_det)


@FORMS
def test_each_step_is_triangular_before_its_reversal(gated: bool) -> None:
    (step,) = flow(6, steps=1, gated=gated)(base(6), torch.randn(5, dtype=torch.float64)).steps
    derivative = jacobian(lambda z: step(z)[0], torch.randn(6, dtype=torch.float64)).flip(0)
    torch.testing.assert_close(derivative, derivative.tril())
    assert (derivative.diagonal() > 0).all()
    assert (derivative.tril(-1).abs() > 0).sum() == 15  # every earlier entry is read


def test_outputs_of_the_first_entry_read_the_context_and_no_entry() -> None:
    net = Autoregressive(4, context=3, hidden=(8, 8))
    z, h = torch.randn(4, requires_grad=True), torch.randn(3, requires_grad=True)
    m, _ = net(z, net.read(h))
    of_z, of_h = torch.autograd.grad(m[0], (z, h))
    assert (of_z == 0).all()
    assert (of_h != 0).all()


@FORMS
def test_density_is_normalized_over_its_own_draws(gated: bool) -> None:
    """E_q[p(z) / q(z)] = 1 for any density p where q is positive; four standard errors: a false alarm in 16,000."""
    q = flow(2, gated=gated)(base(2), torch.zeros(5, dtype=torch.float64))
    z, log_q = q.rsample_and_log_prob((200_000,))
    inside = normal(z.mean(0).detach(), 0.3 * z.std(0).detach())
    ratio = (inside.log_prob(z) - log_q).exp()
    error = ratio.std() / len(ratio) ** 0.5
    assert abs(ratio.mean() - 1) < 4 * error
    assert error < 0.02


def test_open_gates_are_the_identity() -> None:
    made, z = flow(4, reverse=False), base(4, 6)
    for net in made.nets:
        torch.nn.init.zeros_(net.layers[-1].weight)
        torch.nn.init.constant_(net.layers[-1].bias, 40.0)
    torch.manual_seed(1)
    pushed, log_q = made(z, torch.zeros(5, dtype=torch.float64)).rsample_and_log_prob()
    torch.manual_seed(1)
    start = z.rsample()
    torch.testing.assert_close(pushed, start)
    torch.testing.assert_close(log_q, z.log_prob(start))


def test_flow_starts_with_its_gates_open() -> None:
    made = InverseAutoregressiveFlow(3, 5, hidden=(8,))
    for net in made.nets:
        torch.testing.assert_close(net.layers[-1].bias[3:], torch.full((3,), 2.0), atol=0.4, rtol=0)


def test_density_at_a_foreign_z_and_per_dimension_are_refused() -> None:
    q = posteriors.IAF(5, 3, hidden=(8,))(torch.zeros(4, 5))
    with pytest.raises(ValueError, match="own draws only.*posteriors.Gaussian"):
        q.log_prob(torch.zeros(4, 3))
    with pytest.raises(ValueError, match="no per-dimension marginals"):
        factors(q)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: posteriors.IAF(5, 1), "latents=1.*stays a Gaussian"),
        (lambda: posteriors.IAF(5, 3, steps=0), "steps=0"),
        (lambda: posteriors.IAF(5, 9, hidden=(8,)), r"hidden=\(8,\).*latents=9"),
        (
            lambda: priors.VampPrior(torch.nn.Identity(), posteriors.IAF(5, 3), components=2, inputs=4),
            "posterior=IAF.*invert.*RealNVP",
        ),
    ],
)
def test_what_cannot_be_is_refused_when_built(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_a_code_does_not_depend_on_the_other_rows() -> None:
    torch.manual_seed(0)
    model = VAE(
        encoder=nets.MLP(4, 5, activate_output=True),
        posterior=posteriors.IAF(5, 3, steps=2, hidden=(8,)),
        prior=priors.StandardNormal(3),
        likelihood=likelihoods.Bernoulli(nets.MLP(3, 4)),
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    x = torch.rand(6, 4)
    codes = model.encode(x)
    torch.testing.assert_close(model.encode(x[:1]), codes[:1])
    torch.testing.assert_close(model.encode(x.flip(0)), codes.flip(0))
    q = model.draw(x).latents["z"].q
    assert q is not None
    torch.manual_seed(1)
    draws = q.sample(torch.Size([4000]))
    # 64 draws: six standard errors, 2e-9 each, of 18 numbers
    assert ((codes - draws.mean(0)).abs() < 6 * draws.std(0) / 8).all()
