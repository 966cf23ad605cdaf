"""What a page shows of a hierarchy: its levels, and the edges that a dependency graph learned."""

from __future__ import annotations

from collections.abc import Sequence

from prioria.evaluate import edge_stability, plus_minus
from prioria.report import pictures, style
from prioria.report.comparison import Compared
from prioria.report.dependency import LearnedGraph
from prioria.report.levels import COLUMNS, group_rates, level_sections
from prioria.report.pictures import Picture
from prioria.stages import Edge
from prioria.train import Run

PRICED = 500  # test examples that edges are priced on


def graph_of(run: Run, *, seed: int = 0) -> LearnedGraph | None:
    """Returns the edges of a run, priced; None where it has no gates."""
    return LearnedGraph.of(run, limit=PRICED, seed=seed)


def graph_pictures(graph: LearnedGraph | None) -> list[Picture]:
    """Returns the pruned graph as a picture; nothing where there are no gates."""
    if graph is None:
        return []
    note = "edges above one half, the others dotted"
    return [Picture("Latent dependency graph", style.inline(style.render(graph.figure)), note)]


def level_pictures(run: Run, *, seed: int = 0) -> list[Picture]:
    """Returns what each group of a hierarchy over pictures knows and decides; nothing while gates are still learned."""
    model, data = run.model, run.data
    undecided = any(stage.undecided for stage in model.stages.values())
    if len(model.groups) == 1 or len(data.shape) != 3 or undecided:
        return []
    sections = level_sections(model, data, group_rates(model, data, seed=seed), seed=seed)
    return [
        Picture(name, style.inline(pictures.png(block), ".png"), sections[name].note)
        for name, block in pictures.blocks(sections, data.protocol, columns=COLUMNS).items()
    ]


def edge_rows(graphs: Sequence[LearnedGraph | None]) -> dict[str, list[Compared]]:
    """Returns edge -> a cell for each run, empty where the run has no such gate: its probability and its price."""
    edges = dict.fromkeys(edge for graph in graphs if graph is not None for edge in graph.probabilities)
    return {" → ".join(edge): [_cell(graph, edge) for graph in graphs] for edge in edges}


def stability_rows(graphs: Sequence[LearnedGraph | None]) -> dict[str, list[Compared]]:
    """Returns edge -> one cell with its spread over the runs; nothing unless several runs share their groups."""
    found = [graph.probabilities for graph in graphs if graph is not None]
    if len(found) < 2 or any(set(each) != set(found[0]) for each in found):
        return {}
    return {
        " → ".join(edge): [
            Compared(f"{plus_minus(each.mean, error=each.spread, digits=3)}", f"kept in {each.present:.0%} of the runs")
        ]
        for edge, each in edge_stability(found).items()
    }


def _cell(graph: LearnedGraph | None, edge: Edge) -> Compared:
    if graph is None or edge not in graph.probabilities:
        return Compared("")
    price = f"the bound loses {graph.costs[edge]} nats without it" if edge in graph.costs else ""
    return Compared(f"{graph.probabilities[edge]:.3f}", price)
