"""What a run learned of its latent dependency graph: edges, what they are worth, and a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prioria import evaluate
from prioria.evaluate import Estimate
from prioria.report import style
from prioria.stages import Edge, edge_probabilities, gates_of
from prioria.train import Run
from prioria.train.structure import read_structure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

NODE = 0.15  # radius of a node, where the circle that holds them has radius 1

Point = tuple[float, float]


@dataclass(frozen=True)
class LearnedGraph:
    """The edges of a run.

    Attributes:
        probabilities: of every possible edge: those that the first of two phases learned, else the model's own.
        costs: what the bound loses (nats) without each edge that was kept; empty while gates are learned.
    """

    probabilities: dict[Edge, float]
    costs: dict[Edge, Estimate]

    @classmethod
    def of(cls, run: Run, *, limit: int = 1000, num_samples: int = 10, seed: int = 0) -> LearnedGraph | None:
        """Reads the probabilities of a run and prices its edges on test data; None where it has no gates.

        Args:
            run: the run.
            limit: test examples that edges are priced on.
            num_samples: draws for each of them.
            seed: of the draws.
        """
        stages = run.model.stages
        gates = gates_of(stages).values()
        if not gates:
            return None
        learned = None if run.path is None else read_structure(run.path)
        frozen = all(each.is_frozen for each in gates)
        x = run.data.test.tensor(limit)
        costs = evaluate.edge_costs(run.model, x, num_samples=num_samples, seed=seed) if frozen else {}
        return cls(edge_probabilities(stages) if learned is None else learned, costs)

    @property
    def figure(self) -> Figure:
        """Its picture."""
        return dependency_graph(self.probabilities, self.costs or None)


def dependency_graph(probabilities: Mapping[Edge, float], costs: Mapping[Edge, Estimate] | None = None) -> Figure:
    """Returns a picture of the pruned graph: groups on a circle, the root on top, the others after it clockwise.

    Edges with probability above 1/2 are drawn, labeled with it while it is learned, and with what the bound loses
    (nats) without them where costs are given; what was pruned is dotted.

    Args:
        probabilities: what ``stages.edge_probabilities`` returned.
        costs: what ``evaluate.edge_costs`` returned.

    Raises:
        ValueError: there is no edge to draw.

    Example:
        >>> figure = dependency_graph({("z3", "z2"): 0.9, ("z3", "z1"): 0.2, ("z2", "z1"): 1.0})
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['', '0.90', '', 'z3', 'z2', 'z1']
    """
    if not probabilities:
        raise ValueError("probabilities is empty: a graph has at least two groups and one possible edge")
    figure, (axes,) = style.panels(5.2, 5.2)
    places = layout(list(dict.fromkeys(name for edge in probabilities for name in edge)))
    middle = 0.46 if len(places) % 2 else 0.4  # of an edge: where its label stands, beside where edges cross
    for edge, probability in probabilities.items():
        start, end = places[edge[0]], places[edge[1]]
        if probability <= 0.5:
            axes.plot(*zip(start, end, strict=True), color=style.LINE, linestyle=":", linewidth=1.2, zorder=1)
            continue
        _arrow(axes, start, end, probability)
        _write(axes, _along(start, end, middle), _label(probability, None if costs is None else costs.get(edge)))
    for name, place in places.items():
        axes.add_patch(_disc(place))
        axes.text(*place, name, ha="center", va="center", fontsize=11, color=style.INK, zorder=4)
    axes.set(xlim=(-1.25, 1.25), ylim=(-1.25, 1.25), aspect="equal")
    axes.set_axis_off()
    if costs:
        axes.set_title("probability of each edge; nats that the bound loses without it", fontsize=8, color=style.MUTED)
    return figure


def layout(names: list[str]) -> dict[str, Point]:
    """Returns where each group stands on the unit circle, the first on top, clockwise."""
    angles = {name: 2 * math.pi * index / len(names) for index, name in enumerate(names)}
    return {name: (math.sin(angle), math.cos(angle)) for name, angle in angles.items()}


def _disc(place: Point) -> Patch:
    from matplotlib.patches import Circle

    return Circle(place, NODE, facecolor=style.PAPER, edgecolor=style.INK, linewidth=1.2, zorder=3)


def _arrow(axes: Axes, start: Point, end: Point, probability: float) -> None:
    reach = 1 - 1.1 * NODE / math.dist(start, end)
    arrow = {"arrowstyle": "-|>", "color": style.DATA, "linewidth": 3 * probability - 0.8, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=_along(start, end, reach), xytext=_along(end, start, reach), arrowprops=arrow, zorder=2)


def _along(start: Point, end: Point, share: float) -> Point:
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _write(axes: Axes, place: Point, text: str) -> None:
    if text:
        box = {"facecolor": style.PAPER, "edgecolor": "none", "pad": 1.0}
        axes.text(*place, text, ha="center", va="center", fontsize=8, color=style.MUTED, bbox=box, zorder=2.5)


def _label(probability: float, cost: Estimate | None) -> str:
    parts = [] if probability == 1 else [f"{probability:.2f}"]
    if cost is None:
        return "\n".join(parts)
    return "\n".join([*parts, cost.number])
