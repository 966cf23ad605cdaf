"""Level-aware tools: what is held stays, what is below changes, and nothing else does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from prioria import VAE, evaluate, explore, likelihoods, nets, priors, stages
from prioria.data import load
from prioria.report.levels import levels
from prioria.stage import Stage


class Echo(nn.Module):
    """Shows the latents themselves as the means of x."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z


def echo() -> VAE:
    """Two independent groups of two and three latents; x shows them as they are."""
    top = Stage(prior=priors.StandardNormal(2), posterior=priors.Gaussian(5, 2))
    below = Stage(prior=priors.Gaussian(2, 3), posterior=priors.Gaussian(7, 3))
    return VAE(encoder=nn.Identity(), stages={"top": top, "below": below}, likelihood=likelihoods.Gaussian(Echo()))


def test_rows_hold_the_groups_above_and_draw_those_below_anew() -> None:
    model = echo()
    grid = explore.resample_below(model, "top", rows=3, columns=4)
    assert grid.shape == (3, 4, 5)
    assert (grid[..., :2] == grid[:, :1, :2]).all()
    assert grid[:, 0, :2].unique(dim=0).shape[0] == 3
    assert grid[..., 2:].reshape(12, 3).unique(dim=0).shape[0] == 12
    everything = explore.resample_below(model, "below", rows=3, columns=4)
    assert (everything == everything[:, :1]).all()


def test_categories_are_shown_by_their_mean_number() -> None:
    model = echo()
    model.likelihood = likelihoods.Categorical(nn.Linear(5, 5 * 3, bias=False), 3)
    grid = explore.resample_below(model, "below", rows=2, columns=2)
    assert grid.shape == (2, 2, 5) and ((grid >= 0) & (grid <= 2)).all()
    assert all(torch.isfinite(rows).all() for rows in explore.reconstruct_levels(model, torch.rand(3, 5)).values())


def test_what_is_held_may_come_from_examples() -> None:
    model, x = echo(), torch.randn(3, 5)
    with torch.no_grad():
        model.stages["top"].q.heads.weight.zero_()
        model.stages["top"].q.heads.weight[:2, :2] = torch.eye(2)  # the mean is the first two entries of x
        model.stages["top"].q.heads.bias.copy_(torch.tensor([0.0, 0.0, -40.0, -40.0]))
    grid = explore.resample_below(model, "top", rows=3, columns=2, x=x)
    torch.testing.assert_close(grid[..., :2], x[:, None, :2].expand(3, 2, 2))


def test_levels_take_one_more_group_from_the_posterior_each() -> None:
    model, x = echo(), torch.randn(6, 5)
    known = explore.reconstruct_levels(model, x, seed=3)
    assert list(known) == ["top", "below"]
    assert torch.equal(known["top"][:, :2], known["below"][:, :2])
    assert not torch.equal(known["top"][:, 2:], known["below"][:, 2:])
    state = torch.get_rng_state()
    assert torch.equal(explore.reconstruct_levels(model, x, seed=3)["top"], known["top"])
    assert torch.equal(torch.get_rng_state(), state)


def test_unknown_groups_and_too_few_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="'bottom' is unknown.*top, below"):
        explore.resample_below(echo(), "bottom")
    with pytest.raises(ValueError, match="x has 2 rows.*rows=8"):
        explore.resample_below(echo(), "top", x=torch.zeros(2, 5))
    with pytest.raises(ValueError, match="rows=8 and columns=0 must be at least 1"):
        explore.resample_below(echo(), "top", columns=0)


def test_picture_of_the_levels_gives_the_rates_that_the_evaluation_gives(tmp_path) -> None:
    digits, sizes = load("digits"), {"z0": 4, "z1": 6}
    model = VAE(
        encoder=nets.BottomUp(64, sizes),
        stages=stages.BinaryHierarchy(sizes),
        likelihood=likelihoods.Bernoulli(nets.MLP(6, 64)),
    )
    rates = levels(model, digits, tmp_path / "levels.png", rows=20, num_samples=3, seed=5)
    expected = evaluate.parts(model, digits.test, num_samples=3, seed=5, limit=20)
    assert {name: rate.value for name, rate in rates.items()} == {
        name: expected[f"rate/{name}"].value for name in sizes
    }
    assert (tmp_path / "levels.png").stat().st_size > 1000


def test_what_the_prior_draws_below_has_not_the_noise_of_what_is_held() -> None:
    # q = p = N(0, 1) in both groups: in the same draws the correlation of the two would be one, in others it is within
    # 5 / sqrt(2000): false alarm 6e-7.
    top = Stage(prior=priors.StandardNormal(40), posterior=priors.Gaussian(80, 40))
    below = Stage(prior=priors.Gaussian(40, 40), posterior=priors.Gaussian(120, 40))
    model = VAE(encoder=nn.Identity(), stages={"top": top, "below": below}, likelihood=likelihoods.Gaussian(Echo()))
    with torch.no_grad():
        for parameter in (*top.parameters(), *below.parameters()):
            parameter.zero_()
    drawn = explore.reconstruct_levels(model, torch.randn(50, 80))["top"]
    assert torch.corrcoef(drawn.reshape(50, 2, 40).transpose(0, 1).flatten(1))[0, 1].abs() < 5 / 2000**0.5
