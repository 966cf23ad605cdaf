"""The fast forms stay fast: ratios of CPU time in one process, and no temporary that the allocator would map."""

import math
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from prioria import VAE, likelihoods, nets, objectives, posteriors, priors
from prioria.distributions import Mixture, logsumexp, normal
from prioria.train import Step

LARGEST = 32 * 2**20  # bytes: glibc maps and unmaps larger blocks at every use, which costs page faults


def speedup(slow: Callable[[], object], fast: Callable[[], object], rounds: int = 7) -> float:
    """Median over rounds of the ratio of CPU times, the two taking turns."""
    slow(), fast()
    ratios = []
    for _ in range(rounds):
        times = []
        for call in (slow, fast):
            start = time.process_time()
            call()
            times.append(time.process_time() - start)
        ratios.append(times[0] / times[1])
    return median(ratios)


def with_gradient(density: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[], object]:
    """A density of 200 points under 500 components in 40 dimensions, and its gradient."""
    generator = torch.Generator().manual_seed(0)
    leaves = [torch.randn(rows, 40, generator=generator).requires_grad_() for rows in (200, 500, 500)]
    return lambda: torch.autograd.grad(density(*leaves).sum(), leaves)


def broadcast(z: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    terms = -((z[:, None] - mean) / log_scale.exp()).square() / 2 - log_scale - 0.5 * math.log(2 * math.pi)
    return terms.sum(2).logsumexp(1) - math.log(len(mean))


def one_product(z: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    return Mixture(normal(mean, log_scale.exp())).log_prob(z)


def test_a_mixture_density_is_four_times_as_fast_as_broadcasting():
    slow, fast = with_gradient(broadcast), with_gradient(one_product)
    for ours, theirs in zip(fast(), slow(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    assert speedup(slow, fast) > 4


def test_logsumexp_with_its_gradient_is_not_slower_than_torch():
    a = torch.randn(1000, 500, dtype=torch.float64).requires_grad_()
    theirs, ours = (lambda f=f: torch.autograd.grad(f(a, -1).sum(), a) for f in (torch.logsumexp, logsumexp))
    assert speedup(theirs, ours) > 1


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation returns, in bytes of its storage."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        sizes = [leaf.untyped_storage().nbytes() for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        self.bytes = max([self.bytes, *sizes])
        return out


def test_no_temporary_of_a_vampprior_step_is_mapped():
    encoder, posterior = nets.GatedMLP(784, 300, 300, gated_output=True), posteriors.Gaussian(300, 40)
    model = VAE(
        encoder=encoder,
        posterior=posterior,
        prior=priors.VampPrior(encoder, posterior, components=500, inputs=784),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(40, 300, 300, 784)),
    )
    with Largest() as seen:
        Step(model, objectives.ELBO())((torch.rand(1000, 784) < 0.1).float()).surrogate.backward()
    assert 1000 * 784 * 4 <= seen.bytes < LARGEST


def test_the_watch_on_temporaries_sees_a_broadcast():
    with Largest() as seen:
        broadcast(torch.randn(1000, 40), torch.randn(500, 40), torch.zeros(500, 40))
    assert seen.bytes >= 1000 * 500 * 40 * 4 > LARGEST
