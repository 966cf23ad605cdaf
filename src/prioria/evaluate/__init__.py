"""Numbers with error bars: every evaluation returns an estimate, and none changes the model or its random numbers."""

from prioria.evaluate.aggregate import aggregate_draws as aggregate_draws
from prioria.evaluate.aggregate import aggregate_posterior as aggregate_posterior
from prioria.evaluate.aggregate import prior_draws as prior_draws
from prioria.evaluate.bound import elbo as elbo
from prioria.evaluate.bound import parts as parts
from prioria.evaluate.decomposition import Decomposition as Decomposition
from prioria.evaluate.decomposition import decompose as decompose
from prioria.evaluate.divergence import Divergence as Divergence
from prioria.evaluate.divergence import nearest_neighbour_kl as nearest_neighbour_kl
from prioria.evaluate.divergence import symmetric_kl as symmetric_kl
from prioria.evaluate.edges import EdgeStability as EdgeStability
from prioria.evaluate.edges import edge_costs as edge_costs
from prioria.evaluate.edges import edge_stability as edge_stability
from prioria.evaluate.estimate import Estimate as Estimate
from prioria.evaluate.estimate import WeightQuality as WeightQuality
from prioria.evaluate.estimate import join as join
from prioria.evaluate.leakage import Leakage as Leakage
from prioria.evaluate.leakage import LeakageCurve as LeakageCurve
from prioria.evaluate.leakage import leakage as leakage
from prioria.evaluate.likelihood import expected_seconds as expected_seconds
from prioria.evaluate.likelihood import log_likelihood as log_likelihood
from prioria.evaluate.smoothness import Smoothness as Smoothness
from prioria.evaluate.smoothness import smoothness as smoothness
from prioria.evaluate.units import ActiveUnits as ActiveUnits
from prioria.evaluate.units import active_units as active_units
