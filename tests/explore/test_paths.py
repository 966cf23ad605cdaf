"""Paths on manifolds whose geodesics are known, and lengths against quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from prioria import VAE, evaluate, explore, likelihoods, nets, posteriors, priors, stages
from prioria.explore import Path
from tests.contract.variants import INPUTS, MODELS, single


class Ring(nn.Module):
    """A prior on the unit circle with a gap at angle zero, so that the way from 20 to 340 degrees is the long one."""

    def forward(self, context: Tensor | None = None) -> Distribution:
        angle = torch.linspace(0.3, 2 * math.pi - 0.3, 200)
        circle = torch.stack([angle.cos(), angle.sin()], -1)
        return torch.distributions.MixtureSameFamily(
            torch.distributions.Categorical(logits=torch.zeros(200)),
            Independent(Normal(circle, torch.full_like(circle, 0.01)), 1),
        )


class Same(nn.Module):
    """q(z|x) = N(x, 0.01^2): latents are data."""

    def forward(self, features: Tensor) -> Distribution:
        return Independent(Normal(features, torch.full_like(features, 0.01)), 1)


def ring_model(decoder: nn.Module | None = None) -> VAE:
    return VAE(
        encoder=nn.Identity(),
        posterior=Same(),
        prior=Ring(),
        likelihood=likelihoods.Gaussian(decoder or nn.Identity(), scale=0.1),
    )


def at(degrees: float) -> Tensor:
    return torch.tensor([[math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]])


def test_paths_follow_the_manifold_and_lines_do_not() -> None:
    model = ring_model()
    graph = explore.latent_graph(model, nodes=500, neighbors=8)
    (path,) = explore.interpolate(model, graph, at(20), at(340))
    (line,) = explore.straight(model, at(20), at(340), nodes=20)
    assert (path.frames.norm(dim=-1) - 1).abs().max() < 0.05
    assert path.frames[:, 0].min() < -0.9  # round the back
    assert path.cost == pytest.approx(math.radians(320), rel=0.02)
    torch.testing.assert_close(path.z[[0, -1]], torch.cat([at(20), at(340)]))
    assert len(line.z) == 20 and line.frames[:, 0].min() > 0.9
    assert line.cost == pytest.approx(2 * math.sin(math.radians(20)), rel=1e-5)


def test_pairs_do_not_walk_over_the_ends_of_others() -> None:
    model = ring_model()
    graph = explore.latent_graph(model, nodes=50, neighbors=3)
    starts, ends = torch.cat([at(20), at(30)]), torch.cat([at(100), at(200)])
    together = explore.interpolate(model, graph, starts, ends)
    alone = [explore.interpolate(model, graph, starts[i : i + 1], ends[i : i + 1])[0] for i in range(2)]
    for a, b in zip(together, alone, strict=True):
        assert torch.equal(a.z, b.z)


@pytest.mark.parametrize("name", MODELS)
def test_any_model_has_paths_and_keeps_its_mode_and_random_numbers(name: str) -> None:
    model, x = MODELS[name](), torch.bernoulli(torch.full((4, INPUTS), 0.5))
    before, mode = torch.get_rng_state(), model.training
    graph = explore.latent_graph(model, nodes=30, neighbors=4, lengths="data", seed=3)
    paths = explore.interpolate(model, graph, x[:2], x[2:])
    assert torch.equal(torch.get_rng_state(), before) and model.training == mode
    for path in paths:
        assert path.frames.shape == (len(path.z), INPUTS)
        assert torch.equal(explore.decoded(model, path.z), path.frames)
        assert path.cost >= 0
    again = explore.latent_graph(model, nodes=30, neighbors=4, lengths="data", seed=3)
    assert (again.points == graph.points).all()


def test_a_model_in_double_precision_has_paths() -> None:
    model, ones = single().double(), torch.ones(1, INPUTS, dtype=torch.float64)
    for lengths in ("latent", "data"):
        graph = explore.latent_graph(model, nodes=30, neighbors=4, lengths=lengths)
        (path,) = explore.interpolate(model, graph, 0 * ones, ones)
        assert path.frames.dtype == torch.float64


def test_groups_below_are_at_their_means() -> None:
    levels = stages.TwoLevel(
        prior=priors.StandardNormal(2), posterior=posteriors.Gaussian(4, 2), features=4, latents=(2, 3), hidden=5
    )
    readout = nn.Linear(5, 6)
    encoders = {"z2": nets.GatedMLP(6, 4, gated_output=True), "z1": nets.GatedMLP(6, 4, gated_output=True)}
    model = VAE(encoder=encoders, stages=levels, likelihood=likelihoods.Gaussian(readout))
    z = torch.randn(7, 2)
    with torch.no_grad():
        lower = levels["z1"].p(z).mean
        expected = torch.cat([z, lower], -1) @ readout.weight.T + readout.bias
    torch.testing.assert_close(explore.decoded(model, z), expected)


class Spiral(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        t = z[..., :1]
        return torch.cat([t * torch.cos(3 * t), t * torch.sin(3 * t), z[..., 1:]], -1)


def test_lengths_of_edges_are_those_of_decoded_chords_and_curves() -> None:
    model = ring_model(Spiral())
    a, b = torch.tensor([0.2, 0.5]), torch.tensor([1.1, -0.3])

    def speed(fraction: float) -> float:
        """Length of d/dt decode(a + t (b - a)), by torch's derivative."""
        z = a + fraction * (b - a)
        return torch.autograd.functional.jvp(Spiral(), z, b - a)[1].norm().item()

    curve = integrate.quad(speed, 0, 1)[0]
    chord = (Spiral()(b) - Spiral()(a)).norm().item()
    ends = a[None].numpy(), b[None].numpy()
    for lengths, expected, tolerance in (("data", chord, 1e-5), ("decoder", curve, 0.02)):
        graph = explore.latent_graph(model, nodes=20, neighbors=2, lengths=lengths)
        assert graph.lengths(*ends)[0] == pytest.approx(expected, rel=tolerance)
    assert chord < 0.9 * curve


