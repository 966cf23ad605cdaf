"""Ladders of feature maps: what each posterior is, what normalization does, and that deep ones train."""

from __future__ import annotations

import itertools

import jaxtyping
import pytest
import torch

from prioria import VAE, likelihoods, nets, objectives, stages
from prioria.objectives import Progress
from prioria.stages import ConvStage

SHAPE = (1, 28, 28)


def ladder(counts: dict[int, int], shape=SHAPE, *, channels: int = 8, cells: int = 1, **options) -> VAE:
    scales = stages.groups_at(counts)
    common = {"channels": channels, "cells_per_group": cells, "normalization": options.get("normalization", "none")}
    return VAE(
        encoder=nets.Pyramid(shape, scales, **common),
        stages=stages.ConvLadder(shape, scales, latents=3, **(common | options)),
        likelihood=likelihoods.Bernoulli(nets.PyramidHead(shape, **common)),
    )


def bars(count: int, side: int) -> torch.Tensor:
    """Pictures of a few white rows or columns: structure at a large and at a small scale."""
    lines = torch.rand(count, side) < 0.2
    upright = torch.rand(count, 1, 1) < 0.5
    pictures = torch.where(upright, lines[:, None, :].expand(-1, side, -1), lines[:, :, None].expand(-1, -1, side))
    return pictures.float().flatten(1)


def stage(kind: str) -> tuple[ConvStage, torch.Tensor, torch.Tensor]:
    made = ConvStage((4, 3), channels=5, latents=2, posterior=kind).double()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    maps = torch.randn(2, 3, 6, 5, 4, 3, dtype=torch.float64)
    return made, maps[0, 0], maps[1]


def test_residual_posterior_moves_and_scales_the_prior() -> None:
    made, features, state = stage("residual")
    p = made.prior(state)
    q = made.posterior(features, state, p)
    shifted = torch.distributions.Independent(torch.distributions.Normal(p.mean + 7, 3 * p.stddev), 3)
    again = made.posterior(features, state, shifted)
    torch.testing.assert_close(again.mean, q.mean + 7)
    torch.testing.assert_close(again.stddev, 3 * q.stddev)


def test_free_posterior_ignores_the_prior_and_reads_the_state() -> None:
    made, features, state = stage("free")
    p = made.prior(state)
    q = made.posterior(features, state, p)
    other = torch.distributions.Independent(torch.distributions.Normal(p.mean + 7, 3 * p.stddev), 3)
    torch.testing.assert_close(made.posterior(features, state, other).mean, q.mean)
    assert not torch.allclose(made.posterior(features, state.flip(0), p).mean, q.mean)


def test_precision_weighted_posterior_adds_precisions_and_reads_the_state_through_the_prior_only() -> None:
    made, features, state = stage("precision-weighted")
    p = made.prior(state)
    q = made.posterior(features, state, p)
    evidence = 1 / q.variance - 1 / p.variance
    pull = q.mean / q.variance - p.mean / p.variance
    assert (evidence > 0).all()
    for sample in evidence, pull:  # what x adds is the same whatever the state, and so for every sample
        torch.testing.assert_close(sample, sample[:1].expand_as(sample), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("posterior", ["residual", "precision-weighted", "free"])
def test_rate_is_small_at_the_start_where_the_prior_is_the_posteriors_base(posterior: str) -> None:
    model = ladder({2: 2, 1: 2}, posterior=posterior)
    rate = model.draw(bars(8, 28)).rate.mean().item()
    units = 3 * (2 * 49 + 2 * 196)
    assert abs(rate) / units < (0.3 if posterior == "precision-weighted" else 0.03)


def convolutions(model: VAE) -> list[torch.nn.Module]:
    return [module for module in model.modules() if hasattr(module, "parametrizations")]


def test_spectral_normalization_bounds_every_cells_convolution() -> None:
    model = ladder({2: 1, 1: 1}, normalization="spectral")
    for _ in range(60):  # power iteration
        model.draw(bars(2, 28))
    assert convolutions(model)
    for convolution in convolutions(model):
        norm = torch.linalg.matrix_norm(convolution.weight.flatten(1), ord=2).item()
        assert norm == pytest.approx(1.0, abs=0.02)


def test_weight_normalization_learns_one_norm_for_each_output() -> None:
    for convolution in convolutions(ladder({2: 1, 1: 1}, normalization="weight")):
        norms = convolution.weight.flatten(1).norm(dim=1)
        torch.testing.assert_close(norms, convolution.parametrizations.weight.original0.flatten())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("counts", "shape", "posterior"),
    [
        ({2: 6, 1: 6}, (1, 28, 28), "residual"),
        ({2: 6, 1: 6}, (1, 28, 28), "precision-weighted"),
        ({4: 4, 3: 4, 2: 3}, (1, 64, 64), "residual"),
    ],
)
def test_ten_groups_and_more_train_stably(counts: dict, shape: tuple, posterior: str) -> None:
    model = ladder(counts, shape, posterior=posterior, channels=6)
    objective = objectives.ELBO(warmup="20 steps", balance=True)
    optimizer, x = torch.optim.Adam(model.parameters(), lr=4e-3), bars(8, shape[1])
    losses = []
    for step in range(40):
        draw = model.draw(x)
        optimizer.zero_grad()
        objective(draw, Progress(step=step, epoch=0, total_steps=40)).surrogate.backward()
        assert torch.nn.utils.clip_grad_norm_(model.parameters(), 200.0).isfinite()
        optimizer.step()
        losses.append(-draw.log_w.mean().item())
    assert losses[-1] < 0.85 * losses[0]
    assert max(b - a for a, b in itertools.pairwise(losses)) < 0.2 * losses[0]  # no step throws it back


def test_balanced_gradient_is_that_of_the_weighted_rates() -> None:
    model, x = ladder({2: 1, 1: 2}), bars(6, 28)
    draw = model.draw(x)
    progress = Progress(step=4, epoch=0, total_steps=100)  # beta = 0.5
    loss = objectives.ELBO(warmup="10 steps", balance=True)(draw, progress)
    rates = [latent.rate.mean() for latent in draw.latents.values()]
    sizes = [3 * 49, 3 * 196, 3 * 196]
    raw = [(abs(rate.item()) + 0.01) / size for rate, size in zip(rates, sizes, strict=True)]
    expected = draw.distortion.mean() + 0.5 * sum(
        3 * weight / sum(raw) * rate for weight, rate in zip(raw, rates, strict=True)
    )
    parameters = list(model.parameters())
    ours = torch.autograd.grad(loss.surrogate, parameters, retain_graph=True, allow_unused=True)
    by_hand = torch.autograd.grad(expected, parameters, allow_unused=True)
    for a, b in zip(ours, by_hand, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(loss.value, draw.distortion.mean() + 0.5 * draw.rate.mean())
    after = objectives.ELBO(warmup="10 steps", balance=True)(draw)
    torch.testing.assert_close(after.surrogate, -draw.log_w.mean())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: stages.ConvLadder(SHAPE, {"z2": 1, "z1": 2}), "not growing from the top"),
        (lambda: nets.Pyramid(SHAPE, {}), "at least one group"),
        (lambda: ladder({1: 1}, posterior="gated"), "posterior='gated'.*residual"),
        (lambda: ladder({1: 1}, normalization="batch"), "normalization='batch'.*spectral"),
        (lambda: objectives.ELBO(balance=True), "balance=True.*warmup"),
    ],
)
def test_what_cannot_be_is_refused_when_built(build, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users have no type checks at run time
    with pytest.raises(ValueError, match=message):
        build()
