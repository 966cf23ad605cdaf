"""Active units of models in which what is active is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from prioria import VAE, evaluate, likelihoods, posteriors, priors
from prioria.stage import Stage
from tests.contract.variants import INPUTS, MODELS


class Constant(nn.Module):
    """A decoder that does not look at z."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.zeros(*z.shape[:-1], 3)


def gaussian(weights: list[list[float]], variance: float) -> posteriors.Gaussian:
    """N(W c, variance I)."""
    head = posteriors.Gaussian(len(weights[0]), len(weights))
    with torch.no_grad():
        head.heads.weight.copy_(torch.cat([torch.tensor(weights), torch.zeros(len(weights), len(weights[0]))]))
        head.heads.bias.copy_(
            torch.tensor([0.0] * len(weights) + [variance] * len(weights)).log().nan_to_num(neginf=0.0)
        )
    return head


def model(posterior: nn.Module) -> VAE:
    return VAE(
        encoder=nn.Identity(),
        posterior=posterior,
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Gaussian(Constant()),
    )


def test_variance_of_the_mean_is_that_of_the_data() -> None:
    x = torch.randn(300, 3)
    units = evaluate.active_units(model(gaussian([[0.3, 0.0, 0.0], [0.0, 0.05, 0.0]], variance=0.5)), x)
    expected = torch.stack([0.3 * x[:, 0], 0.05 * x[:, 1]]).double().var(1)
    torch.testing.assert_close(units.variances["z"], expected, rtol=1e-5, atol=1e-9)
    assert units.counts == {"z": 1}
    assert str(units) == "1 of 2 in z"
    assert evaluate.active_units(model(gaussian([[0.0] * 3] * 2, variance=1.0)), x).counts == {"z": 0}


def test_dead_decoder_leaves_no_unit_active_after_training() -> None:
    # The optimum of the bound is the prior, where KL = 0 and the bound is the constant log p(x).
    trained = model(posteriors.Gaussian(3, 2))
    x = torch.randn(500, 3)
    assert evaluate.active_units(trained, x).counts == {"z": 2}
    optimizer = torch.optim.Adam(trained.parameters(), lr=0.02)
    for _ in range(400):
        optimizer.zero_grad()
        (-trained.draw(x).log_w.mean()).backward()
        optimizer.step()
    assert evaluate.active_units(trained, x).counts == {"z": 0}
    constant = torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(1).double()
    torch.testing.assert_close(evaluate.elbo(trained, x, num_samples=100).pointwise, constant, atol=0.1, rtol=0)


def collapsed_below() -> VAE:
    """z1 copies z2's draw and nothing of x; z2 ignores x too."""
    top = Stage(prior=priors.StandardNormal(2), posterior=gaussian([[0.0] * 3] * 2, variance=1.0))
    copies = gaussian([[0.0, 0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0]], variance=0.01)
    below = Stage(prior=gaussian([[1.0, 0.0], [0.0, 1.0]], variance=0.01), posterior=copies)
    decoder = likelihoods.Gaussian(Constant())
    return VAE(encoder=nn.Identity(), stages={"z2": top, "z1": below}, likelihood=decoder)


def test_a_unit_that_follows_the_noise_above_it_is_not_active() -> None:
    units = evaluate.active_units(collapsed_below(), torch.randn(2000, 3))
    assert units.counts == {"z2": 0, "z1": 0}
    # Var_x of a mean over 32 draws of variance 1 is 1/32 = 0.031, above the threshold, were it not subtracted.
    assert units.variances["z1"].abs().max().item() < 5 * (1 / 32) * (2 / 2000) ** 0.5


@pytest.mark.parametrize("name", MODELS)
def test_every_unit_of_every_group_is_counted(name: str) -> None:
    built = MODELS[name]()
    units = evaluate.active_units(built, torch.rand(6, INPUTS))
    with torch.no_grad():
        sizes = {group: latent.z[0, 0].numel() for group, latent in built.generate(1).latents.items()}
    written = units.to_json()
    assert written["units"] == sizes
    assert all(0 <= units.counts[group] <= size for group, size in sizes.items())


@pytest.mark.parametrize(("options", "count"), [({"num_samples": 1}, 5), ({}, 1)])
def test_too_few_samples_or_rows_are_refused(options: dict, count: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        evaluate.active_units(MODELS["standard-prior"](), torch.rand(count, INPUTS), **options)
