"""How likely data are: importance sampling, annealing, quadrature, bounds, and what separates them."""

from prioria.evaluate.likelihood.ais import annealed_log_likelihood
from prioria.evaluate.likelihood.bound import elbo, parts
from prioria.evaluate.likelihood.certificate import Certificate, certify
from prioria.evaluate.likelihood.curve import COUNTS, BoundCurve, bound_curve
from prioria.evaluate.likelihood.decomposition import Decomposition, decompose
from prioria.evaluate.likelihood.importance import Precision, expected_seconds, importance_log_likelihood
from prioria.evaluate.likelihood.inference_gaps import Gaps, gaps
from prioria.evaluate.likelihood.methods import Method, log_likelihood
from prioria.evaluate.likelihood.processes import divided_log_likelihood
from prioria.evaluate.likelihood.quadrature import quadrature_log_likelihood
from prioria.evaluate.likelihood.scoring import Scores, column_log_likelihoods, scores

__all__ = [
    "COUNTS",
    "BoundCurve",
    "Certificate",
    "Decomposition",
    "Gaps",
    "Method",
    "Precision",
    "Scores",
    "annealed_log_likelihood",
    "bound_curve",
    "certify",
    "column_log_likelihoods",
    "decompose",
    "divided_log_likelihood",
    "elbo",
    "expected_seconds",
    "gaps",
    "importance_log_likelihood",
    "log_likelihood",
    "parts",
    "quadrature_log_likelihood",
    "scores",
]
