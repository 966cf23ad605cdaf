"""GECO and REWO in training: where beta ends, and gradients through draws that have none of their own."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from prioria import VAE, likelihoods, nets, objectives, posteriors, priors
from prioria.objectives import GECO, REWO, Objective, Progress


def circle(count: int) -> Tensor:
    angle = 2 * math.pi * torch.rand(count, 1)
    return torch.cat([angle.cos(), angle.sin()], -1) @ torch.tensor([[1.0, 0.5, -0.3], [0.2, 1.0, 0.7]])


def train(objective: Objective, steps: int) -> None:
    torch.manual_seed(0)
    model = VAE(
        encoder=nets.MLP(3, 32, 32, activate_output=True),
        posterior=posteriors.Gaussian(32, 2),
        prior=priors.Hierarchical(2, 2, num_samples=2),
        likelihood=likelihoods.Gaussian(nets.MLP(2, 32, 3), scale=0.2),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(steps):
        loss = objective(model.draw(circle(16)))
        optimizer.zero_grad()
        loss.surrogate.backward()
        for parameter in objective.frozen(model):
            parameter.grad = None
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        averaged = {name: term.mean() for name, term in loss.terms.items()}
        objective.update(averaged, Progress(step=step, epoch=0, total_steps=steps))


@pytest.mark.slow
def test_rewo_ends_at_the_bound_and_geco_does_not() -> None:
    rewo, geco = REWO(objectives.ELBO(), "rmse=0.3", initial_phase=0.5, beta=0.1), GECO(objectives.ELBO(), "rmse=0.3")
    train(rewo, steps=450)
    train(geco, steps=600)
    assert rewo.phase == "main"
    assert rewo.excess.item() < 0
    assert rewo.beta.item() == pytest.approx(1.0, abs=0.05)
    assert geco.beta.item() > 1.2


def bits() -> VAE:
    torch.manual_seed(4)
    return VAE(
        encoder=nn.Identity(),
        posterior=posteriors.Bernoulli(3, 2, straight_through=False),
        prior=priors.Bernoulli(2),
        likelihood=likelihoods.Bernoulli(nn.Linear(2, 3)),
    )


def test_gradient_through_draws_without_one_is_unbiased() -> None:
    """Against the sum over all four codes of two bits, whose draws have no gradient of their own."""
    model, x, beta = bits(), torch.tensor([[1.0, 0.0, 1.0]]), 0.2
    codes = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]).unsqueeze(1)
    draw = model.condition(x).draw(4, given={"z": codes})
    latent = draw.latents["z"]
    exact = (latent.log_q.exp() * (-draw.log_px + beta * (latent.log_q - latent.log_p))).sum()
    head = model.stages["z"].q.head.weight
    (expected,) = torch.autograd.grad(exact, head)
    objective = GECO(objectives.ELBO(num_samples=4), "nats=1", beta=beta)
    gradients = []
    for _ in range(60):
        loss = objective(model.draw(x.expand(500, 3), num_samples=4))
        gradients.append(torch.autograd.grad(loss.surrogate, head)[0])
    estimate = torch.stack(gradients)
    error = estimate.std(0) / math.sqrt(len(gradients))
    moved = expected.abs() > 0
    assert moved.any()
    assert (
        (estimate.mean(0) - expected).abs()[moved] < 5 * error[moved]
    ).all()  # t with 59 degrees: below 1e-4 for all
