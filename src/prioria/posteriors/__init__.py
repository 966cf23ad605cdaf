"""Approximate posteriors: conditionals on features of x."""

from prioria.posteriors.bernoulli import Bernoulli as Bernoulli
from prioria.posteriors.categorical import Categorical as Categorical
from prioria.posteriors.delta import Delta as Delta
from prioria.posteriors.gaussian import FullGaussian as FullGaussian
from prioria.posteriors.gaussian import Gaussian as Gaussian
from prioria.posteriors.given import Given as Given
from prioria.posteriors.iaf import IAF as IAF
from prioria.posteriors.iaf import InverseAutoregressiveFlow as InverseAutoregressiveFlow
