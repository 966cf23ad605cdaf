"""Studies of interpolation: the same networks under several priors and objectives, and paths through what they learned.

The poster does not give networks, targets or hyper-parameters; those here are ours, the same for every method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from prioria import explore, likelihoods, nets, posteriors, priors
from prioria.data import Dataset, Split
from prioria.model import VAE
from prioria.objectives import ELBO, GECO, IWAE, REWO, Objective
from prioria.train import Run, fit

HIDDEN, LATENTS, SAMPLES, COMPONENTS = 128, 2, 16, 100
FRAMES, NODES, NEIGHBOURS = 50, 1000, 15

Watch = Callable[[VAE, int], None]


@dataclass(frozen=True)
class Method:
    """A prior and an objective: a row of a study.

    Attributes:
        title: what pages call it.
        prior: data set, encoder, posterior -> prior.
        objective: target -> objective.
    """

    title: str
    prior: Callable[[Dataset, nn.Module, nn.Module], nn.Module]
    objective: Callable[[str], Objective]


@dataclass(frozen=True)
class Effort:
    """What a study may cost.

    Attributes:
        epochs: of each method.
        pairs: of test rows that paths join.
        nodes: of the graph.
        rows: of training and validation, the first ones; None for all.
    """

    epochs: int
    pairs: int
    nodes: int = NODES
    rows: int | None = None

    def of(self, data: Dataset) -> Dataset:
        """Returns the data with as many rows as may be used."""
        if self.rows is None:
            return data
        return replace(data, train=_first(data.train, self.rows), validation=_first(data.validation, self.rows))


def hierarchical(data: Dataset, encoder: nn.Module, posterior: nn.Module) -> nn.Module:
    """VHP with tanh networks of the width of the model's."""
    return priors.Hierarchical(
        LATENTS, LATENTS, SAMPLES, auxiliary_decoder=_auxiliary(), auxiliary_encoder=_auxiliary()
    )


def vamp(data: Dataset, encoder: nn.Module, posterior: nn.Module) -> nn.Module:
    """Pseudo-inputs that start at training rows."""
    rows = data.train.batch(torch.randperm(len(data.train))[:COMPONENTS])
    return priors.VampPrior(encoder, posterior, components=COMPONENTS, pseudo_inputs=rows, bounds=None)


def standard(data: Dataset, encoder: nn.Module, posterior: nn.Module) -> nn.Module:
    """N(0, I)."""
    return priors.StandardNormal(LATENTS)


METHODS = {
    "vhp-rewo": Method("VHP + REWO", hierarchical, lambda target: REWO(ELBO(), target)),
    "vhp-geco": Method("VHP + GECO", hierarchical, lambda target: GECO(ELBO(), target)),
    "vamp": Method("VampPrior", vamp, lambda target: ELBO()),
    "iwae": Method("IWAE", standard, lambda target: IWAE(SAMPLES)),
}


def trained(
    name: str, data: Dataset, *, scale: float, target: str, epochs: int, out: Path, watch: Watch | None = None
) -> Run:
    """Trains a method, or goes on with its run; the model has the weights of the end, as the poster compares them.

    Args:
        name: of the method.
        data: what on.
        scale: standard deviation of p(x|z), fixed.
        target: of REWO and GECO.
        epochs: how long.
        out: folder of the run.
        watch: called at the start of each step with the model and the number of steps done.
    """
    torch.manual_seed(0)
    method = METHODS[name]
    encoder = nets.MLP(data.dimensions, HIDDEN, HIDDEN, activation="tanh", activate_output=True)
    posterior = posteriors.Gaussian(HIDDEN, LATENTS)
    decoder = nets.MLP(LATENTS, HIDDEN, HIDDEN, data.dimensions, activation="tanh")
    model = VAE(
        encoder=encoder,
        posterior=posterior,
        prior=method.prior(data, encoder, posterior),
        likelihood=likelihoods.Gaussian(decoder, scale=scale),
    )
    objective = method.objective(target)
    if watch is not None:
        objective.register_forward_pre_hook(lambda _, arguments: _seen(watch, model, arguments))
    run = fit(model, objective, data, epochs=epochs, learning_rate=1e-3, seed=0, out=out, resume=True)
    return replace(run, model=run.last())


def pairs_of(data: Dataset, count: int, *, rows: Tensor | None = None, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draws pairs of test rows, among some row numbers or all.

    Args:
        data: whose test split.
        count: pairs.
        rows: numbers of the rows to draw from.
        seed: of the draw.
    """
    among = torch.arange(len(data.test)) if rows is None else rows
    generator = torch.Generator().manual_seed(seed)
    chosen = among[torch.randperm(len(among), generator=generator)[: 2 * count]]
    return data.test.batch(chosen[:count]), data.test.batch(chosen[count:])


def frames_of(model: VAE, paths: Sequence[explore.Path]) -> Tensor:
    """Returns the paths with their edges at 50 points of equal distance, decoded (P, 50, D)."""
    return torch.stack([explore.decoded(model, explore.resample(path.z, FRAMES)) for path in paths])


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _auxiliary() -> nn.Module:
    layers = nets.MLP(LATENTS, HIDDEN, HIDDEN, activation="tanh", activate_output=True)
    return priors.Gaussian(HIDDEN, LATENTS, net=layers, log_variance_bounds=(-10.0, 5.0))


def _first(split: Split, count: int) -> Split:
    return replace(split, rows=split.rows[:count], labels=None)


def _seen(watch: Watch, model: VAE, arguments: tuple) -> None:
    progress = arguments[1]
    if progress is not None:  # validation has none
        watch(model, progress.step)
