"""The scale of Gaussian posteriors: untouched where models are trained, finite everywhere."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from prioria import posteriors
from prioria.posteriors.gaussian import HIGH, LOW


def log_variance(asked: torch.Tensor, **options: object) -> torch.Tensor:
    """The log-variances that a posterior makes of what its head asks for."""
    posterior = posteriors.Gaussian(2, 1, **options)  # type: ignore[arg-type]
    posterior.heads = nn.Identity()  # type: ignore[assignment]
    return 2 * posterior(torch.stack([torch.zeros_like(asked), asked], -1)).base_dist.scale.squeeze(-1).log()


def test_scales_inside_the_range_keep_every_bit() -> None:
    posterior = posteriors.Gaussian(4, 3)
    context = torch.randn(500, 4)
    asked = posterior.heads(context).chunk(2, -1)[1]
    assert torch.equal(posterior(context).base_dist.scale, (0.5 * asked).exp())
    leaf = torch.linspace(LOW, HIGH, 501).requires_grad_()
    bent, plain = log_variance(leaf), 2 * (0.5 * leaf).exp().log()
    assert torch.equal(bent, plain)
    assert torch.equal(torch.autograd.grad(bent.sum(), leaf)[0], torch.autograd.grad(plain.sum(), leaf)[0])


def test_scales_beyond_the_range_grow_and_stay_finite() -> None:
    asked = torch.tensor([-1e30, -1e4, -100.0, -31.0, LOW, HIGH, 13.0, 20.0, 100.0, 1e4, 1e30, torch.inf])
    found = log_variance(asked.double())
    assert found.isfinite().all() and (found.diff() >= 0).all() and (found.diff()[1:-2] > 0).all()
    assert found[0] == pytest.approx(-50) and found[-1] == pytest.approx(20)
    assert found[7].item() == pytest.approx(12 + 8 / (1 + 8 / 8))  # e / (1 + e/w) at e = w = 8
    leaf = asked[1:-2].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(log_variance(leaf).sum(), leaf)
    assert (gradient > 0).all()  # a step can always leave


def test_bounds_of_ones_own_are_taken_as_they_are() -> None:
    assert log_variance(torch.tensor([-99.0, 0.5, 99.0]).double(), log_variance_bounds=(-1.0, 60.0)).tolist() == (
        pytest.approx([-1.0, 0.5, 60.0])
    )
