r"""What the bound costs: a Gaussian mixture with a two-bit code, after the experiment on exponential-family VAEs.

Four Gaussians of unit variance have means for the codes 00, 01, 10, 11. A factorized posterior over the two bits is
exact only if the means form a rectangle, and they do not: trained jointly, the bound rises, the likelihood falls, and
the means move towards a rectangle. Every expectation here is a sum over the four codes, and every population figure a
sum over a grid of x, so nothing is estimated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from prioria import likelihoods, nets, posteriors, priors, theory
from prioria.model import VAE
from prioria.papers.columns import PROTOCOL, ROW, Case, Column, cases, listing
from prioria.papers.page import compose
from prioria.papers.table import Budget, Cell, Published, Result, Row, Table
from prioria.report.listing import Entry, Listing, Page

MEANS = ((1.0, 1.0), (1.0, -1.0), (0.0, 0.0), (-1.0, 0.0))  # of the codes 00, 01, 10, 11
STORY = (
    "Four unit Gaussians, uniform codes, a factorized posterior over two bits (encoder 2-64-64-2). Expectations over x "
    "are sums over a grid, those over z sums over four codes: nothing is estimated. Joint training of the bound gives "
    "up likelihood for means nearer a rectangle, where the posterior factorizes."
)
REFERENCE = {
    "log p(x), true means": -3.286571,
    "KL to the posterior, true means": 0.063488,
    "bound, true means": -3.350059,
    "bound, joint": (-3.305, -3.294),
    "log p(x), joint": (-3.300, -3.290),
    "KL to the posterior, joint": (0.0, 0.006),
}
REACH = 0.0005  # of a reference without a range: the encoder is trained, not the best one

PUBLISHED = Published(
    title="What the bound costs: Gaussian mixture with a two-bit code",
    source="A. Shekhovtsov, D. Schlesinger and B. Flach, VAE Approximation Error, ICLR 2022",
    protocol="Its figures show no numbers that could stand here: the reference column has the population's values by "
    "quadrature and, for joint training, the ranges that a repetition must meet.",
    unit="nats",
    cells={},
)
QUANTITIES = {  # name -> where it is in a result
    "log p(x), true means": "start.log_likelihood",
    "KL to the posterior, true means": "start.kl",
    "bound, true means": "start.elbo",
    "bound, joint": "joint.elbo",
    "log p(x), joint": "joint.log_likelihood",
    "KL to the posterior, joint": "joint.kl",
    "log p(x), maximum likelihood": "maximum_likelihood.log_likelihood",
    "defect of the rectangle, true means": "start.defect",
    "defect of the rectangle, joint": "joint.defect",
    "defect of the rectangle, maximum likelihood": "maximum_likelihood.defect",
}


class CodeTable(nn.Module):
    """A mean for each two-bit code: any function of a code, written as a table."""

    def __init__(self, means: Iterable[tuple[float, float]]) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.tensor(tuple(means)))

    def forward(self, z: Tensor) -> Tensor:
        first, second = z.unbind(-1)
        chosen = torch.stack(
            [(1 - first) * (1 - second), (1 - first) * second, first * (1 - second), first * second], -1
        )
        return chosen @ self.means

    @property
    def defect(self) -> float:
        """How far the means are from a rectangle: 0 if and only if a factorized posterior is exact."""
        a, b, c, d = self.means.detach()  # 00, 01, 10, 11
        skew, lengths = d - c - b + a, torch.stack([d, -c, -b, a]) * torch.stack([d, c, b, a])
        return (skew.square().sum() + lengths.sum().square()).sqrt().item()


@dataclass(frozen=True)
class Population:
    """Expectations under the true mixture, in nats, by a sum over a grid."""

    log_likelihood: float
    elbo: float
    kl: float
    defect: float


@dataclass(frozen=True)
class GaussianMixture:
    """The experiment: true means with the best encoder, after joint training, and at the maximum of the likelihood.

    Attributes:
        start: the true means; the encoder alone was trained.
        joint: bound maximized over encoder and means.
        maximum_likelihood: likelihood maximized over the means; the encoder of ``start``.
    """

    start: Population
    joint: Population
    maximum_likelihood: Population


def gaussian_mixture(
    *,
    seed: int = 0,
    examples: int = 2000,
    pretraining: int = 10_000,
    joint: int = 10_000,
    learning_rates: tuple[float, float] = (1e-3, 1e-4),
) -> GaussianMixture:
    """Runs the experiment: encoder 2-64-64-2 (ReLU), full batch, Adam, the encoder first and then encoder and means.

    Args:
        seed: of data and weights.
        examples: draws from the mixture to train on.
        pretraining: steps of the encoder alone.
        joint: steps of encoder and means, and of the means alone for the maximum of the likelihood.
        learning_rates: of the encoder alone, and afterwards.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        x = torch.tensor(MEANS)[torch.randint(4, (examples,))] + torch.randn(examples, 2)
        model, table = two_bit_model()
    _maximize(model, x, _bound, list(model.encoder.parameters()), steps=pretraining, learning_rate=learning_rates[0])
    start = population(model, table)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    _maximize(model, x, _likelihood, [table.means], steps=joint, learning_rate=learning_rates[1])
    best = population(model, table)
    model.load_state_dict(weights)
    _maximize(model, x, _bound, list(model.parameters()), steps=joint, learning_rate=learning_rates[1])
    return GaussianMixture(start, population(model, table), best)


