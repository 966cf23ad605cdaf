"""Distributions, and the questions that objectives and evaluations may ask of them."""

from prioria.distributions.columns import Columns
from prioria.distributions.discretized import DiscretizedLogistic
from prioria.distributions.families import (
    concatenate,
    fuse,
    is_binary,
    is_diagonal,
    log_normalizer,
    natural_parameters,
    sufficient_statistics,
    take,
)
from prioria.distributions.frequencies import Cosines, Frequencies
from prioria.distributions.full_normal import FullNormal, as_full
from prioria.distributions.leave_one_out import LeaveOneOut
from prioria.distributions.levels import Levels
from prioria.distributions.log_dirichlet import LogDirichlet
from prioria.distributions.marginal import Marginal
from prioria.distributions.mixture import Mixture, as_mixture
from prioria.distributions.noise import drawn_from
from prioria.distributions.raster import Raster
from prioria.distributions.reduce import log_mean_exp, logsumexp
from prioria.distributions.rescaled import Rescaled
from prioria.distributions.simple import at_least_float32, bernoulli, categorical, normal
from prioria.distributions.straight_through import StraightThroughBernoulli, straight_through_bernoulli
from prioria.distributions.traits import (
    as_levels,
    by_column,
    can_be_listed,
    check_support,
    expected,
    factors,
    has_kl,
    has_kl_per_dimension,
    has_length,
    has_original_units,
    is_bound,
    is_discrete,
    is_ordered,
    is_reparameterized,
    kl,
    kl_per_dimension,
    mean,
    sample_and_log_prob,
)
from prioria.distributions.words import Words

__all__ = [
    "Columns",
    "Cosines",
    "DiscretizedLogistic",
    "Frequencies",
    "FullNormal",
    "LeaveOneOut",
    "Levels",
    "LogDirichlet",
    "Marginal",
    "Mixture",
    "Raster",
    "Rescaled",
    "StraightThroughBernoulli",
    "Words",
    "as_full",
    "as_levels",
    "as_mixture",
    "at_least_float32",
    "bernoulli",
    "by_column",
    "can_be_listed",
    "categorical",
    "check_support",
    "concatenate",
    "drawn_from",
    "expected",
    "factors",
    "fuse",
    "has_kl",
    "has_kl_per_dimension",
    "has_length",
    "has_original_units",
    "is_binary",
    "is_bound",
    "is_diagonal",
    "is_discrete",
    "is_ordered",
    "is_reparameterized",
    "kl",
    "kl_per_dimension",
    "log_mean_exp",
    "log_normalizer",
    "logsumexp",
    "mean",
    "natural_parameters",
    "normal",
    "sample_and_log_prob",
    "straight_through_bernoulli",
    "sufficient_statistics",
    "take",
]
