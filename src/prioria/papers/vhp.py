"""The VHP table: a hierarchical prior under REWO and GECO, VampPrior and IWAE (Klushyn et al., NeurIPS 2019)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

from torch import nn

from prioria import likelihoods, nets, posteriors, priors
from prioria.data import Dataset
from prioria.model import VAE
from prioria.objectives import ELBO, GECO, IWAE, REWO, Objective
from prioria.papers.likelihood import measure
from prioria.papers.likelihood_page import page
from prioria.papers.table import SMOKE, Budget, Published, Row, Table
from prioria.train import Run

HIDDEN, LATENTS, AUXILIARY, SAMPLES, COMPONENTS = 300, 32, 32, 16, 500
TARGETS = {  # nats
    "mnist-static": 68.0,
    "mnist": 68.0,
    "fashion-mnist": 215.0,
    "omniglot": 85.0,
    "omniglot28": 85.0,
}

Prior = Callable[[Dataset, nn.Module, nn.Module], nn.Module]


def hierarchical(num_samples: int, data: Dataset, encoder: nn.Module, posterior: nn.Module) -> nn.Module:
    """VHP."""
    return priors.Hierarchical(LATENTS, AUXILIARY, num_samples)


def vamp(data: Dataset, encoder: nn.Module, posterior: nn.Module) -> nn.Module:
    """VampPrior."""
    return priors.VampPrior(encoder, posterior, components=COMPONENTS, inputs=data.dimensions)


def standard(data: Dataset, encoder: nn.Module, posterior: nn.Module) -> nn.Module:
    """N(0, I)."""
    return priors.StandardNormal(LATENTS)


def build(prior: Prior, data: Dataset) -> VAE:
    """The networks of all rows."""
    encoder, posterior = nets.GatedMLP(data.dimensions, HIDDEN, HIDDEN, gated_output=True), _posterior()
    decoder = nets.GatedMLP(LATENTS, HIDDEN, HIDDEN, data.dimensions)
    p = prior(data, encoder, posterior)
    return VAE(encoder=encoder, posterior=posterior, prior=p, likelihood=likelihoods.Bernoulli(decoder))


def rewo(data: Dataset, budget: Budget) -> Objective:
    """The target of the data set, beta from 0.001 to 1."""
    return REWO(ELBO(), f"nats={TARGETS[data.name]}")


def double_loop(data: Dataset, budget: Budget) -> Objective:
    """The poster's first method: prior and model learn in turns."""
    return REWO(ELBO(), f"nats={TARGETS[data.name]}", schedule="double-loop")


def geco(data: Dataset, budget: Budget) -> Objective:
    """The same target, beta from 1 to where GECO takes it."""
    return GECO(ELBO(), f"nats={TARGETS[data.name]}")


def elbo(data: Dataset, budget: Budget) -> Objective:
    """With the budget's warm-up."""
    return ELBO(warmup=budget.warmup)


def iwae(data: Dataset, budget: Budget) -> Objective:
    """16 samples."""
    return IWAE(SAMPLES)


def auxiliary_samples(count: int, run: Run) -> VAE:
    """Returns the model with another count of auxiliary samples for each z."""
    model = copy.deepcopy(run.model)
    prior = model.stages["z"].p
    assert isinstance(prior, priors.Hierarchical)
    prior.num_samples = count
    return model


def _posterior() -> nn.Module:
    return posteriors.Gaussian(HIDDEN, LATENTS, log_variance_bounds=(-6.0, 2.0))


vhp, two_layers = partial(hierarchical, SAMPLES), partial(hierarchical, 1)
ONE = {"1 auxiliary sample for each z": partial(auxiliary_samples, 1)}
LAST = {"weights at the end": Run.last}
MANY = {f"{SAMPLES} auxiliary samples for each z": partial(auxiliary_samples, SAMPLES)}

TABLE = Table(
    name="vhp",
    rows=(
        Row("vhp-rewo", "VHP + REWO", build=partial(build, vhp), objective=rewo, also=ONE),
        Row("vhp-double-loop", "VHP, double loop", build=partial(build, vhp), objective=double_loop, also=ONE),
        Row("vhp-geco", "VHP + GECO", build=partial(build, vhp), objective=geco, also=ONE | LAST),
        Row("vamp", "VampPrior", build=partial(build, vamp), objective=elbo),
        Row("iwae-1", "IWAE (L=1)", build=partial(build, standard), objective=iwae),
        Row("iwae-2", "IWAE (L=2)", build=partial(build, two_layers), objective=iwae, also=MANY),
    ),
    data=("mnist", "mnist-static", "fashion-mnist", "omniglot", "omniglot28"),
    budgets={
        "smoke": SMOKE,
        "quick": Budget(epochs=20, warmup="10 epochs", patience=None, batch_size=100, num_samples=1000, limit=1000),
        "cpu": Budget(epochs=50, warmup="25 epochs", patience=None, batch_size=100, num_samples=5000, limit=1000),
        "gpu": Budget(epochs=1000, warmup="100 epochs", patience=50, batch_size=100, num_samples=5000),
    },
    published=Published.read("vhp"),
    measure=measure,
    page=page,
)