def two_bit_model() -> tuple[VAE, CodeTable]:
    """Returns the model with the true means, and the table that holds them."""
    table = CodeTable(MEANS)
    model = VAE(
        encoder=nets.MLP(2, 64, 64, 2),
        posterior=posteriors.Bernoulli(None, 2),
        prior=priors.Bernoulli(2, uniform=True),
        likelihood=likelihoods.Gaussian(table),
    )
    return model, table


@torch.no_grad()
def population(model: VAE, table: CodeTable, *, reach: float = 7.0, points: int = 201) -> Population:
    """Returns expectations under the true mixture of a model's exact likelihood and bound."""
    axis = torch.linspace(-reach, reach, points)
    grid, cell = torch.cartesian_prod(axis, axis), (2 * reach / (points - 1)) ** 2
    distance = (grid.unsqueeze(1) - torch.tensor(MEANS)).square().sum(-1).double()
    mass = (-0.5 * distance).exp().mean(1) / (2 * torch.pi) * cell
    found = theory.exact(model, grid)
    log_likelihood, elbo = (mass @ found.log_likelihood).item(), (mass @ found.elbo).item()
    return Population(log_likelihood, elbo, log_likelihood - elbo, table.defect)


def _bound(found: theory.Exact) -> Tensor:
    return found.elbo


def _likelihood(found: theory.Exact) -> Tensor:
    return found.log_likelihood


def _maximize(
    model: VAE,
    x: Tensor,
    what: Callable[[theory.Exact], Tensor],
    parameters: list[nn.Parameter],
    *,
    steps: int,
    learning_rate: float,
) -> None:
    optimizer, states = torch.optim.Adam(parameters, lr=learning_rate), theory.states_of(model, x)
    for _ in range(steps):
        optimizer.zero_grad()
        (-what(theory.exact(model, x, states=states)).mean()).backward()
        optimizer.step()


def measure(cell: Cell) -> Result:
    """Runs the experiment; an epoch is a step, as the batch is the whole data."""
    start, steps = time.perf_counter(), cell.budget.steps
    assert steps is not None
    found = gaussian_mixture(seed=cell.seed, pretraining=steps, joint=steps)
    return asdict(found) | {"split": "population", "seconds": {"training": round(time.perf_counter() - start)}}


def page(table: Table, out: Path, cells: Sequence[Cell]) -> Page:
    """Returns the page of all results below ``out``, ours beside the reference values."""
    found = cases(table, out)
    quantities = Listing(
        "",
        ("population quantity (nats)", *(f"ours, {case.budget}" for case in found), "reference", "holds"),
        [
            Entry(
                [name, *(Column("", path, ".6f").text(case) for case in found), _reference(name), _holds(name, found)]
            )
            for name, path in QUANTITIES.items()
        ],
    )
    runs = [listing("Runs", found, (ROW,), PROTOCOL)] if found else []
    made = compose(table, out, [quantities, *runs], likelihoods=False, curve=False)
    return replace(made, lead=[*made.lead, STORY])


def _reference(name: str) -> str:
    value = REFERENCE.get(name, "")
    return f"{value[0]} to {value[1]}" if isinstance(value, tuple) else str(value)


def _holds(name: str, found: Sequence[Case]) -> str:
    """Says whether every run is within the range of the reference, or within its reach of a single value."""
    reference = REFERENCE.get(name)
    if reference is None or not found:
        return ""
    low, high = reference if isinstance(reference, tuple) else (reference - REACH, reference + REACH)
    return "yes" if all(low <= value <= high for case in found for value in case.values(QUANTITIES[name])) else "no"


TABLE = Table(
    name="exponential-family",
    rows=(Row("two-bit-code", "mixture of four Gaussians with a two-bit code"),),
    data=("four-gaussians",),
    budgets={"smoke": Budget(steps=20), "cpu": Budget(steps=10_000), "gpu": Budget(steps=10_000)},
    published=PUBLISHED,
    measure=measure,
    page=page,
)
