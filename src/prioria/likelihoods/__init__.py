"""Likelihoods p(x | z): conditionals on the latents. Each reads the output of a network of z (..., L) -> (..., n*D)."""

from prioria.likelihoods.autoregressive import Autoregressive
from prioria.likelihoods.bernoulli import Bernoulli
from prioria.likelihoods.categorical import Categorical
from prioria.likelihoods.columns import Columns, Heads
from prioria.likelihoods.counts import Multinomial
from prioria.likelihoods.discretized_logistic import DiscretizedLogistic
from prioria.likelihoods.frequency_gaussian import FrequencyGaussian
from prioria.likelihoods.gaussian import Gaussian

__all__ = [
    "Autoregressive",
    "Bernoulli",
    "Categorical",
    "Columns",
    "DiscretizedLogistic",
    "FrequencyGaussian",
    "Gaussian",
    "Heads",
    "Multinomial",
]
