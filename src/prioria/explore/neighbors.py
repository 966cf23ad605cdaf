"""Nearest neighbors: a k-d tree where it is quick, an approximate index above that."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

TREE_DIMENSIONS, TREE_POINTS = 16, 10_000  # up to either of them the exact tree is quick
LINKS, SEARCH = 32, 64  # of faiss' HNSW index: 91 % of the 16 nearest of 200,000 Gaussian points in 32 dimensions

Points = NDArray[np.floating]


class Neighbors:
    """Finds the nearest of some points: exactly up to 16 dimensions or 10,000 points, by faiss' HNSW graph above.

    Args:
        points: (N, d).

    Raises:
        ValueError: so many points of so many dimensions need faiss, and it is not installed.

    Example:
        >>> distances, index = Neighbors(np.float32([[0.0], [1.0], [5.0]])).of(np.float32([[4.0]]), 2)
        >>> index.tolist(), distances.tolist()
        ([[2, 1]], [[1.0, 3.0]])
    """

    def __init__(self, points: Points) -> None:
        self._index: Any = _tree(points) if _is_small(points) else _hnsw(points)

    def of(self, queries: Points, count: int) -> tuple[Points, NDArray[np.int64]]:
        """Returns the distances and indices (Q, count) of the nearest points, the nearest first."""
        return self._index(queries, count)


def _is_small(points: Points) -> bool:
    return points.shape[1] <= TREE_DIMENSIONS or len(points) <= TREE_POINTS


def _tree(points: Points) -> Any:
    from scipy.spatial import KDTree

    tree = KDTree(points)  # the class that was once called cKDTree

    def search(queries: Points, count: int) -> tuple[Points, NDArray[np.int64]]:
        distances, index = tree.query(queries, k=list(range(1, count + 1)), workers=-1)  # pyright: ignore[reportArgumentType]
        return np.asarray(distances), np.asarray(index)

    return search


def _hnsw(points: Points) -> Any:
    if importlib.util.find_spec("faiss") is None:
        count, dimensions = points.shape
        raise ValueError(
            f"nodes={count} in {dimensions} dimensions need an approximate index; pip install 'prioria[graph]', or use "
            f"at most {TREE_POINTS} nodes"
        )
    import faiss

    index, threads = faiss.IndexHNSWFlat(points.shape[1], LINKS), faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # the index that several threads build is another one each time
    index.add(points)  # pyright: ignore[reportCallIssue]
    faiss.omp_set_num_threads(threads)
    parameters = faiss.SearchParametersHNSW(efSearch=SEARCH)  # pyright: ignore[reportAttributeAccessIssue]

    def search(queries: Points, count: int) -> tuple[Points, NDArray[np.int64]]:
        squares, found = index.search(queries, count, params=parameters)  # pyright: ignore[reportCallIssue]
        return np.sqrt(np.maximum(squares, 0)), found

    return search
