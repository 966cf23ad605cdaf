"""How near the log-likelihood comes to the matrix products that it cannot do without, in CPU time of one process."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from prioria import VAE, evaluate, likelihoods, nets, posteriors, priors

SAMPLES = 5000
# Multiply-adds of one example: decoder 40-300-300-784 with gates, and a mixture of 500 components over [z^2, z].
PRODUCTS = SAMPLES * (40 * 600 + 300 * 600 + 300 * 784 + 80 * 500)


def cpu_seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def test_half_the_time_is_spent_on_matrix_products() -> None:
    encoder, q = nets.GatedMLP(784, 300, 300, gated_output=True), posteriors.Gaussian(300, 40)
    prior = priors.VampPrior(encoder, q, components=500, inputs=784)
    decoder = likelihoods.Bernoulli(nets.GatedMLP(40, 300, 300, 784))
    model = VAE(encoder=encoder, posterior=q, prior=prior, likelihood=decoder)
    x, square = torch.bernoulli(torch.full((2, 784), 0.3)), torch.randn(1024, 1024)
    limits, times = [], []
    for _ in range(3):  # in turns, so that whatever else the machine does slows both
        limits.append(cpu_seconds(lambda: [square @ square for _ in range(4)]) / 4 / 1024**3)
        times.append(cpu_seconds(lambda: evaluate.log_likelihood(model, x, num_samples=SAMPLES)) / 2)
    # About 0.6 on a quiet machine; densities by broadcasting and encoding again for every chunk leave 0.05.
    assert PRODUCTS * min(limits) / min(times) > 0.4
