"""Graphs over points, and shortest paths through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from prioria.explore.neighbors import Neighbors, Points

Index = NDArray[np.int64]
Lengths = Callable[[Points, Points], Points]

SHORTEST = 1e-12  # sparse matrices drop edges of length zero


def euclidean(a: Points, b: Points) -> Points:
    """Returns the distances (E,) between the rows of two sets (E, d)."""
    return np.linalg.norm(a - b, axis=-1)


@dataclass(frozen=True)
class Graph:
    """An undirected graph of points.

    Attributes:
        points: the nodes (N, d).
        edges: lengths (N, N), symmetric; what is absent is no edge.
        lengths: what the length of an edge is, from its ends.
        neighbors: k, the nearest nodes that each was joined to.
        mutual: whether only points that are each among the other's k nearest were joined.
        components: how many parts there were before they were joined.
    """

    points: Points
    edges: csr_array
    lengths: Lengths
    neighbors: int
    components: int
    mutual: bool = False

    @classmethod
    def build(cls, points: Points, *, neighbors: int = 15, mutual: bool = False, lengths: Lengths = euclidean) -> Graph:
        """Joins each point to its k nearest, and each part to the others by the nearest pair.

        Args:
            points: (N, d).
            neighbors: k; there is an edge where either of two points is among the k nearest of the other.
            mutual: only where each of them is: a stray point between two strands then makes no bridge of k long edges.
            lengths: of edges, from their ends; neighbors are Euclidean in any case.

        Raises:
            ValueError: there are no more points than neighbors, or too many for the exact tree without faiss.

        Example:
            >>> line = Graph.build(np.float32([[0], [1], [2], [7], [8]]), neighbors=1)
            >>> line.components, line.path(0, 4)
            (2, [0, 1, 2, 3, 4])
        """
        points = np.ascontiguousarray(points, np.float32)
        check_neighbors(len(points), neighbors)
        _, found = Neighbors(points).of(points, neighbors + 1)
        own = np.broadcast_to(np.arange(len(points))[:, None], found.shape)
        others = (found != own) & (found >= 0)  # itself is dropped by its number: duplicates may stand before it
        pairs = np.stack([own[others], found[others]])
        if mutual:
            pairs = _in_both_directions(pairs, len(points))
        edges = _edges(points, pairs[0], pairs[1], lengths)
        links, components = _links(points, edges)
        if len(links):
            edges = csr_array(edges.maximum(_edges(points, links[:, 0], links[:, 1], lengths)))
        return cls(points, edges, lengths, neighbors, components, mutual)

    def joined(self, ends: Points) -> Graph:
        """Returns the graph with more nodes, numbered from N, each joined to its k nearest of all nodes before it."""
        graph = self
        for end in np.ascontiguousarray(ends, np.float32):
            graph = graph._with(end[None])
        return graph

    def _with(self, end: Points) -> Graph:
        points, count = np.concatenate([self.points, end]), len(self.points)
        order = np.argsort(euclidean(self.points, end), kind="stable")[: self.neighbors]
        new = _edges(points, np.full(len(order), count), order, self.lengths)
        old = csr_array((self.edges.data, self.edges.indices, np.append(self.edges.indptr, self.edges.nnz)), new.shape)
        return replace(self, points=points, edges=csr_array(old + new))

    def path(self, start: int, end: int) -> list[int]:
        """Returns the nodes of a shortest path (Dijkstra, 1959)."""
        _, before = dijkstra(self.edges, indices=start, return_predecessors=True)
        path = [end]
        while path[-1] != start:
            path.append(int(before[path[-1]]))
        return path[::-1]

    def cost(self, path: list[int]) -> float:
        """Returns the length of a path."""
        return float(sum(self.edges[a, b] for a, b in zip(path[:-1], path[1:], strict=True)))


def check_neighbors(nodes: int, neighbors: int) -> None:
    """Refuses nodes that cannot have so many neighbors each.

    Raises:
        ValueError: there are no more nodes than neighbors.
    """
    if not 1 <= neighbors < nodes:
        raise ValueError(
            f"nodes={nodes} cannot have neighbors={neighbors} each; use more nodes, or fewer neighbors, but at "
            "least one"
        )


def _in_both_directions(pairs: Index, count: int) -> Index:
    there, back = pairs[0] * count + pairs[1], pairs[1] * count + pairs[0]
    return pairs[:, np.isin(there, back)]


def _edges(points: Points, a: Index, b: Index, lengths: Lengths) -> csr_array:
    first, second = np.divmod(np.unique(np.minimum(a, b) * len(points) + np.maximum(a, b)), len(points))
    weights = np.maximum(lengths(points[first], points[second]).astype(np.float64), SHORTEST)
    half = coo_array((weights, (first, second)), (len(points), len(points))).tocsr()
    return csr_array(half + half.T)


def _links(points: Points, edges: csr_array) -> tuple[Index, int]:
    """Returns edges (L, 2) that join all parts, each time by the nearest pair (Prim, 1957), and the count of parts."""
    count, part = connected_components(edges, directed=False)
    inside = part == np.bincount(part).argmax()
    outside, links = np.flatnonzero(~inside), []
    distance, nearest = _nearest(points, np.flatnonzero(inside), outside)
    while len(outside):
        closest = distance.argmin()
        links.append((nearest[closest], outside[closest]))
        joins = part[outside] == part[outside[closest]]
        added, outside, distance, nearest = outside[joins], outside[~joins], distance[~joins], nearest[~joins]
        closer, other = _nearest(points, added, outside)
        distance, nearest = np.minimum(distance, closer), np.where(closer < distance, other, nearest)
    return np.array(links, np.int64).reshape(-1, 2), count


def _nearest(points: Points, among: Index, of: Index) -> tuple[Points, Index]:
    if not len(of):
        return np.empty(0, np.float32), np.empty(0, np.int64)
    distance, index = Neighbors(points[among]).of(points[of], 1)
    return distance[:, 0], among[index[:, 0]]
