"""The loop costs little over the bare step that it makes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from prioria import VAE, data, likelihoods, nets, objectives, posteriors, priors
from prioria.train import fit

ROWS, SIZE = 1000, 100


def model() -> VAE:
    torch.manual_seed(0)
    return VAE(
        encoder=nets.GatedMLP(784, 300, 300, gated_output=True),
        posterior=posteriors.Gaussian(300, 40),
        prior=priors.StandardNormal(40),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(40, 300, 300, 784)),
    )


class Operators(TorchDispatchMode):
    """Counts operators: unlike times, they do not depend on what else the machine does."""

    count = 0

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        self.count += 1
        return operator(*args, **(kwargs or {}))


def operators(train: Callable[[int], None], epochs: int) -> int:
    with Operators() as counter:
        train(epochs)
    return counter.count


def products_of(train: Callable[[int], None], epochs: int) -> int:
    """Counts the floating-point operations of matrix products."""
    with FlopCounterMode(display=False) as counter:
        train(epochs)
    return counter.get_total_flops()


@pytest.mark.slow
def test_the_loop_adds_little_to_the_bare_steps() -> None:
    rows = data.load((torch.rand(ROWS, 784) < 0.2).float())
    bare, ours = model(), model()
    adam = torch.optim.Adam(bare.parameters(), lr=5e-4, fused=True)

    def by_hand(epochs: int) -> None:
        for _ in range(epochs):
            for indices in torch.randperm(len(rows.train)).split(SIZE):
                adam.zero_grad()
                (-bare.draw(rows.train.batch(indices)).log_w.mean()).backward()
                adam.step()
            with torch.no_grad():
                for indices in torch.arange(len(rows.validation)).split(SIZE):
                    bare.draw(rows.validation.batch(indices)).log_w.mean().item()

    def by_fit(epochs: int) -> None:
        fit(ours, objectives.ELBO(), rows, epochs=epochs, batch_size=SIZE, progress=False)

    by_loop = operators(by_fit, 5) - operators(by_fit, 1)
    assert by_loop < 1.5 * operators(by_hand, 4)  # 1.37: averages of terms and the check that all is finite
    products = products_of(by_fit, 5) - products_of(by_fit, 1)
    assert products == products_of(by_hand, 4)
