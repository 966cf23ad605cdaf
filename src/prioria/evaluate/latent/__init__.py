"""What the latents carry, and how the aggregate posterior stands to the prior."""

from prioria.evaluate.latent.components import Components, prior_components
from prioria.evaluate.latent.coverage import Overlap, TwoSampleTest, overlap, two_sample_test
from prioria.evaluate.latent.dependence import total_correlation
from prioria.evaluate.latent.dimensions import KLPerDimension, kl_per_dimension
from prioria.evaluate.latent.divergence import Divergence, nearest_neighbor_kl, symmetric_kl
from prioria.evaluate.latent.edges import EdgeStability, edge_costs, edge_stability
from prioria.evaluate.latent.extremes import Extremes, high_posterior, low_posterior, low_posterior_as_released
from prioria.evaluate.latent.factors import DCI, Disentanglement, disentanglement
from prioria.evaluate.latent.pockets import Leakage, LeakageCurve, leakage
from prioria.evaluate.latent.units import ActiveUnits, active_units

__all__ = [
    "DCI",
    "ActiveUnits",
    "Components",
    "Disentanglement",
    "Divergence",
    "EdgeStability",
    "Extremes",
    "KLPerDimension",
    "Leakage",
    "LeakageCurve",
    "Overlap",
    "TwoSampleTest",
    "active_units",
    "disentanglement",
    "edge_costs",
    "edge_stability",
    "high_posterior",
    "kl_per_dimension",
    "leakage",
    "low_posterior",
    "low_posterior_as_released",
    "nearest_neighbor_kl",
    "overlap",
    "prior_components",
    "symmetric_kl",
    "total_correlation",
    "two_sample_test",
]
