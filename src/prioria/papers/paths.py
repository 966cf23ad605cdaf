"""Studies of interpolation: the same networks under several priors and objectives, and paths through what they learned.

The poster does not give networks, targets or hyper-parameters; those here are ours, the same for every method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from prioria import explore, likelihoods, nets, posteriors, priors
from prioria.data import Dataset
from prioria.model import VAE
from prioria.objectives import ELBO, GECO, IWAE, REWO, Objective
from prioria.papers.cell import scored
from prioria.papers.table import SMOKE, Budget, Cell, Row, loaded
from prioria.report import constraint, strips
from prioria.train import Run, fit

HIDDEN, SAMPLES, COMPONENTS = 128, 16, 100
FRAMES, NODES, NEIGHBORS, STEPS = 50, 1000, 15, 200

Watch = Callable[[VAE, int], None]


@dataclass(frozen=True)
class Method:
    """A prior and an objective: a row of a study.

    Attributes:
        title: what pages call it.
        prior: data set, encoder, posterior, latents -> prior.
        objective: target -> objective.
        straight: whether straight lines are measured beside its paths.
        training: arguments of ``fit`` beyond those of all methods.
        start: what is done to a model before it is trained; see :func:`unfolded`.
        on_request: names of budgets under which it is run only where it is named.
    """

    title: str
    prior: Callable[[Dataset, nn.Module, nn.Module, int], nn.Module]
    objective: Callable[[str], Objective]
    straight: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)
    start: Callable[[VAE, Dataset], None] | None = None
    on_request: tuple[str, ...] = ("short",)


@dataclass(frozen=True)
class Effort(Budget):
    """What a study may cost.

    Attributes:
        pairs: of test rows that paths join.
        nodes: of the graph.
    """

    pairs: int = 100
    nodes: int = NODES


SMALL = Effort(**asdict(SMOKE), pairs=2, nodes=30)


def hierarchical(data: Dataset, encoder: nn.Module, posterior: nn.Module, latents: int) -> nn.Module:
    """VHP with tanh networks of the width of the model's."""
    return priors.Hierarchical(
        latents, latents, SAMPLES, auxiliary_decoder=_auxiliary(latents), auxiliary_encoder=_auxiliary(latents)
    )


def vamp(data: Dataset, encoder: nn.Module, posterior: nn.Module, latents: int) -> nn.Module:
    """Pseudo-inputs that start at training rows."""
    rows = data.train.batch(torch.randperm(len(data.train))[:COMPONENTS])
    return priors.VampPrior(encoder, posterior, components=COMPONENTS, pseudo_inputs=rows, bounds=None)


def standard(data: Dataset, encoder: nn.Module, posterior: nn.Module, latents: int) -> nn.Module:
    """N(0, I)."""
    return priors.StandardNormal(latents)


def full(data: Dataset, encoder: nn.Module, posterior: nn.Module, latents: int) -> nn.Module:
    """VHP of standardized latents, with full covariances in p(z|zeta) and q(zeta|z)."""
    prior = priors.Hierarchical(
        latents,
        latents,
        SAMPLES,
        auxiliary_decoder=_auxiliary(latents, priors.FullGaussian),
        auxiliary_encoder=_auxiliary(latents, priors.FullGaussian),
    )
    return priors.Standardized(prior, latents)


def mixture(data: Dataset, encoder: nn.Module, posterior: nn.Module, latents: int) -> nn.Module:
    """A free mixture of standardized latents."""
    return priors.Standardized(priors.Mixture(latents, COMPONENTS), latents)


METHODS = {
    "vhp-rewo": Method("VHP + REWO", hierarchical, lambda target: REWO(ELBO(), target), straight=True),
    "vhp-double-loop": Method(
        "VHP, double loop", hierarchical, lambda target: REWO(ELBO(), target, schedule="double-loop")
    ),
    "vhp-geco": Method("VHP + GECO", hierarchical, lambda target: GECO(ELBO(), target)),
    "vamp": Method("VampPrior", vamp, lambda target: ELBO()),
    "iwae": Method("IWAE", standard, lambda target: IWAE(SAMPLES)),
}


