"""Interpolation along what a model has learned: shortest paths through a graph of samples from its prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from prioria.distributions import mean
from prioria.evaluate.sampling import device_of, measuring, seed_generators
from prioria.explore.graph import Graph, Lengths, check_neighbors, euclidean
from prioria.explore.neighbors import Points
from prioria.model import VAE, posterior_mean

JUMP = 3.0  # a step is a discontinuity if it is this many times as long as the median one of its path
SUBSTEPS = 8  # straight pieces that stand for a decoded edge
ROWS = 1000  # decoded at once


@dataclass(frozen=True)
class Path:
    """A way through latent space and what it decodes to.

    Attributes:
        z: the nodes (T, L), latents of the top group.
        frames: means of p(x|z) (T, D).
        cost: length of the path in the graph.
    """

    z: Float[Tensor, "T L"]
    frames: Float[Tensor, "T D"]
    cost: float

    @property
    def steps(self) -> Tensor:
        """Distances between consecutive frames (T-1)."""
        return self.frames.diff(dim=0).norm(dim=-1)

    @property
    def discontinuities(self) -> list[int]:
        """Numbers t of the steps from frame t to t+1 that are more than three times the median step of the path."""
        return (self.steps > JUMP * self.steps.quantile(0.5)).nonzero().flatten().tolist()


def latent_graph(
    model: VAE,
    *,
    nodes: int = 1000,
    neighbors: int = 15,
    mutual: bool = False,
    lengths: Literal["latent", "data", "decoder"] = "latent",
    seed: int = 0,
) -> Graph:
    """Builds the graph over samples from the prior of the top group (Klushyn et al., 2019, the poster).

    The poster does not give N, k or what it does with parts of the graph: N = 1,000, k = 15 and joining parts by their
    nearest pairs are ours.

    Args:
        model: any model.
        nodes: N.
        neighbors: k, nearest in latent space whatever the lengths are.
        mutual: join two samples only where each is among the k nearest of the other. The poster's words read as the
            union, which a rare sample beside the others bridges; this is a departure from it.
        lengths: of edges: "latent", Euclidean as in the poster; "data", the distance between the decoded ends;
            "decoder", the length of the decoded straight line between them.
        seed: of the samples.

    Raises:
        ValueError: no more nodes than neighbors, unknown lengths, or so many nodes that faiss is needed.
    """
    if lengths not in ("latent", "data", "decoder"):
        raise ValueError(f"lengths={lengths!r} is unknown; use 'latent', 'data' or 'decoder'")
    check_neighbors(nodes, neighbors)
    with measuring(model):
        seed_generators(device_of(model), (seed,))
        top = model.top
        z = top.prior(None).sample(torch.Size([nodes])).flatten(1).cpu().numpy()
        return Graph.build(z, neighbors=neighbors, mutual=mutual, lengths=_lengths_of(model, lengths))


def interpolate(model: VAE, graph: Graph, starts: Float[Tensor, "P D"], ends: Float[Tensor, "P D"]) -> list[Path]:
    """Finds the shortest path between each pair of examples: their posterior means join the graph, one pair at a time.

    Args:
        model: the model of the graph.
        graph: from :func:`latent_graph`.
        starts: rows of data.
        ends: as many rows of data.

    Raises:
        ValueError: there are not as many ends as starts, or none.
    """
    return [_path(model, graph, pair) for pair in encoded_pairs(model, starts, ends)]


def straight(model: VAE, starts: Float[Tensor, "P D"], ends: Float[Tensor, "P D"], *, nodes: int = 50) -> list[Path]:
    """Returns the straight lines in latent space between pairs of examples, what paths are compared with.

    Args:
        model: any model.
        starts: rows of data.
        ends: as many rows of data.
        nodes: points on each line, its ends included.

    Raises:
        ValueError: there are not as many ends as starts, or none, or fewer than two points.
    """
    lines = [resample(pair, nodes) for pair in encoded_pairs(model, starts, ends)]
    return [Path(z, decoded(model, z), float((z[-1] - z[0]).norm())) for z in lines]


def decoded(model: VAE, z: Float[Tensor, "T L"]) -> Float[Tensor, "T D"]:
    """Returns the means of p(x|z) for latents of the top group; groups below are at the means of their priors."""
    shape = model.top.prior(None).event_shape
    precision = next(model.likelihood.parameters(), z).dtype  # nodes of a graph are in single precision
    with measuring(model):
        rows = z.to(device_of(model), precision).unflatten(1, shape).split(ROWS)
        frames = torch.cat([_means(model, part) for part in rows])
    return frames.cpu().clone()  # outside of inference mode: an ordinary tensor


def resample(z: Float[Tensor, "T L"], count: int) -> Float[Tensor, "count L"]:
    """Returns points at equal distances along a path with its edges, both ends included.

    Without it paths of different numbers of nodes cannot be compared.

    Args:
        z: nodes of the path.
        count: points asked for, at least 2.

    Raises:
        ValueError: fewer than two points.

    Example:
        >>> resample(torch.tensor([[0.0], [1.0], [4.0]]), 5).flatten()
        tensor([0., 1., 2., 3., 4.])
    """
    if count < 2:
        raise ValueError(f"count={count} leaves no path; use at least 2 points")
    traveled = torch.cat([torch.zeros(1), z.diff(dim=0).norm(dim=-1).cumsum(0)]).double().numpy()
    wanted = np.linspace(0, traveled[-1], count)
    columns = [np.interp(wanted, traveled, column) for column in z.double().numpy().T]
    return torch.from_numpy(np.stack(columns, -1)).to(z.dtype)


def encoded_pairs(model: VAE, starts: Tensor, ends: Tensor) -> list[Tensor]:
    """Returns the posterior means of each start and its end, (2, L) for each pair.

    Raises:
        ValueError: there are not as many ends as starts, or none.
    """
    if len(starts) != len(ends) or not len(starts):
        raise ValueError(
            f"starts has {len(starts)} rows and ends has {len(ends)}; give an end for each start, and at least one pair"
        )
    with measuring(model):
        z = model.encode(torch.cat([starts, ends]).to(device_of(model))).flatten(1).cpu()
    return list(torch.stack(z.clone().chunk(2), 1))


def _path(model: VAE, graph: Graph, pair: Tensor) -> Path:
    joined, count = graph.joined(pair.numpy()), len(graph.points)
    nodes = joined.path(count, count + 1)
    z = torch.from_numpy(joined.points[nodes])
    return Path(z, decoded(model, z), joined.cost(nodes))


def _means(model: VAE, z: Tensor) -> Tensor:
    given = {model.groups[0]: z}
    for group in model.groups[1:]:
        given[group] = posterior_mean(model.generate(len(z), **given).latents[group].p)
    return mean(model.generate(len(z), **given).px)[0].flatten(1)


def _lengths_of(model: VAE, kind: str) -> Lengths:
    pieces = {"latent": 0, "data": 1, "decoder": SUBSTEPS}[kind]
    return euclidean if kind == "latent" else lambda a, b: _decoded_lengths(model, a, b, pieces)


def _decoded_lengths(model: VAE, a: Points, b: Points, pieces: int) -> Points:
    fractions = torch.linspace(0, 1, pieces + 1)[:, None, None]
    lengths = []
    for first, second in zip(_tiles(a, pieces), _tiles(b, pieces), strict=True):
        z = first + fractions * (second - first)
        frames = decoded(model, z.flatten(0, 1)).unflatten(0, z.shape[:2])
        lengths.append(frames.diff(dim=0).norm(dim=-1).sum(0))
    return torch.cat(lengths).numpy()


def _tiles(points: Points, pieces: int) -> Sequence[Tensor]:
    return torch.from_numpy(points).split(max(1, ROWS // (pieces + 1)))
