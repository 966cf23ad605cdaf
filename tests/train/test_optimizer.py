"""The first steps of Adam by hand, per group; averages of weights; schedules; the order of the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from prioria import objectives
from prioria.data import Split, load
from prioria.train.optimizer import Average, Optimizer
from prioria.train.options import Interval, Options
from prioria.train.order import Batches, steps_per_epoch
from prioria.train.step import Step
from tests.train.small import vamp


class WithDiscriminator(objectives.ELBO):
    rates = objectives.Rates(learning_rate=0.1, betas=(0.5, 0.9), gradient_clip=1.0)

    def __init__(self) -> None:
        super().__init__()
        self.discriminator = nn.Parameter(torch.zeros(2))


def adam(gradients: list[np.ndarray], learning_rate: float, betas: tuple[float, float]) -> np.ndarray:
    """The sum of Adam's steps (Kingma and Ba, 2015, algorithm 1)."""
    first = second = moved = np.zeros_like(gradients[0])
    for t, g in enumerate(gradients, start=1):
        first, second = betas[0] * first + (1 - betas[0]) * g, betas[1] * second + (1 - betas[1]) * g**2
        m, v = first / (1 - betas[0] ** t), second / (1 - betas[1] ** t)
        moved = moved - learning_rate * m / (np.sqrt(v) + 1e-8)
    return moved


def moves(
    objective: objectives.Objective, options: Options, scales: list[float], frozen: set[str]
) -> dict[str, Tensor]:
    """How parameters move when the gradient of each is scale * (1, 2, 3, ...), scale by scale."""
    step = Step(vamp(), objective)
    before = {name: p.detach().clone() for name, p in step.named_parameters()}
    optimizer = Optimizer(step, options)
    parameters = dict(step.named_parameters())
    for scale in scales:
        for p in parameters.values():
            p.grad = scale * torch.arange(1.0, p.numel() + 1).view_as(p)
        optimizer.prepare({parameters[name] for name in frozen})
        optimizer.step(rate=1.0)
    return {name: p.detach() - before[name] for name, p in parameters.items()}


def ramp(p: Tensor) -> np.ndarray:
    return np.arange(1.0, p.numel() + 1)


def test_adam_with_a_group_of_its_own_for_the_objective() -> None:
    moved = moves(WithDiscriminator(), Options(epochs=1, learning_rate=0.01), [1.0, 10.0], set())
    name = "model.stages.z.q.heads.bias"
    expected = adam([ramp(moved[name]), 10 * ramp(moved[name])], 0.01, (0.9, 0.999))
    np.testing.assert_allclose(moved[name], expected, rtol=2e-4)
    clipped = [np.array([1.0, 2.0]) / np.sqrt(5)] * 2
    np.testing.assert_allclose(moved["objective.discriminator"], adam(clipped, 0.1, (0.5, 0.9)), rtol=2e-4)


def test_normalized_gradients_are_divided_by_the_norm_of_their_own_tensor() -> None:
    options = Options(epochs=1, learning_rate=0.01, optimizer="adam-normalized")
    moved = moves(objectives.ELBO(), options, [1.0, 10.0], set())
    for change in moved.values():
        unit = ramp(change) / (np.linalg.norm(ramp(change)) + 1e-7)
        np.testing.assert_allclose(change.flatten(), adam([unit, unit], 0.01, (0.9, 0.999)), rtol=1e-3, atol=1e-7)


def test_clipping_is_by_the_norm_of_all_gradients() -> None:
    moved = moves(objectives.ELBO(), Options(epochs=1, learning_rate=0.01, gradient_clip=2.0), [1.0, 0.001], set())
    ramps = {name: ramp(change) for name, change in moved.items()}
    norm = np.sqrt(sum((r**2).sum() for r in ramps.values()))
    for name, change in moved.items():
        second = 0.001 * min(1.0, 2.0 / (0.001 * norm))
        expected = adam([ramps[name] * 2.0 / norm, ramps[name] * second], 0.01, (0.9, 0.999))
        np.testing.assert_allclose(change.flatten(), expected, rtol=2e-3, atol=1e-6)


def test_frozen_parameters_stay_where_they_are() -> None:
    name = "model.stages.z.p.pseudo_inputs"
    moved = moves(objectives.ELBO(), Options(epochs=1), [1.0, 2.0], {name})
    assert moved[name].abs().max() == 0 and all(change.abs().min() > 0 for n, change in moved.items() if n != name)


def test_averages_follow_their_recursion() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 4.0)
    average, expected = Average(model, 0.4), 4.0
    for step, value in enumerate([1.0, -2.0, 5.0, 0.5, 3.0, 1.0]):
        nn.init.constant_(model.weight, value)
        average.update(step)
        decay = min(0.4, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    with average.in_place():
        assert model.weight.item() == pytest.approx(expected, rel=1e-6)
    assert model.weight.item() == 1.0


def test_a_cosine_falls_from_one_to_zero() -> None:
    options = Options(epochs=1, schedule="cosine")
    rates = [options.rate(step, 8) for step in (0, 2, 4, 6, 8)]
    np.testing.assert_allclose(rates, [1, (2 + np.sqrt(2)) / 4, 0.5, (2 - np.sqrt(2)) / 4, 0], atol=1e-12)


@pytest.mark.parametrize(("examples", "size"), [(1297, 100), (7, 3), (1, 5), (100, 100), (101, 100)])
def test_an_epoch_holds_every_row_once_in_even_batches(examples: int, size: int) -> None:
    epoch = Batches(rows(examples), size, seed=0, epoch=3)
    lengths = [len(batch) for batch in epoch]
    assert torch.cat([*epoch]).sort().values.equal(torch.arange(examples))
    assert max(lengths) <= size and max(lengths) - min(lengths) <= 1
    assert len(epoch) == steps_per_epoch(examples, size) == -(-examples // size)


def test_epochs_and_seeds_are_shuffled_apart() -> None:
    def order(seed: int, epoch: int) -> torch.Tensor:
        return torch.cat([*Batches(rows(50), 10, seed=seed, epoch=epoch)])

    orders = {order(seed, epoch).numpy().tobytes() for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9  # two of 9 permutations of 50 agree with probability below 1e-60
    assert order(1, 2).equal(order(1, 2))


def rows(count: int) -> Split:
    return replace(load("two-moons").train, rows=torch.zeros(count, 2), labels=None)


def test_intervals() -> None:
    assert Interval.parse("2 steps").passed(seconds=0.0, steps=2)
    assert not Interval.parse("2 steps").passed(seconds=99.0, steps=1)
    assert Interval.parse("1 minute").passed(seconds=60.0, steps=0)
    assert not Interval.parse("1 minute").passed(seconds=59.0, steps=99)