def test_many_edges_are_decoded_in_tiles() -> None:
    model = ring_model(nn.Linear(2, 2, bias=False))
    graph = explore.latent_graph(model, nodes=400, neighbors=10, lengths="decoder")
    i, j = graph.edges.nonzero()
    weight = model.likelihood.net.weight.detach().numpy()
    expected = np.linalg.norm((graph.points[i] - graph.points[j]) @ weight.T, axis=-1)
    np.testing.assert_allclose(graph.edges.data, expected, rtol=1e-3, atol=1e-6)


def test_discontinuities_are_steps_far_above_the_typical() -> None:
    frames = torch.tensor([0.0, 1.0, 2.0, 3.1, 9.0, 10.0, 11.0, 14.2]).unsqueeze(-1)
    path = Path(frames, frames, 14.2)
    torch.testing.assert_close(path.steps, torch.tensor([1, 1, 1.1, 5.9, 1, 1, 3.2]))
    assert path.discontinuities == [3, 6]
    assert Path(frames[:3], frames[:3], 2.0).discontinuities == []


def test_resampled_path_keeps_its_shape() -> None:
    corner = torch.tensor([[0.0, 0.0], [0.1, 0.0], [3.0, 0.0], [3.0, 4.0]])
    points = explore.resample(corner, 8)
    torch.testing.assert_close(points[:4], torch.tensor([[0.0, 0], [1, 0], [2, 0], [3, 0]]))
    torch.testing.assert_close(points[4:], torch.tensor([[3.0, 1], [3, 2], [3, 3], [3, 4]]))
    with pytest.raises(ValueError, match="count=1"):
        explore.resample(corner, 1)


def test_line_is_smooth_and_circle_has_a_constant_second_difference() -> None:
    line = torch.linspace(0, 5, 40)[None, :, None] * torch.tensor([1.0, -2.0, 0.3])
    assert evaluate.smoothness(line).overall < 1e-5
    angle = torch.linspace(0, 2 * math.pi, 41)[:-1].double()
    circle = torch.stack([3 * angle.cos(), 3 * angle.sin(), 0 * angle], -1)[None]
    closed = torch.cat([circle, circle[:, :2]], 1)  # every point is once in the middle
    expected = 3 * 2 * (1 - math.cos(2 * math.pi / 40)) / math.sqrt(2)
    torch.testing.assert_close(evaluate.smoothness(closed).mean, torch.tensor([expected, expected, 0.0]).double())
    joint = evaluate.smoothness(closed, parts=[[0, 1], [2]])
    torch.testing.assert_close(joint.mean, torch.tensor([expected, 0.0]).double())


def test_smoothness_is_averaged_over_pairs() -> None:
    frames = torch.stack([scale * torch.arange(6.0).square() for scale in (1.0, 2.0, 4.5)]).unsqueeze(-1)
    measured = evaluate.smoothness(frames)
    values = np.array([2.0, 4.0, 9.0])
    assert measured.mean.item() == pytest.approx(values.mean())
    assert measured.sd.item() == pytest.approx(values.std(ddof=1))
    assert evaluate.smoothness(frames[:1]).sd.isnan().all()  # one path has no spread


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: explore.latent_graph(ring_model(), nodes=10, neighbors=10), "nodes=10.*more nodes"),
        (lambda: explore.latent_graph(ring_model(), nodes=-4), "nodes=-4.*more nodes"),
        (lambda: explore.straight(ring_model(), torch.zeros(0, 2), torch.zeros(0, 2)), "at least one pair"),
        (lambda: evaluate.smoothness(torch.zeros(1, 2, 3)), "2 points"),
        (lambda: evaluate.smoothness(torch.zeros(1, 5, 3), parts=[[0], []]), "without columns"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
