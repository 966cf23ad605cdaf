"""Priors over a group of latents. A new one is one file here, one line below, one contract entry, one entry of what to
cite and one line of docs.
"""

from prioria.posteriors.gaussian import FullGaussian as FullGaussian
from prioria.posteriors.gaussian import Gaussian as Gaussian
from prioria.priors.aggregate import AggregatePosterior as AggregatePosterior
from prioria.priors.base import Prior as Prior
from prioria.priors.bernoulli import Bernoulli as Bernoulli
from prioria.priors.categorical import Categorical as Categorical
from prioria.priors.flow import RealNVP as RealNVP
from prioria.priors.hierarchical import Hierarchical as Hierarchical
from prioria.priors.mixture import Mixture as Mixture
from prioria.priors.normal import StandardNormal as StandardNormal
from prioria.priors.standardized import Standardized as Standardized
from prioria.priors.vamp import VampPrior as VampPrior
