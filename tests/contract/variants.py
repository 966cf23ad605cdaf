"""The one list of all variants. A new prior, posterior, structure, likelihood or objective adds one entry here.

Every axis has a size of its own, so that a broadcast along the wrong one fails.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from prioria import VAE, likelihoods, nets, objectives, posteriors, priors, stages, starts
from tests.contract.standins import FeatureMapStage, FusedStage, OpaqueFlow
from tests.contract.structured import structures

INPUTS, FEATURES, LATENTS, LOWER, COMPONENTS = 6, 7, 2, 4, 3

# One column of each kind; rows of bits are legal values of all of them.
SCHEMA = {
    "columns": [
        {"name": "height", "kind": "real"},
        {"name": "price", "kind": "positive", "treatment": "log", "center": 1.0, "scale": 2.0},
        {"name": "visits", "kind": "count"},
        {"name": "sex", "kind": "binary", "levels": ["f", "m"]},
        {"name": "color", "kind": "category", "levels": ["red", "green", "blue"]},
        {"name": "grade", "kind": "ordinal", "levels": ["low", "middle", "high"]},
    ]
}

PriorFactory = Callable[[nn.Module, nn.Module, int], nn.Module]

PRIORS: dict[str, PriorFactory] = {
    "standard": lambda encoder, posterior, latents: priors.StandardNormal(latents),
    "mixture": lambda encoder, posterior, latents: priors.Mixture(latents, COMPONENTS),
    "weighted-mixture": lambda encoder, posterior, latents: priors.Mixture(latents, COMPONENTS, learned_weights=True),
    "vamp": lambda encoder, posterior, latents: priors.VampPrior(
        encoder, posterior, components=COMPONENTS, inputs=INPUTS, initial=(0.5, 0.2)
    ),
    "vamp-data": lambda encoder, posterior, latents: priors.VampPrior(
        encoder,
        posterior,
        components=COMPONENTS,
        pseudo_inputs=torch.rand(COMPONENTS, INPUTS),
        trainable=False,
    ),
    "exemplar": lambda encoder, posterior, latents: priors.Exemplar(
        encoder, posterior, exemplars=torch.rand(5, INPUTS)
    ),
    "aggregate": lambda encoder, posterior, latents: priors.AggregatePosterior(
        torch.randn(5, latents), 0.5 + torch.rand(5, latents)
    ),
    "realnvp": lambda encoder, posterior, latents: priors.RealNVP(latents, hidden=8),
    "log-dirichlet": lambda encoder, posterior, latents: priors.LogDirichlet(latents, 0.7),
    "standardized": lambda encoder, posterior, latents: priors.Standardized(
        priors.Mixture(latents, COMPONENTS), latents
    ),
    "hierarchical": lambda encoder, posterior, latents: priors.Hierarchical(latents, 3, num_samples=4),
}

FIXED: set[str] = {"standard", "vamp-data", "aggregate"}  # nothing in them is trained

# Priors whose log_prob is a lower bound, from noise of its own: they are compared with quadrature in tests/exact.
BOUNDS: set[str] = {"hierarchical"}

POSTERIORS: dict[str, Callable[[int, int], nn.Module]] = {
    "gaussian": posteriors.Gaussian,
    "bounded-gaussian": lambda context, latents: posteriors.Gaussian(context, latents, log_variance_bounds=(-6.0, 2.0)),
    "full-gaussian": posteriors.FullGaussian,
    "log-dirichlet": posteriors.LogDirichlet,
    "iaf": lambda context, latents: posteriors.IAF(context, latents, hidden=(9, 9)),
    "affine-iaf": lambda context, latents: posteriors.IAF(context, latents, hidden=(9,), steps=1, gated=False),
    "opaque-flow": OpaqueFlow,
}

# What cannot be scored again at a given z: bounds draw fresh noise, a flow posterior knows its own draws only.
RANDOM: set[str] = {*BOUNDS, "opaque-flow", "iaf"}

LIKELIHOODS: dict[str, Callable[[int], nn.Module]] = {
    "bernoulli": lambda latents: likelihoods.Bernoulli(nets.GatedMLP(latents, 8, INPUTS)),
    "gaussian": lambda latents: likelihoods.Gaussian(nets.MLP(latents, 8, INPUTS), scale=0.5),
    "gaussian-global": lambda latents: likelihoods.Gaussian(nets.MLP(latents, 8, INPUTS), variance="global"),
    "gaussian-pixel": lambda latents: likelihoods.Gaussian(nets.MLP(latents, 8, 2 * INPUTS), variance="pixel"),
    "discretized-logistic": lambda latents: likelihoods.DiscretizedLogistic(nets.MLP(latents, 8, 2 * INPUTS), bins=4),
    "columns": lambda latents: likelihoods.Columns(
        nets.MLP(latents, 8, likelihoods.Columns.outputs(SCHEMA, FAMILIES)), SCHEMA, families=FAMILIES
    ),
    "frequency-gaussian": lambda latents: likelihoods.FrequencyGaussian(
        nets.MLP(latents, 8, 2 * INPUTS), shape=(2, INPUTS // 2)
    ),
    "categorical": lambda latents: likelihoods.Categorical(nets.MLP(latents, 8, 3 * INPUTS), categories=3),
    "autoregressive": lambda latents: likelihoods.Autoregressive(
        nets.MLP(latents, 8, 2 * INPUTS), shape=(1, 2, INPUTS // 2), context=2, channels=4, layers=1
    ),
    "multinomial": lambda latents: likelihoods.Multinomial(nets.MLP(latents, 8, INPUTS)),
}

FAMILIES = {"height": "student-t"}


def encoder() -> nn.Module:
    return nets.GatedMLP(INPUTS, FEATURES, gated_output=True)


def single(
    prior: str = "standard",
    posterior: str = "gaussian",
    likelihood: str = "bernoulli",
    latents: int = LATENTS,
) -> VAE:
    return with_posterior(POSTERIORS[posterior], prior, likelihood, latents)


def with_posterior(
    make: Callable[[int, int], nn.Module],
    prior: str = "standard",
    likelihood: str = "bernoulli",
    latents: int = LATENTS,
) -> VAE:
    network, q = encoder(), make(FEATURES, latents)
    return VAE(
        encoder=network,
        posterior=q,
        prior=PRIORS[prior](network, q, latents),
        likelihood=LIKELIHOODS[likelihood](latents),
    )


def two_level(prior: str = "standard") -> VAE:
    top, bottom, q = (
        encoder(),
        nets.GatedMLP(INPUTS, 5, gated_output=True),
        posteriors.Gaussian(FEATURES, LATENTS),
    )
    levels = stages.TwoLevel(
        prior=PRIORS[prior](top, q, LATENTS), posterior=q, features=5, latents=(LATENTS, LOWER), hidden=9
    )
    decoder = nets.Chain(
        nets.Parallel((LATENTS, LOWER), (nets.GatedLinear(LATENTS, 8), nets.GatedLinear(LOWER, 8))),
        nets.GatedMLP(16, INPUTS),
    )
    return VAE(encoder={"z2": top, "z1": bottom}, stages=levels, likelihood=likelihoods.Bernoulli(decoder))


def fused_standin() -> VAE:
    chain = {
        "z2": FusedStage(FEATURES, LATENTS, above=None),
        "z1": FusedStage(FEATURES, LOWER, above=LATENTS),
    }
    return VAE(encoder=encoder(), stages=chain, likelihood=LIKELIHOODS["bernoulli"](LATENTS + LOWER))


def feature_map_standin() -> VAE:
    ladder = {name: FeatureMapStage(FEATURES, channels=2, side=3) for name in ("z3", "z2", "z1")}
    decoder = likelihoods.Bernoulli(nets.Rows(nn.Sequential(nn.Flatten(), nn.Linear(18, INPUTS)), event_dims=3))
    return VAE(encoder=encoder(), stages=ladder, likelihood=decoder)


def mixture_start() -> VAE:
    """A model that begins as a mixture, moved a little, so that no network is at zero any more."""
    rows = torch.bernoulli(torch.full((40, INPUTS), 0.5)).double().numpy()
    model = starts.build(starts.mixture(rows[:30], rows[30:], SCHEMA, budget=1e6), hidden=8)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


STRUCTURES: dict[str, Callable[[], VAE]] = {
    "fused-standin": fused_standin,
    "feature-map-standin": feature_map_standin,
    **structures(INPUTS, FEATURES),
    "mixture-start": mixture_start,
}

MODELS: dict[str, Callable[[], VAE]] = {
    **{f"{prior}-prior": (lambda prior=prior: single(prior)) for prior in PRIORS},
    **{f"{prior}-prior-two-level": (lambda prior=prior: two_level(prior)) for prior in PRIORS},
    **{f"{posterior}-posterior": (lambda q=posterior: single(posterior=q)) for posterior in POSTERIORS},
    **{f"{likelihood}-likelihood": (lambda p=likelihood: single(likelihood=p)) for likelihood in LIKELIHOODS},
    "one-latent": lambda: single(latents=1),
    **STRUCTURES,
}

# Points in place of posteriors: what evaluates a bound refuses them.
POINTS: dict[str, Callable[[], VAE]] = {"delta-posterior": lambda: with_posterior(posteriors.Delta)}

STANDARD_TOP: set[str] = {"ladder", "dependency-graph", "dependency-graph-iaf"}  # structures whose top prior is fixed

# Each is built for the number of latents of the top group.
OBJECTIVES: dict[str, Callable[[int], objectives.Objective]] = {
    "elbo": lambda latents: objectives.ELBO(),
    "elbo-two-draws": lambda latents: objectives.ELBO(num_samples=2),
    "beta": lambda latents: objectives.ELBO(beta=4.0, warmup="10 steps"),
    # Several draws: the sampled rate of a group whose posterior starts at its prior may fall below any floor.
    "free-bits": lambda latents: objectives.ELBO(free_bits=1e-6, num_samples=8),
    "iwae": lambda latents: objectives.IWAE(num_samples=3),
    "enumerated": lambda latents: objectives.Enumerated(num_samples=2),
    "geco": lambda latents: objectives.GECO(objectives.ELBO(), "nats=3", beta=0.5),
    "rewo": lambda latents: objectives.REWO(objectives.ELBO(), "nats=3", beta=0.5),
    "capacity": lambda latents: objectives.Capacity(4.0, warmup=None),
    "minibatch-tc": lambda latents: objectives.BetaTC(alpha=0.5, gamma=2.0),
    "stratified-tc": lambda latents: objectives.BetaTC(tc=objectives.Stratified()),
    "density-ratio-tc": lambda latents: objectives.BetaTC(tc=objectives.DensityRatio(latents, hidden=8)),
    "factor": lambda latents: objectives.FactorVAE(2.0, latents, hidden=8),
    "info": lambda latents: objectives.InfoVAE(),
}

# What has a prior of its own to hold in REWO's first phase; the other models have none.
LEARNED = {
    *(f"{prior}-prior{levels}" for prior in PRIORS if prior not in FIXED for levels in ("", "-two-level")),
    *(name for name in STRUCTURES if name not in STANDARD_TOP),
}

# What is refused before the first step: a flow or a point has no marginals, and a fixed prior no phases.
REFUSED = {
    (objective, model)
    for objective in ("minibatch-tc", "stratified-tc")
    for model in [*MODELS, *POINTS]
    if any(part in model for part in ("iaf", "opaque-flow", "delta", "full-gaussian", "log-dirichlet-posterior"))
} | {("rewo", model) for model in [*MODELS, *POINTS] if model not in LEARNED}
# A class that is drawn has no gradient: it takes several draws and a score function, or a sum over the classes.
CLASSES = ("classes", "mixture-start")
SCORED = ("elbo-two-draws", "free-bits", "iwae", "enumerated")
REFUSED |= {(objective, model) for objective in OBJECTIVES if objective not in SCORED for model in CLASSES}
REFUSED |= {("enumerated", model) for model in [*MODELS, *POINTS] if model not in CLASSES}
