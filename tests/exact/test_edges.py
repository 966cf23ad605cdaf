"""What an edge is worth, against a graph whose bound is known in closed form, and pictures of graphs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from prioria import VAE, evaluate, likelihoods, nets, stages
from prioria.report import style
from prioria.report.dependency import dependency_graph, layout


def graph(edges: list) -> VAE:
    return VAE(
        encoder=nets.MLP(4, 5, activate_output=True),
        stages=stages.DependencyGraph(nodes=3, latents=2, features=5, hidden=6, edges=edges),
        likelihood=likelihoods.Bernoulli(nets.MLP(6, 4)),
    )


def test_an_edge_costs_the_difference_to_the_graph_without_it() -> None:
    whole, x = graph(stages.full_edges(3)), torch.bernoulli(torch.full((12, 4), 0.5))
    before = {name: value.clone() for name, value in whole.state_dict().items()}
    costs = evaluate.edge_costs(whole, x, num_samples=5, seed=3)
    assert list(costs) == stages.full_edges(3)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, before[name])
    bound = evaluate.elbo(whole, x, num_samples=5, seed=3)
    for edge, cost in costs.items():
        rest = graph([other for other in stages.full_edges(3) if other != edge])
        rest.load_state_dict({n: v if "gates" not in n else rest.state_dict()[n] for n, v in before.items()})
        expected = bound.pointwise - evaluate.elbo(rest, x, num_samples=5, seed=3).pointwise
        torch.testing.assert_close(cost.pointwise, expected)
        assert math.isclose(cost.standard_error, expected.std().item() / 12**0.5, rel_tol=1e-6)


def test_an_edge_that_changes_nothing_costs_nothing() -> None:
    whole = graph([("z3", "z2")])
    torch.nn.init.zeros_(whole.stages["z2"].p.net.layers[0].weight)
    (cost,) = evaluate.edge_costs(whole, torch.ones(6, 4), num_samples=3).values()
    assert cost.value == 0


def test_costs_and_stability_refuse_what_they_cannot_compare() -> None:
    with pytest.raises(ValueError, match="no gates"):
        evaluate.edge_costs(
            VAE(
                encoder=nets.BottomUp(4, {"z0": 2}),
                stages=stages.BinaryHierarchy({"z0": 2}),
                likelihood=likelihoods.Bernoulli(nets.MLP(2, 4)),
            ),
            torch.ones(2, 4),
        )
    with pytest.raises(ValueError, match="graphs=0"):
        evaluate.edge_stability([])
    with pytest.raises(ValueError, match="same possible edges"):
        evaluate.edge_stability([{("z2", "z1"): 1.0}, {("a", "b"): 1.0}])


def test_spread_is_the_sample_standard_deviation_and_none_of_one_training() -> None:
    edge, values = ("z2", "z1"), [0.9, 0.2, 0.4]
    found = evaluate.edge_stability([{edge: value} for value in values])[edge]
    assert found.spread == pytest.approx(np.std(values, ddof=1))
    assert evaluate.edge_stability([{edge: 0.9}])[edge].spread == 0


def test_the_picture_draws_kept_edges_and_dots_pruned_ones() -> None:
    figure = dependency_graph({("z3", "z2"): 0.9, ("z3", "z1"): 0.2, ("z2", "z1"): 1.0})
    (axes,) = figure.axes
    assert len(axes.patches) == 3
    assert [line.get_linestyle() for line in axes.lines] == [":"]
    assert sum(text.arrow_patch is not None for text in axes.texts if hasattr(text, "arrow_patch")) == 2
    assert style.render(figure) == style.render(figure)


def test_a_price_from_one_example_has_no_error_to_write() -> None:
    model = graph(stages.full_edges(3))
    costs = evaluate.edge_costs(model, torch.ones(1, 4), num_samples=2)
    (axes,) = dependency_graph(stages.edge_probabilities(model.stages), costs).axes
    assert [f"{cost.value:.2f}" for cost in costs.values()] == [t.get_text() for t in axes.texts if "." in t.get_text()]


def test_groups_stand_apart_on_a_circle_with_the_root_on_top() -> None:
    places = layout([f"z{n}" for n in range(5, 0, -1)])
    assert places["z5"] == pytest.approx((0.0, 1.0))
    points = list(places.values())
    nearest = min(math.dist(a, b) for i, a in enumerate(points) for b in points[:i])
    assert nearest == pytest.approx(2 * math.sin(math.pi / 5))
