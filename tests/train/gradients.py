"""The gradients of one step of every objective; run alone, or by torchrun in several processes.

The noise of z is held: a function of the posterior's mean, the same in whatever process a row is. All other noise, such
as bits of dynamic data, draws of a prior and permutations, is that of training.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Size, Tensor, nn
from torch.distributions import Independent, Normal

from prioria import VAE, data, likelihoods, nets, objectives, posteriors, priors
from prioria.data import Dataset
from prioria.stage import Stage
from prioria.train import fit
from prioria.train.optimizer import Optimizer
from tests.train.small import digits

Objectives = dict[str, Callable[[], objectives.Objective]]

OBJECTIVES: Objectives = {
    "elbo": objectives.ELBO,
    "free bits": lambda: objectives.ELBO(free_bits=2.0),
    "closed kl": lambda: objectives.ELBO(beta=2.0, closed_form_kl=True),
    "balance": lambda: objectives.ELBO(warmup="3 steps", balance=True),
    "iwae": lambda: objectives.IWAE(num_samples=3),
    "capacity": lambda: objectives.Capacity(1.0, warmup=None),
    "capacity out of reach": lambda: objectives.Capacity(4.5, warmup=None),
    "capacity as released": lambda: objectives.Capacity(4.5, warmup=None, as_released=True),
    "minibatch": lambda: objectives.BetaTC(6.0, alpha=0.5, gamma=2.0),
    "stratified": lambda: objectives.BetaTC(6.0, tc=objectives.Stratified()),
    "density ratio": lambda: objectives.FactorVAE(3.0, latents=2, hidden=8, layers=2),
    "infovae": objectives.InfoVAE,
    "infovae unbiased": lambda: objectives.InfoVAE(unbiased=True, kernel=objectives.InverseMultiquadratic()),
    "geco": lambda: objectives.GECO(objectives.ELBO(), "nats=20"),
    "rewo": lambda: objectives.REWO(objectives.ELBO(), "nats-per-dim=0.3"),
}


class Held(Normal):
    """A Gaussian whose noise is a smooth function of its mean."""

    def rsample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        mean = self.loc.detach()
        draws = torch.arange(math.prod(sample_shape)).reshape(*sample_shape, *[1] * mean.dim())
        return self.loc + self.scale * 2 * torch.sin(7 * mean + draws)


class HeldGaussian(posteriors.Gaussian):
    def forward(self, context: Tensor | None = None) -> Independent:
        found = super().forward(context).base_dist
        return Independent(Held(found.loc, found.scale, validate_args=False), 1, validate_args=False)


class Double(nn.Module):
    """A network in double precision for data in single: what two processes add in another order stays below 1e-6."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.unit = net.double(), nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.net((self.unit * x).double())


def model(levels: int, standard: bool) -> VAE:
    torch.manual_seed(4)
    encoder, q = Double(nets.GatedMLP(64, 10, gated_output=True)), HeldGaussian(10, 2).double()
    prior = priors.StandardNormal(2).double() if standard else priors.VampPrior(encoder, q, components=4, inputs=64)
    if levels == 1:
        likelihood = likelihoods.Bernoulli(nets.GatedMLP(2, 10, 64)).double()
        return VAE(encoder=encoder, posterior=q, prior=prior, likelihood=likelihood)
    below = Stage(prior=posteriors.Gaussian(2, 3).double(), posterior=HeldGaussian(12, 3).double())
    likelihood = likelihoods.Bernoulli(nets.GatedMLP(5, 10, 64)).double()
    return VAE(encoder=encoder, stages={"z2": Stage(prior=prior, posterior=q), "z1": below}, likelihood=likelihood)


def fixed() -> Dataset:
    """Digits whose bits were drawn once; small.digits draws them afresh for every batch."""
    torch.manual_seed(0)
    return data.load(data.load("digits").train.batch(torch.arange(150)).reshape(-1, 1, 8, 8).numpy())


def gradients(objective: objectives.Objective, rows: Dataset, levels: int) -> dict[str, Tensor]:
    """Returns the gradients of the second step, and the loss, as an optimizer sees them."""
    found: dict[str, Tensor] = {}
    prepare = Optimizer.prepare

    def noting(self: Optimizer, frozen: set[nn.Parameter]) -> Tensor:
        parameters = [p for group in self.groups for p in group.parameters]
        found.update({str(number): p.grad.clone() for number, p in enumerate(parameters) if p.grad is not None})
        return prepare(self, frozen)

    Optimizer.prepare = noting  # type: ignore[method-assign]
    try:
        batch = len(rows.train) // 2  # two steps, of shares that are not equal where it is odd
        options = {"epochs": 1, "batch_size": batch, "learning_rate": 1e-4, "log_every": 1, "progress": False}
        closed = getattr(objective, "closed_form_kl", False)
        run = fit(model(levels, standard=closed), objective, rows, **options)
    finally:
        Optimizer.prepare = prepare  # type: ignore[method-assign]
    return found | {"loss": torch.tensor(run.history[1]["loss"])}


def main(out: Path) -> None:
    for kind, rows in {"fixed": fixed(), "dynamic": digits(118)}.items():
        assert rows.train.fresh == (kind == "dynamic")
        for name, make in OBJECTIVES.items():
            for levels in (1, 2):
                if os.environ.get("RANK", "0") == "0":
                    print(kind, name, levels, flush=True)
                found = gradients(make(), rows, levels)
                if os.environ.get("RANK", "0") == "0":
                    save_file(found, out / f"{kind}, {name}, levels {levels}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
