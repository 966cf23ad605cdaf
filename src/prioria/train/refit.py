"""Another prior for a model that is already trained: its encoder and decoder stay as they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prioria.atomic import check_place
from prioria.data import Dataset
from prioria.distributions import take
from prioria.evaluate import Divergence, Estimate, elbo, nearest_neighbor_kl, symmetric_kl
from prioria.evaluate.aggregate import aggregate_draws, aggregate_posterior, has_aggregate_density
from prioria.evaluate.sampling import device_of, has_density, measuring, seed_generators
from prioria.model import VAE, evaluation_mode
from prioria.module import describe
from prioria.objectives.probe import probe
from prioria.storage import write_text
from prioria.train import run as runs
from prioria.train.log import NAME as METRICS
from prioria.train.log import Line
from prioria.train.run import BEST, Run

DRAWS = 50_000  # that stand for the aggregate posterior of a flow, whose density elsewhere is unknown
HELD_OUT = 5000  # draws of posteriors: of validation rows to choose the best weights, of test rows to say how they fit


@dataclass(frozen=True)
class PriorFit:
    """How well a prior fits the encodings of a model, on test rows, which chose nothing.

    Attributes:
        log_prior: mean log p(z) of draws from the test rows' posteriors, nats.
        elbo: evidence lower bound on the test rows; None where a point stands for the posterior.
        divergence: symmetric KL to the aggregate posterior of the training rows; None as well there, as it is infinite.
    """

    log_prior: float
    elbo: Estimate | None
    divergence: Divergence | None

    def to_json(self) -> dict[str, Any]:
        """Returns all as JSON values."""
        found = {"elbo": self.elbo, "divergence": self.divergence}
        return {"log_prior": self.log_prior} | {k: each and each.to_json() for k, each in found.items()}


@dataclass(frozen=True)
class Refit:
    """A model with another prior.

    Attributes:
        model: it shares encoder, posterior and likelihood with the one it was made from.
        before: the fit of the prior that it had.
        after: the fit of the prior that it has.
        history: -E log p(z) of training and held-out draws, nats.
        path: the folder of the new run, or None.
    """

    model: VAE
    before: PriorFit
    after: PriorFit
    history: list[Line]
    path: Path | None = None

    def __str__(self) -> str:
        rows = [
            ("ELBO", self.before.elbo, self.after.elbo),
            ("sKL", self.before.divergence, self.after.divergence),
            ("E log p(z)", f"{self.before.log_prior:.2f}", f"{self.after.log_prior:.2f}"),
        ]
        known = [row for row in rows if row[1] is not None]
        return "\n".join(f"{name:<10} before {before}\n           after  {after}" for name, before, after in known)


def refit_prior(
    source: Run | VAE,
    prior: nn.Module,
    data: Dataset | None = None,
    *,
    steps: int = 3000,
    batch_size: int = 500,
    learning_rate: float = 1e-3,
    check_every: int = 100,
    seed: int = 0,
    out: str | Path | None = None,
) -> Refit:
    r"""Fits a prior to the frozen encoder of a trained model: it maximizes E_{q(z)} log p(z) of the training rows.

    z are fresh draws from the posteriors of training rows, of new bits where these are drawn for every batch, and the
    best weights those with the highest mean log p(z) of draws from validation rows. A prior without parameters is put
    in its place as it is. The distortion and the posterior do not change, so that the bound moves by as much as
    E log p(z).

    Args:
        source: a run, or a model (then ``data`` is needed).
        prior: of the top group; a VampPrior must be built on the model's own encoder and posterior.
        data: the data, if not the run's.
        steps: of Adam.
        batch_size: draws in a step.
        learning_rate: of Adam.
        check_every: steps between two looks at the held-out draws.
        seed: of the draws.
        out: folder of a new run, which every command reads as it does the first; for a ``Run`` source only.

    Raises:
        ValueError: no data, a posterior that depends on the prior (a fused top group), a prior over real numbers where
            the latents are bits, a folder that holds a run already, a model with no run whose specification the new
            one could repeat, or steps, draws or a learning rate that are not positive.
    """
    for name, value in {"steps": steps, "batch_size": batch_size, "check_every": check_every}.items():
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    if not learning_rate > 0:
        raise ValueError(f"learning_rate={learning_rate} must be positive")
    model, data, folder = _source(source, data, out)
    refitted = with_prior(model, prior.to(device_of(model)))
    probe(refitted)
    held_out = aggregate_draws(model, data.validation, num_samples=HELD_OUT, seed=seed)
    before = _fit_of(model, data, seed)
    with evaluation_mode(refitted), torch.random.fork_rng():
        torch.manual_seed(seed)
        draws = _draws(model, data, batch_size, seed)
        history = _maximize(prior, draws, held_out, steps=steps, learning_rate=learning_rate, check_every=check_every)
    found = Refit(refitted, before, _fit_of(refitted, data, seed), history, folder)
    if folder is not None and isinstance(source, Run):
        _write(found, source, folder)
    return found


def with_prior(model: VAE, prior: nn.Module) -> VAE:
    """Returns a model with another prior of the top group; all else is shared.

    Raises:
        ValueError: the posterior of the top group depends on its prior (a stage that is fused there, too).
    """
    top = model.top.with_prior(prior)
    encoder = dict(model.encoder.items()) if set(model.encoder) == set(model.groups) else model.encoder["x"]
    found = VAE(encoder=encoder, likelihood=model.likelihood, stages={**model.stages, model.groups[0]: top})
    found.protocol = model.protocol
    return found


def _source(source: Run | VAE, data: Dataset | None, out: str | Path | None) -> tuple[VAE, Dataset, Path | None]:
    model = source.model if isinstance(source, Run) else source
    data = source.data if data is None and isinstance(source, Run) else data
    if data is None:
        raise ValueError("data=None: a model alone does not know its data; pass the Dataset, or the run")
    if out is None:
        return model, data, None
    if not isinstance(source, Run) or source.path is None:
        raise ValueError(f"out={str(out)!r}: only a run that is in a folder can be repeated with another prior")
    if runs.exists(Path(out)):
        raise ValueError(f"out={str(out)!r} holds a run already; choose another folder")
    check_place(Path(out) / runs.SPECIFICATION)
    return model, data, Path(out)


def _maximize(
    prior: nn.Module, draws: Iterator[Tensor], held_out: Tensor, *, steps: int, learning_rate: float, check_every: int
) -> list[Line]:
    parameters = [parameter for parameter in prior.parameters() if parameter.requires_grad]
    best, history = _check(prior, held_out, 0), []
    kept = _weights(prior)
    history.append(best | {"best": True})
    optimizer = torch.optim.Adam(parameters, learning_rate) if parameters else None
    for step in range(1, steps + 1 if optimizer else 1):
        loss = _step(prior, parameters, next(draws), optimizer)
        if step % check_every == 0 or step == steps:
            now = _check(prior, held_out, step)
            better = now["loss"] < best["loss"]
            history += [{"split": "train", "step": step, "loss": loss}, now | {"best": better}]
            if better:
                best, kept = now, _weights(prior)
    prior.load_state_dict(kept)
    return history


def _step(
    prior: nn.Module, parameters: list[nn.Parameter], z: Tensor, optimizer: torch.optim.Optimizer | None
) -> float:
    assert optimizer is not None
    loss = -prior(None).log_prob(z).mean()
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient  # and none in the encoder, which a VampPrior runs
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


@torch.no_grad()
def _check(prior: nn.Module, held_out: Tensor, step: int) -> Line:
    return {"split": "validation", "step": step, "loss": -prior(None).log_prob(held_out).mean().item()}


def _weights(prior: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in prior.state_dict().items()}


def _draws(model: VAE, data: Dataset, batch: int, seed: int) -> Iterator[Tensor]:
    if data.train.fresh:  # stored posteriors would know one draw of the bits of each row
        while True:
            yield _encoded(model, data.train.batch(torch.randint(len(data.train), (batch,))))
    if not has_aggregate_density(model, data.train):  # a flow, or a point: draws alone
        stored = aggregate_draws(model, data.train, num_samples=DRAWS, seed=seed)
        while True:
            yield stored[torch.randint(len(stored), (batch,))]
    posteriors = aggregate_posterior(model, data.train, seed=seed).components
    while True:
        yield take(posteriors, torch.randint(posteriors.batch_shape[0], (batch,))).sample()


@torch.no_grad()
def _encoded(model: VAE, x: Tensor) -> Tensor:
    return model.condition(x.to(device_of(model))).top[1].sample()


def _fit_of(model: VAE, data: Dataset, seed: int) -> PriorFit:
    z = aggregate_draws(model, data.test, num_samples=HELD_OUT, seed=seed)
    with measuring(model):
        seed_generators(device_of(model), (seed, HELD_OUT))  # of a prior whose density is estimated
        log_prior = model.top.prior(None).log_prob(z).mean().item()
    if not has_density(model):
        return PriorFit(log_prior, None, None)
    bound = elbo(model, data.test, num_samples=10, seed=seed)
    divergence = symmetric_kl if has_aggregate_density(model, data.train) else nearest_neighbor_kl
    return PriorFit(log_prior, bound, divergence(model, data.train, seed=seed))


def _write(found: Refit, source: Run, folder: Path) -> None:
    assert source.path is not None
    specification = runs.read_specification(source.path)
    specification["step"]["args"]["model"] = describe(found.model)
    lines = "".join(json.dumps(line) + "\n" for line in found.history)
    specification["refit"] = {
        "from": str(source.path),
        "before": found.before.to_json(),
        "after": found.after.to_json(),
        "metrics": hashlib.sha256(lines.encode()).hexdigest(),
    }
    found.model.save(folder / BEST)
    write_text(folder / METRICS, lines)
    runs.write_specification(folder, specification)
