"""Approximate posteriors: conditionals on features of x."""

from prioria.posteriors.bernoulli import Bernoulli
from prioria.posteriors.categorical import Categorical
from prioria.posteriors.delta import Delta
from prioria.posteriors.gaussian import FullGaussian, Gaussian
from prioria.posteriors.given import Given
from prioria.posteriors.iaf import IAF, InverseAutoregressiveFlow
from prioria.posteriors.log_dirichlet import LogDirichlet

__all__ = [
    "IAF",
    "Bernoulli",
    "Categorical",
    "Delta",
    "FullGaussian",
    "Gaussian",
    "Given",
    "InverseAutoregressiveFlow",
    "LogDirichlet",
]
