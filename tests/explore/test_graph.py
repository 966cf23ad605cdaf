"""Graphs against scipy, networks by hand, and brute force."""

from __future__ import annotations

import importlib.util
import time

import numpy as np
import pytest
from scipy.sparse.csgraph import bellman_ford, connected_components, minimum_spanning_tree
from scipy.spatial.distance import cdist

from prioria.explore import neighbors as neighbors_module
from prioria.explore.graph import SHORTEST, Graph, euclidean
from prioria.explore.neighbors import Neighbors


def cloud(count: int, dimensions: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimensions), dtype=np.float32)


@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize(("count", "dimensions", "k"), [(60, 1, 3), (200, 2, 5), (150, 20, 4)])
def test_edges_join_each_node_to_its_nearest_and_back(count: int, dimensions: int, k: int, mutual: bool) -> None:
    points = cloud(count, dimensions)
    distances = cdist(points, points)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, 1)[:, :k]
    expected = np.zeros((count, count), bool)
    np.put_along_axis(expected, nearest, True, 1)
    expected = expected & expected.T if mutual else expected | expected.T
    graph = Graph.build(points, neighbors=k, mutual=mutual)
    edges = graph.edges.toarray()
    found = edges > 0
    assert (found == found.T).all()
    assert (found >= expected).all()
    assert (found ^ expected).sum() == 2 * (graph.components - 1)  # only what joins the parts is added
    np.testing.assert_allclose(edges[found], distances[found], rtol=1e-5)


def test_a_stray_point_is_no_bridge_between_mutual_neighbors() -> None:
    there = np.stack([np.arange(0, 5, 0.1), np.zeros(50)], 1)
    bend = np.stack([np.full(11, 5.0), np.arange(0, 1.1, 0.1)], 1)
    hairpin = np.concatenate([there, bend, there[::-1] + [0.0, 1.0]])
    points, stray = np.concatenate([hairpin, [[1.01, 0.52]]]), len(hairpin)
    union, mutual = (Graph.build(points, neighbors=8, mutual=each) for each in (False, True))
    assert stray in union.path(0, stray - 1)
    assert len(mutual.path(0, stray - 1)) > 14 and stray not in mutual.path(0, stray - 1)
    assert (mutual.edges.toarray()[stray] > 0).sum() == 1  # it hangs on the rest by its nearest pair


@pytest.mark.parametrize("dimensions", [1, 2, 8])
def test_a_path_costs_what_another_algorithm_finds(dimensions: int) -> None:
    graph = Graph.build(cloud(300, dimensions), neighbors=4)
    exact = bellman_ford(graph.edges, indices=range(20))
    for start in range(20):
        for end in range(280, 300):
            path = graph.path(start, end)
            assert path[0] == start and path[-1] == end
            assert graph.cost(path) == pytest.approx(exact[start, end], rel=1e-9)


def test_other_lengths_are_followed_exactly() -> None:
    points = cloud(200, 2)
    graph = Graph.build(points, neighbors=5, lengths=lambda a, b: 0.1 * euclidean(a, b) ** 3)
    exact = bellman_ford(graph.edges, indices=[0])[0]
    for end in range(1, 200, 13):
        assert graph.cost(graph.path(0, end)) == pytest.approx(exact[end], rel=1e-9)
    i, j = graph.edges.nonzero()
    expected = 0.1 * np.linalg.norm(points[i] - points[j], axis=-1) ** 3
    np.testing.assert_allclose(graph.edges.data, expected, rtol=1e-5)


def test_parts_are_joined_by_a_shortest_set_of_links() -> None:
    centers = np.float32([[0, 0], [10, 0], [10, 11], [-12, 1], [40, 40]])
    points = np.concatenate([center + 0.5 * cloud(30, 2, seed) for seed, center in enumerate(centers)])
    graph = Graph.build(points, neighbors=4)
    assert graph.components == 5
    assert connected_components(graph.edges)[0] == 1
    part = np.repeat(np.arange(5), 30)
    i, j = graph.edges.nonzero()
    links = graph.edges.data[(part[i] != part[j]) & (i < j)]
    between = np.array([[cdist(points[part == a], points[part == b]).min() for b in range(5)] for a in range(5)])
    np.fill_diagonal(between, 0)
    assert sorted(links) == pytest.approx(sorted(minimum_spanning_tree(between).data), rel=1e-5)


def test_duplicates_keep_their_edges() -> None:
    points = np.float32([[0.0], [0.0], [0.0], [0.0], [1.0], [2.0]])
    graph = Graph.build(points, neighbors=2)
    assert connected_components(graph.edges)[0] == 1
    assert graph.cost(graph.path(0, 5)) == pytest.approx(2.0)
    assert graph.edges[0, 1] >= SHORTEST


def test_ends_are_joined_to_their_nearest() -> None:
    points = cloud(100, 3)
    ends = cloud(2, 3, seed=5)
    graph = Graph.build(points, neighbors=6).joined(ends)
    everyone = np.concatenate([points, ends])
    assert len(graph.points) == 102
    for number in (100, 101):
        expected = np.argsort(cdist(everyone[number : number + 1], everyone[:number])[0])[:6]
        joined = np.flatnonzero(graph.edges[[number], :number].toarray()[0])
        assert set(joined) == set(expected)
    assert (graph.edges.toarray() == graph.edges.toarray().T).all()
    assert graph.path(100, 101)[0] == 100


@pytest.mark.parametrize(("count", "k"), [(5, 5), (5, 9), (5, 0), (1, 1)])
def test_fewer_nodes_than_neighbors_are_refused(count: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"nodes={count}.*neighbors={k}.*more nodes"):
        Graph.build(cloud(count, 2), neighbors=k)


def test_many_nodes_of_many_dimensions_ask_for_faiss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(neighbors_module, "TREE_POINTS", 50)
    with pytest.raises(ValueError, match=r"prioria\[graph\]"):
        Neighbors(cloud(51, 17))
    Neighbors(cloud(50, 17))
    Neighbors(cloud(51, 16))


def test_faiss_finds_nearly_all_neighbors_and_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss", reason="the extra 'graph' is not installed")
    monkeypatch.setattr(neighbors_module, "TREE_POINTS", 50)
    points = cloud(3000, 32)
    distance, found = Neighbors(points).of(points, 16)
    exact = cdist(points, points)
    nearest = np.argsort(exact, 1)[:, :16]
    assert np.mean([len(set(a) & set(b)) for a, b in zip(found, nearest, strict=True)]) / 16 > 0.95
    np.testing.assert_allclose(distance, np.take_along_axis(exact, found, 1), atol=2e-3)
    assert (Neighbors(points).of(points, 16)[1] == found).all()


def test_building_grows_about_linearly() -> None:
    def seconds(count: int) -> float:
        points = cloud(count, 3)
        begin = time.process_time()
        Graph.build(points, neighbors=10)
        return time.process_time() - begin

    seconds(2000)
    assert seconds(32_000) < 8 * 3 * seconds(4000)
