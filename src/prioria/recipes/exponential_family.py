r"""What the bound costs: a Gaussian mixture with a two-bit code, after the experiment on exponential-family VAEs.

Four Gaussians of unit variance have means for the codes 00, 01, 10, 11. A factorised posterior over the two bits is
exact only if the means form a rectangle, and they do not: trained jointly, the bound rises, the likelihood falls, and
the means move towards a rectangle. Every expectation here is a sum over the four codes, and every population figure a
sum over a grid of x, so nothing is estimated. The second part is semantic hashing: documents as binary codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from prioria import likelihoods, nets, posteriors, priors, theory
from prioria.model import VAE
from prioria.objectives import ELBO
from prioria.storage import write_json, write_text

MEANS = ((1.0, 1.0), (1.0, -1.0), (0.0, 0.0), (-1.0, 0.0))  # of the codes 00, 01, 10, 11
STORY = (
    "Four unit Gaussians, uniform codes, a factorised posterior over two bits (encoder 2-64-64-2). Expectations over x "
    "are sums over a grid, those over z sums over four codes: nothing is estimated. Joint training of the bound gives "
    "up likelihood for means nearer a rectangle, where the posterior factorises."
)
REFERENCE = {
    "log p(x), true means": -3.286571,
    "KL to the posterior, true means": 0.063488,
    "bound, true means": -3.350059,
    "bound, joint": (-3.305, -3.294),
    "log p(x), joint": (-3.300, -3.290),
    "KL to the posterior, joint": (0.0, 0.006),
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
        """How far the means are from a rectangle: 0 if and only if a factorised posterior is exact."""
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
        joint: bound maximised over encoder and means.
        maximum_likelihood: likelihood maximised over the means; the encoder of ``start``.
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
    _maximise(model, x, _bound, list(model.encoder.parameters()), steps=pretraining, learning_rate=learning_rates[0])
    start = population(model, table)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    _maximise(model, x, _likelihood, [table.means], steps=joint, learning_rate=learning_rates[1])
    best = population(model, table)
    model.load_state_dict(weights)
    _maximise(model, x, _bound, list(model.parameters()), steps=joint, learning_rate=learning_rates[1])
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


def _maximise(
    model: VAE,
    x: Tensor,
    what: Callable[[theory.Exact], Tensor],
    parameters: list[nn.Parameter],
    *,
    steps: int,
    learning_rate: float,
) -> None:
    optimiser, states = torch.optim.Adam(parameters, lr=learning_rate), theory.states_of(model, x)
    for _ in range(steps):
        optimiser.zero_grad()
        (-what(theory.exact(model, x, states=states)).mean()).backward()
        optimiser.step()


def reproduce(budget: str, out: Path) -> Path:
    """Runs the experiment and returns its page; "smoke" takes 20 steps in each phase, any other budget 10,000."""
    steps = 20 if budget == "smoke" else 10_000
    return write_page(gaussian_mixture(pretraining=steps, joint=steps), out)


def write_page(found: GaussianMixture, out: Path) -> Path:
    """Writes ``exponential-family.json`` and ``.md``, ours beside the reference values, and returns the latter."""
    write_json(out / "exponential-family.json", asdict(found))
    rows = {
        "log p(x), true means": found.start.log_likelihood,
        "KL to the posterior, true means": found.start.kl,
        "bound, true means": found.start.elbo,
        "bound, joint": found.joint.elbo,
        "log p(x), joint": found.joint.log_likelihood,
        "KL to the posterior, joint": found.joint.kl,
        "log p(x), maximum likelihood": found.maximum_likelihood.log_likelihood,
        "defect of the rectangle, true means": found.start.defect,
        "defect of the rectangle, joint": found.joint.defect,
        "defect of the rectangle, maximum likelihood": found.maximum_likelihood.defect,
    }
    lines = [f"| {name} | {value:.6f} | {_reference(name)} |" for name, value in rows.items()]
    title = "# What the bound costs: Gaussian mixture with a two-bit code"
    table = ["| population quantity (nats) | ours | reference |", "|---|---|---|", *lines, ""]
    write_text(out / "exponential-family.md", "\n".join([title, "", STORY, "", *table]))
    return out / "exponential-family.md"


def _reference(name: str) -> str:
    value = REFERENCE.get(name, "")
    return f"{value[0]} to {value[1]}" if isinstance(value, tuple) else str(value)


def semantic_hashing(
    words: int, bits: int, *, encoder_hidden: tuple[int, ...] = (), decoder_hidden: tuple[int, ...] = ()
) -> VAE:
    """Returns a model of documents as counts of words: a uniform binary code, a softmax over words.

    The theory says that an encoder linear in the counts suffices for a linear decoder: nu(x) are the counts, and
    frequencies would lose the length of a document.

    Args:
        words: size of the vocabulary; x are counts (B, words).
        bits: length of the code.
        encoder_hidden: widths of the encoder's hidden layers; none: linear on counts.
        decoder_hidden: widths of the decoder's hidden layers.
    """
    return VAE(
        encoder=nets.MLP(words, *encoder_hidden, bits, activation="leaky_relu"),
        posterior=posteriors.Bernoulli(None, bits, straight_through=False),
        prior=priors.Bernoulli(bits, uniform=True),
        likelihood=likelihoods.Multinomial(nets.MLP(bits, *decoder_hidden, words, activation="leaky_relu")),
    )


def hashing_objective() -> ELBO:
    """Returns the bound with the unbiased score-function gradient from ten draws."""
    return ELBO(num_samples=10, closed_form_kl=True)
