"""What share of printed intervals covers the truth: python -m benchmarks.calibration prints the table of the docs.

Linear-Gaussian models have log p(x) and p(z|x) in closed form. q is the exact posterior with all deviations times
``narrow``: in L latents that are independent given x the weights have tails of shape k = 1 - narrow^2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, MultivariateNormal

from prioria import VAE, evaluate, likelihoods, priors
from prioria.distributions import normal
from prioria.evaluate import Estimate

NOISE = 0.5
CASES = [(2, 1.2, 200), (2, 0.9, 200), (2, 0.8, 200), (2, 0.7, 500), (2, 0.6, 500), (20, 0.8, 500), (2, 0.5, 500)]
CASES += [(2, 0.4, 500)]  # latents, narrow, samples
NORMAL = 1.96  # errors that 95 % of a normal distribution lie within


class Narrowed(nn.Module):
    """N(A x, diag s^2): the exact posterior where its covariance is diagonal, narrowed or widened."""

    def __init__(self, a: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.a, self.scale = a, scale

    def forward(self, x: Tensor) -> Distribution:
        return normal(x @ self.a.mT, self.scale.expand(len(x), -1))


def linear(latents: int, narrow: float) -> tuple[VAE, MultivariateNormal]:
    """Returns x = W z + noise, W with orthogonal columns, with q that much narrower, and the marginal p(x)."""
    generator = torch.Generator().manual_seed(0)
    w = 1.2 * torch.linalg.qr(torch.randn(latents + 2, latents, generator=generator)).Q
    decoder = nn.Linear(latents, latents + 2, bias=False)
    with torch.no_grad():
        decoder.weight.copy_(w)
    covariance = torch.linalg.inv(torch.eye(latents) + w.mT @ w / NOISE**2)
    posterior = Narrowed(covariance @ w.mT / NOISE**2, covariance.diag().sqrt() * narrow)
    likelihood = likelihoods.Gaussian(decoder, scale=NOISE)
    model = VAE(encoder=nn.Identity(), posterior=posterior, prior=priors.StandardNormal(latents), likelihood=likelihood)
    whole = w.double() @ w.double().mT + NOISE**2 * torch.eye(latents + 2).double()
    return model, MultivariateNormal(torch.zeros(latents + 2).double(), whole)


@dataclass(frozen=True)
class Coverage:
    """How many of some seeds printed an interval and how many a bound, and how many of each hold.

    Attributes:
        intervals: printed, value +- standard error over examples.
        cover: of these, with 1.96 errors, the mean of log p(x) over the distribution that the rows come from.
        sampled: of these, value - bias +- 1.96 Monte-Carlo errors cover the mean of log p(x) over the rows themselves.
        bounds: printed as "at least".
        hold: of these, are below the mean over the rows.
    """

    intervals: int
    cover: int
    sampled: int
    bounds: int
    hold: int


def coverage(latents: int, narrow: float, num_samples: int, *, seeds: int, rows: int = 100) -> Coverage:
    """Estimates log p(x) of new rows with new noise for every seed."""
    model, marginal = linear(latents, narrow)
    population = -marginal.entropy().item()
    found = list[tuple[Estimate, float]]()
    for seed in range(seeds):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            x = marginal.sample((rows,))
        estimate = evaluate.importance_log_likelihood(model, x.float(), num_samples=num_samples, seed=seed)
        found.append((estimate, marginal.log_prob(x).mean().item()))
    intervals = [(each, truth) for each, truth in found if each.converged]
    bounds = [(each, truth) for each, truth in found if not each.converged]
    return Coverage(
        intervals=len(intervals),
        cover=sum(abs(each.value - population) < NORMAL * each.standard_error for each, _ in intervals),
        sampled=sum(abs(each.value - each.bias - truth) < NORMAL * each.monte_carlo_error for each, truth in intervals),
        bounds=len(bounds),
        hold=sum(each.lower < truth for each, truth in bounds),
    )


def main() -> None:
    """Prints a line for each case."""
    print("| latents | q x | k | samples | intervals | cover | of the samples alone | bounds | hold |")
    print("|---|---|---|---|---|---|---|---|---|")
    for latents, narrow, samples in CASES:
        found = coverage(latents, narrow, samples, seeds=200)
        cover, sampled = (_percent(count, found.intervals) for count in (found.cover, found.sampled))
        hold = _percent(found.hold, found.bounds)
        k = max(0.0, 1 - narrow**2)
        print(
            f"| {latents} | {narrow} | {k:.2f} | {samples} | {found.intervals} | {cover} | {sampled} "
            f"| {found.bounds} | {hold} |",
            flush=True,
        )


def _percent(count: int, total: int) -> str:
    return f"{100 * count / total:.0f} %" if total else ""


if __name__ == "__main__":
    main()
