"""Distributions, and the questions that objectives and evaluations may ask of them."""

from prioria.distributions.discretized import DiscretizedLogistic as DiscretizedLogistic
from prioria.distributions.families import concatenate as concatenate
from prioria.distributions.families import fuse as fuse
from prioria.distributions.families import log_normalizer as log_normalizer
from prioria.distributions.families import natural_parameters as natural_parameters
from prioria.distributions.families import sufficient_statistics as sufficient_statistics
from prioria.distributions.families import take as take
from prioria.distributions.marginal import Marginal as Marginal
from prioria.distributions.mixture import Mixture as Mixture
from prioria.distributions.reduce import log_mean_exp as log_mean_exp
from prioria.distributions.reduce import logsumexp as logsumexp
from prioria.distributions.simple import at_least_float32 as at_least_float32
from prioria.distributions.simple import bernoulli as bernoulli
from prioria.distributions.simple import categorical as categorical
from prioria.distributions.simple import normal as normal
from prioria.distributions.straight_through import StraightThroughBernoulli as StraightThroughBernoulli
from prioria.distributions.straight_through import straight_through_bernoulli as straight_through_bernoulli
from prioria.distributions.traits import factors as factors
from prioria.distributions.traits import has_kl as has_kl
from prioria.distributions.traits import is_bound as is_bound
from prioria.distributions.traits import is_reparameterized as is_reparameterized
from prioria.distributions.traits import kl as kl
from prioria.distributions.traits import kl_per_dimension as kl_per_dimension
from prioria.distributions.traits import mean as mean
from prioria.distributions.traits import sample_and_log_prob as sample_and_log_prob
from prioria.distributions.words import Words as Words
