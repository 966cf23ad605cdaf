"""Low- and high-posterior samples, and traversals, on models whose densities are known."""

from __future__ import annotations

import inspect
import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, Transform, TransformedDistribution, constraints

from prioria import VAE, evaluate, explore, likelihoods, posteriors, priors
from tests.contract.standins import OpaqueFlow
from tests.contract.variants import INPUTS, single

X = torch.cat([torch.full((20, 1), -3.0), torch.full((20, 1), 3.0)])  # two clusters, a pocket at zero


def two_clusters(prior: nn.Module | None = None) -> VAE:
    """q(z|x) = N(x, 0.1^2), p(z) = N(0, 1), p(x|z) = N(2 z, 1)."""
    posterior, decoder = posteriors.Gaussian(1, 1), nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        posterior.heads.weight.copy_(torch.tensor([[1.0], [0.0]]))
        posterior.heads.bias.copy_(torch.tensor([0.0, 2 * math.log(0.1)]))
        decoder.weight.fill_(2.0)
    return VAE(
        encoder=nn.Identity(),
        posterior=posterior,
        prior=priors.StandardNormal(1) if prior is None else prior,
        likelihood=likelihoods.Gaussian(decoder),
    )


def test_low_posterior_samples_are_the_prior_draws_farthest_from_every_encoding() -> None:
    model = two_clusters()
    found = explore.low_posterior(model, X, num_samples=50, seed=1)
    drawn = evaluate.prior_draws(model, num_samples=250, seed=1)
    nearest = (drawn - X.unique()).abs().min(1).values  # density falls with the distance to the nearer cluster
    expected = drawn[nearest.argsort(descending=True)[:50]]
    torch.testing.assert_close(found.z, expected)
    assert (found.fraction, found.drawn) == (0.2, 250) and "all 40 rows" in found.ranking
    q = torch.distributions.Normal(X.unique(), 0.1).log_prob(found.z).logsumexp(1) - math.log(2)
    torch.testing.assert_close(found.log_density, q)


def test_high_posterior_samples_are_the_encodings_that_the_prior_hardly_draws() -> None:
    found = explore.high_posterior(two_clusters(), X, num_samples=30)
    assert (found.fraction, found.drawn) == (0.1, 300)
    torch.testing.assert_close(found.log_density, torch.distributions.Normal(0.0, 1.0).log_prob(found.z).squeeze(1))
    every = evaluate.aggregate_draws(two_clusters(), X, num_samples=300)
    assert found.z.abs().min() >= every.abs().flatten().sort(descending=True).values[29]


def test_encodings_rank_by_the_density_with_or_without_the_log_determinant() -> None:
    """The log-determinant is -log 1000 in the squeezed middle: there log p(z) is least, log N(g(z); 0, 1) largest."""
    model, x = two_clusters(SqueezedPrior()), torch.linspace(-4, 4, 41)[:, None]
    whole = explore.high_posterior(model, x, num_samples=20)
    alone = explore.high_posterior(model, x, num_samples=20, by="base")
    assert whole.z.abs().max() < 2.5 < alone.z.abs().min()
    normal = torch.distributions.Normal(0.0, 1.0)
    expected = normal.log_prob(whole.z / 1000).squeeze(1) - math.log(1000)
    torch.testing.assert_close(whole.log_density, expected)
    torch.testing.assert_close(alone.log_density, normal.log_prob(alone.z.abs() - 0.999 * 2.5).squeeze(1))
    assert whole.ranking == "density of the prior" and "without the log-determinant" in alone.ranking
    unchecked = inspect.unwrap(explore.high_posterior)  # types are checked here before it is called
    with pytest.raises(ValueError, match="by='volume' is unknown; use 'density' or 'base'"):
        unchecked(two_clusters(), X, num_samples=5, by="volume")


def test_a_prior_of_estimated_density_ranks_by_the_seed() -> None:
    model = two_clusters(priors.Hierarchical(1, 1, num_samples=2))
    found = []
    for state in (1, 2):
        torch.manual_seed(state)
        found.append(explore.high_posterior(model, X, num_samples=10, seed=0).log_density)
    assert torch.equal(*found)


def test_ranking_under_mini_batches_takes_what_a_batch_missed_for_a_pocket() -> None:
    # Forty rows cover [-2, 2], beyond which lie 4.6 % of the prior; a batch of four covers a part of it.
    model, x = two_clusters(), torch.linspace(-2, 2, 40)[:, None]
    whole = explore.low_posterior(model, x, num_samples=80, fraction=0.04)
    released = explore.low_posterior_as_released(model, x, num_samples=80, batch_size=4, drawn=100)
    assert (released.fraction, released.drawn, len(released.z)) == (0.04, 2000, 80)
    assert (whole.z.abs() < 2).double().mean() < 0.1
    assert (released.z.abs() < 2).double().mean() > 0.4
    again = explore.low_posterior_as_released(model, x, num_samples=80, batch_size=4, drawn=100)
    assert torch.equal(again.z, released.z)
    few = explore.low_posterior_as_released(model, x, num_samples=3, batch_size=50, drawn=100)
    every = explore.low_posterior_as_released(model, x, num_samples=50, batch_size=50, drawn=100)
    assert torch.equal(few.log_density, every.log_density[[0, 24, 49]])  # not the three lowest of the fifty


