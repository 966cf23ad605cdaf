"""Likelihoods p(x | z): conditionals on the latents. Each reads the output of a network of z (..., L) -> (..., n*D)."""

from prioria.likelihoods.bernoulli import Bernoulli as Bernoulli
from prioria.likelihoods.categorical import Categorical as Categorical
from prioria.likelihoods.columns import Columns as Columns
from prioria.likelihoods.columns import Heads as Heads
from prioria.likelihoods.counts import Multinomial as Multinomial
from prioria.likelihoods.discretized_logistic import DiscretizedLogistic as DiscretizedLogistic
from prioria.likelihoods.frequency_gaussian import FrequencyGaussian as FrequencyGaussian
from prioria.likelihoods.gaussian import Gaussian as Gaussian
