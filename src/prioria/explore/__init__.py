"""Looking around in what a model has learned."""

from prioria.evaluate import Extremes as Extremes
from prioria.evaluate import high_posterior as high_posterior
from prioria.evaluate import low_posterior as low_posterior
from prioria.evaluate import low_posterior_as_released as low_posterior_as_released
from prioria.explore.graph import Graph as Graph
from prioria.explore.levels import reconstruct_levels as reconstruct_levels
from prioria.explore.levels import resample_below as resample_below
from prioria.explore.paths import Path as Path
from prioria.explore.paths import decoded as decoded
from prioria.explore.paths import interpolate as interpolate
from prioria.explore.paths import latent_graph as latent_graph
from prioria.explore.paths import resample as resample
from prioria.explore.paths import straight as straight
from prioria.explore.traversals import FactorTraversal as FactorTraversal
from prioria.explore.traversals import LineDensities as LineDensities
from prioria.explore.traversals import factor_traversal as factor_traversal
from prioria.explore.traversals import generation_lines as generation_lines
from prioria.explore.traversals import line_densities as line_densities
from prioria.explore.traversals import lowest_density as lowest_density
