"""What each edge of a latent dependency graph is worth, and whether it is found again from another seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import torch

from prioria.evaluate.estimate import Estimate
from prioria.evaluate.likelihood.bound import elbo
from prioria.evaluate.sampling import Examples
from prioria.model import VAE
from prioria.stages import Edge, edge_probabilities, gates_of


def edge_costs(
    model: VAE, x: Examples, *, num_samples: int = 10, seed: int = 0, limit: int | None = None
) -> dict[Edge, Estimate]:
    """Estimates by how much the evidence lower bound falls when one edge is taken out, in nats, edge by edge.

    The same noise is used with and without the edge, and nothing is trained again: the cost is an upper bound on what
    the edge is worth, because the remaining weights were fitted in its presence.

    Args:
        model: a dependency graph whose gates are frozen; left as it was.
        x: rows (N, D), or a split of a data set.
        num_samples: K, draws for each example.
        seed: of the noise.
        limit: take so many rows only, at even distances.

    Returns:
        (parent, child) -> cost, for the edges that are there.

    Raises:
        ValueError: the model has no gates, or they are still random.
    """
    present = [edge for edge, probability in edge_probabilities(model.stages).items() if probability == 1]
    whole = elbo(model, x, num_samples=num_samples, seed=seed, limit=limit)
    return {edge: _cost(model, edge, x, whole, limit) for edge in present}


def _cost(model: VAE, edge: Edge, x: Examples, whole: Estimate, limit: int | None) -> Estimate:
    parent, child = edge
    with gates_of(model.stages)[child].without(model.groups.index(parent)):
        rest = elbo(model, x, num_samples=whole.num_samples, seed=whole.seed, limit=limit)
    worth = whole.pointwise - rest.pointwise  # noise is shared: the two variances do not add
    unknown = torch.full_like(worth, torch.nan)
    return Estimate.of(worth, unknown, whole.num_samples, whole.seed, f"ELBO with and without {parent} -> {child}")


@dataclass(frozen=True)
class EdgeStability:
    """One edge over several trainings.

    Attributes:
        mean: mean probability.
        spread: its standard deviation over the trainings, 0 for a single one.
        present: share of the trainings that keep the edge.
    """

    mean: float
    spread: float
    present: float


def edge_stability(graphs: Sequence[Mapping[Edge, float]]) -> dict[Edge, EdgeStability]:
    """Compares the edge probabilities that several seeds learned.

    Groups are compared by name. They are told apart by their place in the order only, so that two trainings may find
    the same structure with groups in each other's place.

    Raises:
        ValueError: no graph, or graphs of other groups.

    Example:
        >>> edge_stability([{("z2", "z1"): 0.9}, {("z2", "z1"): 0.5}])
        {('z2', 'z1'): EdgeStability(mean=0.7, spread=0.283, present=0.5)}
    """
    if not graphs or any(set(graph) != set(graphs[0]) for graph in graphs):
        raise ValueError(f"graphs={len(graphs)} must be at least one, all with the same possible edges")
    return {edge: _stability([graph[edge] for graph in graphs]) for edge in graphs[0]}


def _stability(probabilities: list[float]) -> EdgeStability:
    kept = [probability > 0.5 for probability in probabilities]
    spread = stdev(probabilities) if len(probabilities) > 1 else 0.0
    return EdgeStability(fmean(probabilities), spread, fmean(kept))