def test_flow_posteriors_and_bad_numbers() -> None:
    flow = single(posterior="opaque-flow")
    assert isinstance(flow.stages["z"].q, OpaqueFlow)
    x = torch.rand(20, INPUTS).round()
    assert explore.high_posterior(flow, x, num_samples=5).z.shape == (5, 2)
    with pytest.raises(ValueError, match="use a diagonal one"):
        explore.low_posterior(flow, x, num_samples=5)
    with pytest.raises(ValueError, match="fraction=0.0"):
        explore.low_posterior(two_clusters(), X, num_samples=5, fraction=0.0)
    with pytest.raises(ValueError, match="batch_size=9 and drawn=5"):
        explore.low_posterior_as_released(two_clusters(), X, num_samples=5, batch_size=9, drawn=5)


def flow_model() -> VAE:
    flow = priors.RealNVP(2, 4, hidden=8)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.mul_(2)
    model = single(latents=2)
    model.stages["z"].p = flow
    return model


def test_generation_lines_are_straight_there_and_end_at_the_encodings() -> None:
    model = flow_model()
    starts, ends = torch.rand(3, INPUTS).round(), torch.rand(3, INPUTS).round()
    for path, start, end in zip(explore.generation_lines(model, starts, ends, nodes=9), starts, ends, strict=True):
        z0 = model.stages["z"].p.to_generation(path.z).detach()
        torch.testing.assert_close(
            z0, z0[0] + torch.linspace(0, 1, 9)[:, None] * (z0[-1] - z0[0]), atol=1e-4, rtol=1e-4
        )
        torch.testing.assert_close(path.z[[0, -1]], model.encode(torch.stack([start, end])), atol=1e-4, rtol=1e-4)
        assert path.frames.shape == (9, INPUTS)


def test_under_the_standard_prior_both_lines_are_one() -> None:
    model, starts, ends = single(), torch.rand(2, INPUTS).round(), torch.rand(2, INPUTS).round()
    for a, b in zip(explore.generation_lines(model, starts, ends), explore.straight(model, starts, ends), strict=True):
        torch.testing.assert_close(a.z, b.z)
    with pytest.raises(ValueError, match="generation space"):
        explore.generation_lines(single("mixture"), starts, ends)


def test_lowest_density_is_that_of_the_pocket_on_the_way() -> None:
    model = two_clusters()
    (path,) = explore.straight(model, X[:1], X[-1:], nodes=101)
    found = explore.lowest_density(model, X, [path])
    center = -0.5 * (3 / 0.1) ** 2 - math.log(0.1) - 0.5 * math.log(2 * math.pi)  # both clusters weigh the same there
    assert found.item() == pytest.approx(center, abs=1e-2)
    both = explore.line_densities(model, X, X[:5], X[-5:])
    assert both.difference == (0.0, 0.0) and both.to_json()["pairs"] == 5


def test_gain_of_a_single_line_has_no_error() -> None:
    both = explore.LineDensities(torch.tensor([-4.0]), torch.tensor([-1.5]))
    assert both.difference[0] == 2.5 and both.to_json()["standard_error"] is None


class Squeezed(Transform):
    """z0 = z / 1000 where |z| < 2.5, and slope 1 beyond: what lies between two clusters is a thousandth as long."""

    domain = codomain = constraints.real_vector
    bijective = True

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(x.abs() < 2.5, x / 1000, x - 0.999 * 2.5 * x.sign())

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        return torch.where(y.abs() < 2.5e-3, y * 1000, y + 0.999 * 2.5 * y.sign())

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.where(x.abs() < 2.5, -math.log(1000), 0.0).sum(-1)


class SqueezedPrior(nn.Module):
    def forward(self, context: torch.Tensor | None = None) -> TransformedDistribution:
        base = Independent(Normal(torch.zeros(1), torch.ones(1)), 1)
        return TransformedDistribution(base, [Squeezed().inv], validate_args=False)


@pytest.mark.parametrize("nodes", [50, 51, 200])
def test_a_pocket_that_a_flow_squeezes_is_not_stepped_over(nodes: int) -> None:
    """With one latent the two lines are one set of points, whatever the flow, and cross the same lowest density."""
    model = two_clusters()
    model.stages["z"].p = SqueezedPrior()
    (path,) = explore.generation_lines(model, X[:1], X[-1:], nodes=50)
    assert path.z.abs().min() > 2  # at equal distances in z0 the pocket is stepped over
    both = explore.line_densities(model, X, X[:5], X[-5:], nodes=nodes)
    gain, depth = both.generation - both.representation, -both.representation.mean().item()
    assert depth > 300 and gain.abs().max() < 0.06 * depth


def test_factor_traversal_moves_one_latent_over_the_range_of_the_encodings() -> None:
    model, x = single(latents=2), torch.rand(50, INPUTS).round()
    found = explore.factor_traversal(model, x, example=3, steps=5)
    z = model.encode(x)
    assert found.frames.shape == (2, 5, INPUTS) and found.dimensions == (0, 1)
    for j in range(2):
        torch.testing.assert_close(found.values[j, [0, -1]], torch.quantile(z[:, j], torch.tensor([0.01, 0.99])))
        moved = z[3].expand(5, 2).clone()
        moved[:, j] = found.values[j]
        with torch.no_grad():
            torch.testing.assert_close(found.frames[j], model.decode(moved).mean)
    assert explore.factor_traversal(model, x, dimensions=[1]).dimensions == (1,)
    with pytest.raises(ValueError, match=r"dimensions=\(2,\): there are 50 rows and 2 latents"):
        explore.factor_traversal(model, x, dimensions=[2])
    with pytest.raises(ValueError, match="steps=0 must be at least 1"):
        explore.factor_traversal(model, x, steps=0)
