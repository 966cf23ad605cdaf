"""Looking around in what a model has learned."""

from prioria.evaluate import Extremes, high_posterior, low_posterior, low_posterior_as_released
from prioria.explore.graph import Graph
from prioria.explore.levels import reconstruct_levels, resample_below
from prioria.explore.paths import Path, decoded, interpolate, latent_graph, resample, straight
from prioria.explore.traversals import (
    FactorTraversal,
    LineDensities,
    factor_traversal,
    generation_lines,
    line_densities,
    lowest_density,
)

__all__ = [
    "Extremes",
    "FactorTraversal",
    "Graph",
    "LineDensities",
    "Path",
    "decoded",
    "factor_traversal",
    "generation_lines",
    "high_posterior",
    "interpolate",
    "latent_graph",
    "line_densities",
    "low_posterior",
    "low_posterior_as_released",
    "lowest_density",
    "reconstruct_levels",
    "resample",
    "resample_below",
    "straight",
]
