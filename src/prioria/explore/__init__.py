"""Looking around in what a model has learned."""

from prioria.explore.graph import Graph as Graph
from prioria.explore.paths import Path as Path
from prioria.explore.paths import decoded as decoded
from prioria.explore.paths import interpolate as interpolate
from prioria.explore.paths import latent_graph as latent_graph
from prioria.explore.paths import resample as resample
from prioria.explore.paths import straight as straight
