"""FactorVAE: what a discriminator is fitted to, and the total correlation that it finds."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from prioria import objectives
from prioria.distributions import normal
from prioria.draw import Latent
from tests.exact.test_total_correlation import model


def test_factor_vae_is_its_formula_and_fits_its_discriminator_alone() -> None:
    vae, objective = model(), objectives.FactorVAE(gamma=7.0, latents=3, hidden=16)
    objective.check(vae, range(100))
    draw = vae.draw(torch.rand(32, 6).round())
    z, net = draw.z["z"][0], objective.tc.net
    logits = net(z)
    torch.manual_seed(4)
    loss = objective(draw)
    torch.testing.assert_close(loss.value, -draw.log_w.mean() + 7 * (logits[:, 0] - logits[:, 1]).mean())

    torch.manual_seed(4)
    permuted = z.gather(0, torch.rand_like(z).argsort(0)).detach()
    cross_entropy = (
        F.cross_entropy(net(z.detach()), torch.zeros(32).long()) + F.cross_entropy(net(permuted), torch.ones(32).long())
    ) / 2
    of_fit = torch.autograd.grad(cross_entropy, list(net.parameters()))
    of_model = torch.autograd.grad(loss.value, list(vae.parameters()), retain_graph=True)
    loss.surrogate.backward()
    for parameter, expected in zip(net.parameters(), of_fit, strict=True):
        torch.testing.assert_close(parameter.grad, expected)
    for parameter, expected in zip(vae.parameters(), of_model, strict=True):
        torch.testing.assert_close(parameter.grad, expected)
    assert objective.rates.learning_rate == 1e-4 and objective.rates.betas == (0.5, 0.9)


def test_factor_vae_equals_beta_tc_with_a_density_ratio() -> None:
    vae = model()
    factor = objectives.FactorVAE(gamma=7.0, latents=3, hidden=16)
    beta = objectives.BetaTC(beta=8.0, tc=objectives.DensityRatio(3, hidden=16))
    beta.load_state_dict(factor.state_dict())
    draw = vae.draw(torch.rand(32, 6).round())
    losses = []
    for objective in (factor, beta):
        torch.manual_seed(2)
        loss = objective(draw)
        gradient = torch.autograd.grad(loss.surrogate, list(vae.parameters()), retain_graph=True)
        losses.append((loss.value, loss.surrogate, *gradient))
    assert all(torch.equal(a, b) for a, b in zip(*losses, strict=True))


def test_discriminator_has_the_papers_shape() -> None:
    net = objectives.DensityRatio(10).net
    assert [tuple(p.shape) for p in net.parameters() if p.dim() == 2] == [(1000, 10), *[(1000, 1000)] * 4, (2, 1000)]
    assert [m.negative_slope for m in net if isinstance(m, torch.nn.LeakyReLU)] == [0.2] * 5


def test_density_ratio_finds_the_total_correlation_of_a_gaussian() -> None:
    # q(z) correlated with rho = 0.9: TC = -log(1 - rho^2) / 2 = 0.830; the fitted ratio comes within 0.1.
    torch.manual_seed(0)
    ratio, rho = objectives.DensityRatio(2, hidden=64, layers=2), 0.9
    optimizer = torch.optim.Adam(ratio.parameters(), 1e-3)

    def latent(count: int) -> Latent:
        noise = torch.randn(1, count, 2)
        z = torch.stack([noise[..., 0], rho * noise[..., 0] + math.sqrt(1 - rho**2) * noise[..., 1]], -1)
        return Latent(z=z, log_q=None, log_p=z.sum(-1), q=normal(z[0], torch.ones(2)), p=normal(z[0], torch.ones(2)))

    for _ in range(400):
        optimizer.zero_grad()
        ratio(latent(512)).fit.backward()
        optimizer.step()
    with torch.no_grad():
        found = ratio(latent(20_000)).total_correlation.mean().item()
    assert found == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.1)
