"""Approximate posteriors: conditionals on features of x."""

from prioria.conditional import Gaussian as Gaussian
from prioria.posteriors.bernoulli import Bernoulli as Bernoulli
