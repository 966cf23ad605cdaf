"""From a data set and a few choices to a model and an objective: what the command line, the demo and estimators use."""

from prioria.build.arguments import Argument, Choice
from prioria.build.assembly import model, objective, prior, structure
from prioria.build.kinds import (
    CONSTRAINTS,
    LIKELIHOODS,
    NETWORKS,
    OBJECTIVES,
    POSTERIORS,
    PRIORS,
    STAGES,
    TOTAL_CORRELATIONS,
)
from prioria.build.networks import Networks
from prioria.build.structures import Structure

__all__ = [
    "CONSTRAINTS",
    "LIKELIHOODS",
    "NETWORKS",
    "OBJECTIVES",
    "POSTERIORS",
    "PRIORS",
    "STAGES",
    "TOTAL_CORRELATIONS",
    "Argument",
    "Choice",
    "Networks",
    "Structure",
    "model",
    "objective",
    "prior",
    "structure",
]
