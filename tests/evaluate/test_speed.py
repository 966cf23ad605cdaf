"""The log-likelihood computes the matrix products that it cannot do without, and writes little between them.

Both are counts of operations: the share of time that products take is a property of the processor, not of the code.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from prioria import VAE, evaluate, likelihoods, nets, posteriors, priors

SAMPLES, ROWS = 5000, 2
# Multiply-adds of a sample: decoder 40-300-300-784 with gates, and a mixture of 500 components over [z^2, z].
PRODUCTS = 40 * 600 + 300 * 600 + 300 * 784 + 80 * 500


class Written(TorchDispatchMode):
    """Counts the numbers that operators write: those of new tensors, and those that are changed in place."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        old = {leaf.untyped_storage().data_ptr() for leaf in tree_leaves(args) if isinstance(leaf, Tensor)}
        results = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        views = not func._schema.is_mutable
        self.numbers += sum(x.numel() for x in results if not (views and x.untyped_storage().data_ptr() in old))
        return out


@pytest.fixture
def model() -> VAE:
    encoder, q = nets.GatedMLP(784, 300, 300, gated_output=True), posteriors.Gaussian(300, 40)
    prior = priors.VampPrior(encoder, q, components=500, inputs=784)
    decoder = likelihoods.Bernoulli(nets.GatedMLP(40, 300, 300, 784))
    return VAE(encoder=encoder, posterior=q, prior=prior, likelihood=decoder)


def estimate(model: VAE) -> None:
    evaluate.log_likelihood(model, torch.bernoulli(torch.full((ROWS, 784), 0.3)), num_samples=SAMPLES)


def test_no_product_is_computed_twice(model: VAE) -> None:
    with FlopCounterMode(display=False) as counted:
        estimate(model)
    # 0.07 is the encoder, once for each row and each pseudo-input; once more for every chunk would be 0.07 for each
    assert 1 <= counted.get_total_flops() / 2 / (SAMPLES * ROWS * PRODUCTS) < 1.08


def test_little_is_written_between_the_products(model: VAE) -> None:
    with Written() as seen:
        estimate(model)
    least = 600 + 600 + 784 + 500  # the results of the products alone
    assert least < seen.numbers / (SAMPLES * ROWS) < 3 * least


def test_the_count_sees_a_density_by_broadcasting() -> None:
    z, mean = torch.randn(1000, 40), torch.randn(500, 40)
    with Written() as seen:
        (-(z[:, None] - mean).square() / 2 - 0.5 * math.log(2 * math.pi)).sum(-1).logsumexp(-1)
    assert seen.numbers / 1000 > 4 * 500 * 40
