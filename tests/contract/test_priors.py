"""Every prior is a density, and samples from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tests.contract.variants import BOUNDS, FEATURES, POSTERIORS, PRIORS, encoder

EXACT = [name for name in PRIORS if name not in BOUNDS]
ALPHA = 1e-4  # false-alarm rate of each two-sample test; the seeds are fixed


def prior_of(name: str, latents: int) -> torch.distributions.Distribution:
    torch.manual_seed(3)
    network, posterior = encoder(), POSTERIORS["bounded-gaussian"](FEATURES, latents)
    return PRIORS[name](network, posterior, latents)()


def grid_of(latents: int, points: int, reach: float) -> tuple[torch.Tensor, float]:
    axis = torch.linspace(-reach, reach, points)
    grid = torch.stack(torch.meshgrid(*[axis] * latents, indexing="ij"), -1).reshape(-1, latents)
    return grid, float(axis[1] - axis[0]) ** latents


@pytest.mark.slow
@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize(("latents", "points"), [(1, 4001), (2, 601)])
def test_density_integrates_to_one(name: str, latents: int, points: int) -> None:
    d = prior_of(name, latents)
    grid, cell = grid_of(latents, points, reach=15.0)
    with torch.no_grad():
        mass = sum(d.log_prob(part).double().exp().sum().item() for part in grid.split(50_000)) * cell
    if name in BOUNDS:
        assert mass <= 1 + 1e-2  # a lower bound on a density integrates to at most one
    else:
        assert mass == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", EXACT)
def test_samples_follow_the_density(name: str) -> None:
    d = prior_of(name, 1)
    grid, cell = grid_of(1, 20_001, reach=15.0)
    with torch.no_grad():
        cumulative = (d.log_prob(grid).double().exp() * cell).cumsum(0)
        sample = d.sample(torch.Size([4000])).squeeze(-1)
    test = stats.kstest(sample.numpy(), lambda z: np.interp(z, grid.squeeze(-1).numpy(), cumulative.numpy()))
    assert test.pvalue > ALPHA


@pytest.mark.parametrize("name", EXACT)
def test_one_row_is_scored_as_in_a_batch(name: str) -> None:
    d = prior_of(name, 2)
    z = torch.randn(3, 5, 2)
    together = d.log_prob(z)
    assert together.shape == (3, 5)
    torch.testing.assert_close(d.log_prob(z[1, 2]), together[1, 2])