def unfolded(model: VAE, data: Dataset) -> None:
    """Starts the encoder at the first principal components of the data, by 200 steps on the squared distance.

    A start at random may lay a ring of data across itself, as seed 3 does on the pendulum: the crossing then stays,
    whatever the prior, as the decoder would have to tear the ring to undo it.
    """
    encoder, stage = model.encoder_of(model.groups[0]), model.top
    x, generator = data.train.tensor(), torch.Generator().manual_seed(0)
    _, axes = torch.linalg.eigh(torch.cov(x.T))  # in rising order; harmonics come in pairs that random ones would mix
    components = (x - x.mean(0)) @ axes[:, -stage.prior(None).event_shape.numel() :]
    components /= components.std(0)
    optimizer = torch.optim.Adam([*encoder.parameters(), *stage.q.parameters()], lr=1e-3)
    for _ in range(STEPS):
        rows = torch.randint(len(x), (100,), generator=generator)
        loss = (stage.q(encoder(x[rows])).mean - components[rows]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


# One schedule: cosine, and a prior that learns three times as fast as the model, a mixture also ten times as fast.
FAST: dict[str, Any] = {"training": {"schedule": "cosine", "prior_learning_rate": 3e-3}, "on_request": ("cpu", "gpu")}
FASTER: dict[str, Any] = FAST | {"training": {"schedule": "cosine", "prior_learning_rate": 1e-2}}
FITTED = {
    "vhp-full-rewo": Method("VHP, full covariances + REWO", full, lambda target: REWO(ELBO(), target), **FAST),
    "vhp-full-geco": Method("VHP, full covariances + GECO", full, lambda target: GECO(ELBO(), target), **FAST),
    "vamp-fast": Method("VampPrior, same schedule", vamp, lambda target: ELBO(), **FAST),
    "mixture-rewo": Method("mixture, standardized + REWO", mixture, lambda target: REWO(ELBO(), target), **FAST),
    "mixture-rewo-fast": Method(
        "mixture, standardized + REWO, prior 10 times as fast",
        mixture,
        lambda target: REWO(ELBO(), target),
        **FASTER,
    ),
}
UNFOLDED = {  # the same from an encoder that starts at principal components
    f"{name}-unfolded": replace(
        method, title=f"{method.title}, unfolded start", start=unfolded, on_request=("smoke", "cpu", "gpu")
    )
    for name, method in FITTED.items()
}


def rows(*names: str) -> tuple[Row, ...]:
    """Returns methods as rows of a table."""
    return tuple(Row(name, method_of(name).title, on_request=method_of(name).on_request) for name in names)


def method_of(name: str) -> Method:
    """Returns the method of a row."""
    return (METHODS | FITTED | UNFOLDED)[name]


def trained(cell: Cell, *, scale: float, target: str, latents: int = 2, watch: Watch | None = None) -> Run:
    """Trains a method, or goes on with its run; the model has the weights of the end, as the poster compares them.

    Args:
        cell: of a method.
        scale: standard deviation of p(x|z), fixed.
        target: of REWO and GECO.
        latents: dimensions of z.
        watch: called at the start of each step with the model and the number of steps done.
    """
    torch.manual_seed(cell.seed)
    method, data = method_of(cell.row.name), cell.dataset
    encoder = nets.MLP(data.dimensions, HIDDEN, HIDDEN, activation="tanh", activate_output=True)
    posterior = posteriors.Gaussian(HIDDEN, latents)
    decoder = nets.MLP(latents, HIDDEN, HIDDEN, data.dimensions, activation="tanh")
    model = VAE(
        encoder=encoder,
        posterior=posterior,
        prior=method.prior(loaded(cell.data), encoder, posterior, latents),
        likelihood=likelihoods.Gaussian(decoder, scale=scale),
    )
    if method.start is not None and not (cell.folder / "run.json").exists():
        method.start(model, data)
    objective = method.objective(target)
    if watch is not None:
        objective.register_forward_pre_hook(lambda _, arguments: _seen(watch, model, arguments))
    run = fit(
        model,
        objective,
        data,
        epochs=cell.budget.epochs_on(data),
        batch_size=cell.budget.batch_size,
        learning_rate=1e-3,
        seed=cell.seed,
        out=cell.folder,
        resume=True,
        **method.training,
    )
    return replace(run, model=run.last())


def effort(cell: Cell) -> Effort:
    """Returns the budget of a cell of a study."""
    assert isinstance(cell.budget, Effort)
    return cell.budget


def graph_of(cell: Cell, model: VAE, *, mutual: bool = False) -> explore.Graph:
    """Returns the graph of prior samples that paths go through, the union of neighbors or mutual ones alone."""
    nodes = effort(cell).nodes
    return explore.latent_graph(model, nodes=nodes, neighbors=min(NEIGHBORS, nodes - 1), mutual=mutual)


def constraint_of(run: Run) -> dict[str, Any]:
    """Returns beta at the end of a run with GECO or REWO, and whether its target is met; None for other runs."""
    last = [line for line in run.history if line["split"] == "train"][-1]
    met = constraint.verdict(run.history) if constraint.is_constrained(run.history) else None
    return {"beta": last.get("beta"), "verdict": met}


def reconstruction_error(cell: Cell, model: VAE) -> float:
    """Returns the root mean squared error of the reconstructed test rows."""
    x, _ = scored(cell)
    return (x - explore.decoded(model, model.encode(x))).square().mean().sqrt().item()


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


def path_of(cell: Cell, *, rows: Tensor | None = None) -> strips.Strip:
    """Returns the drawing of a path between two test rows, among some row numbers or all; the same two for each run."""
    run = Run.load(cell.folder, data=cell.dataset)
    model = run.last()
    paths = explore.interpolate(model, graph_of(cell, model), *pairs_of(run.data, 1, rows=rows))
    return strips.strips_of(paths, run.data.protocol)[0]


def _auxiliary(latents: int, kind: Callable[..., nn.Module] = priors.Gaussian) -> nn.Module:
    layers = nets.MLP(latents, HIDDEN, HIDDEN, activation="tanh", activate_output=True)
    return kind(HIDDEN, latents, net=layers, log_variance_bounds=(-10.0, 5.0))


def _seen(watch: Watch, model: VAE, arguments: tuple) -> None:
    progress = arguments[1] if len(arguments) > 1 else None  # a check before training has none
    if progress is not None:  # validation has none
        watch(model, progress.step)
