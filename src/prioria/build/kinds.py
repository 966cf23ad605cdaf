"""What there is to choose from: a new prior, objective or network is offered everywhere by one entry here."""

from __future__ import annotations

from prioria import likelihoods, objectives, posteriors, priors
from prioria.build.families import Family
from prioria.build.networks import MLP, Conv, Gated, GatedConv, Residual
from prioria.build.structures import Binary, ConvLadder, Graph, Ladder

FACTS = frozenset(
    "latents context net encoder posterior inputs pseudo_inputs features dataset_size group shape".split()
)

PRIORS = Family(
    "prior",
    {
        "standard": priors.StandardNormal,
        "mixture": priors.Mixture,
        "vamp": priors.VampPrior,
        "hierarchical": priors.Hierarchical,
        "realnvp": priors.RealNVP,
    },
    FACTS,
    default="standard",
)
POSTERIORS = Family(
    "posterior",
    {"gaussian": posteriors.Gaussian, "iaf": posteriors.IAF, "delta": posteriors.Delta},
    FACTS,
    default="gaussian",
)
LIKELIHOODS = Family(
    "likelihood",
    {
        "bernoulli": likelihoods.Bernoulli,
        "gaussian": likelihoods.Gaussian,
        "discretized-logistic": likelihoods.DiscretizedLogistic,
        "categorical": likelihoods.Categorical,
        "multinomial": likelihoods.Multinomial,
    },
    FACTS,
)
OBJECTIVES = Family(
    "objective",
    {
        "elbo": objectives.ELBO,
        "iwae": objectives.IWAE,
        "capacity": objectives.Capacity,
        "beta-tc": objectives.BetaTC,
        "factor": objectives.FactorVAE,
        "info": objectives.InfoVAE,
    },
    FACTS,
    default="elbo",
)
TOTAL_CORRELATIONS = Family(
    "tc",
    {
        "minibatch": objectives.Minibatch,
        "stratified": objectives.Stratified,
        "density-ratio": objectives.DensityRatio,
    },
    FACTS,
)
CONSTRAINTS = Family("constraint", {"rewo": objectives.REWO, "geco": objectives.GECO}, FACTS)
NETWORKS = Family(
    "network",
    {"gated": Gated, "mlp": MLP, "residual": Residual, "gated-conv": GatedConv, "conv": Conv},
    FACTS,
    default="gated",
)
STAGES = Family(  # a hierarchy is a whole: its latents are its own options
    "stages", {"ladder": Ladder, "binary": Binary, "graph": Graph, "conv-ladder": ConvLadder}, facts=frozenset()
)
