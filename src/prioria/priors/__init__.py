"""Priors over a group of latents. A new one is one file here, two lines below, one contract entry, one entry of what to
cite and one line of docs.
"""

from prioria.posteriors.gaussian import FullGaussian, Gaussian
from prioria.priors.aggregate import AggregatePosterior
from prioria.priors.base import Prior
from prioria.priors.bernoulli import Bernoulli
from prioria.priors.categorical import Categorical
from prioria.priors.exemplar import Exemplar
from prioria.priors.flow import RealNVP
from prioria.priors.hierarchical import Hierarchical
from prioria.priors.log_dirichlet import LogDirichlet
from prioria.priors.mixture import Mixture
from prioria.priors.normal import StandardNormal
from prioria.priors.standardized import Standardized
from prioria.priors.vamp import VampPrior

__all__ = [
    "AggregatePosterior",
    "Bernoulli",
    "Categorical",
    "Exemplar",
    "FullGaussian",
    "Gaussian",
    "Hierarchical",
    "LogDirichlet",
    "Mixture",
    "Prior",
    "RealNVP",
    "StandardNormal",
    "Standardized",
    "VampPrior",
]
