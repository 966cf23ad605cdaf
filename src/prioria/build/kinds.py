"""What there is to choose from: a new prior or network is offered everywhere by one entry here, an objective by its
export.
"""

from __future__ import annotations

from inspect import signature
from re import sub
from types import ModuleType

from prioria import likelihoods, objectives, posteriors, priors
from prioria.build.arguments import Argument
from prioria.build.networks import MLP, Conv, Frequency, Gated, GatedConv, Residual
from prioria.build.structures import Binary, ConvLadder, Graph, Ladder

FACTS = frozenset(
    "latents context net encoder posterior inputs pseudo_inputs exemplars numbers features dataset_size group shape "
    "schema".split()
)


def _exported(package: ModuleType, base: type) -> dict[str, type]:
    """Returns the subclasses that a package exports, by names in lower case: BetaTC as beta-tc, InfoVAE as info."""
    classes = [each for each in vars(package).values() if isinstance(each, type) and issubclass(each, base)]
    words = {cls: sub("(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower() for cls in classes if cls is not base}
    return {word.removesuffix("-vae"): cls for cls, word in words.items()}


PRIORS = Argument(
    "prior",
    {
        "standard": priors.StandardNormal,
        "mixture": priors.Mixture,
        "vamp": priors.VampPrior,
        "exemplar": priors.Exemplar,
        "hierarchical": priors.Hierarchical,
        "realnvp": priors.RealNVP,
    },
    FACTS,
    default="standard",
)
POSTERIORS = Argument(
    "posterior",
    {"gaussian": posteriors.Gaussian, "iaf": posteriors.IAF, "delta": posteriors.Delta},
    FACTS,
    default="gaussian",
)
LIKELIHOODS = Argument(
    "likelihood",
    {
        "bernoulli": likelihoods.Bernoulli,
        "gaussian": likelihoods.Gaussian,
        "discretized-logistic": likelihoods.DiscretizedLogistic,
        "frequency-gaussian": likelihoods.FrequencyGaussian,
        "categorical": likelihoods.Categorical,
        "autoregressive": likelihoods.Autoregressive,
        "multinomial": likelihoods.Multinomial,
        "columns": likelihoods.Columns,
    },
    FACTS,
)
EVERY = _exported(objectives, objectives.Objective)
WRAPPERS = {kind: cls for kind, cls in EVERY.items() if "inner" in signature(cls).parameters}  # of another objective
OBJECTIVES = Argument("objective", {k: c for k, c in EVERY.items() if k not in WRAPPERS}, FACTS, default="elbo")
TOTAL_CORRELATIONS = Argument(
    "tc",
    {
        "minibatch": objectives.Minibatch,
        "stratified": objectives.Stratified,
        "density-ratio": objectives.DensityRatio,
    },
    FACTS,
)
CONSTRAINTS = Argument("constraint", WRAPPERS, FACTS)
NETWORKS = Argument(
    "network",
    {"gated": Gated, "mlp": MLP, "residual": Residual, "gated-conv": GatedConv, "conv": Conv, "frequency": Frequency},
    FACTS,
    default="gated",
)
STAGES = Argument(  # a hierarchy is a whole: its latents are its own options
    "stages", {"ladder": Ladder, "binary": Binary, "graph": Graph, "conv-ladder": ConvLadder}, facts=frozenset()
)
