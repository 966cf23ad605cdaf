"""The command that shows a latent dependency graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from prioria.commands.opened import DataPlace
from prioria.evaluate import edge_stability, plus_minus
from prioria.report import style
from prioria.report.dependency import LearnedGraph, dependency_graph
from prioria.train import Run

Runs = Annotated[Path, Parameter(help="Folder of a run of a dependency graph; several are compared, edge by edge.")]


def graph(
    *runs: Runs,
    out: Path | None = None,
    limit: int = 1000,
    num_samples: int = 10,
    data: DataPlace = None,
    seed: int = 0,
) -> None:
    """Draw the graph that a run learned: edge probabilities, and what the bound loses on test data without each edge.

    Args:
        out: the .png or .svg file, graph.png in the folder of the first run by default.
        limit: test examples that edges are priced on; a graph whose gates are still learned has no prices.
        num_samples: draws for each of them.
        seed: of the draws.
    """
    if not runs:
        raise ValueError("runs: name the folder of at least one run of a dependency graph")
    place = style.check_picture(out or runs[0] / "graph.png")
    graphs = [_learned(run, limit=limit, num_samples=num_samples, data=data, seed=seed) for run in runs]
    for run, found in zip(runs, graphs, strict=True):
        print(f"{run}:")
        for edge, probability in found.probabilities.items():
            price = f"  costs {found.costs[edge]}" if edge in found.costs else ""
            print(f"{' -> '.join(edge)}  {probability:.3f}{price}")
    figure = graphs[0].figure if len(graphs) == 1 else dependency_graph(_stability(graphs))
    print(f"Picture: {style.write(figure, place)}")


def _learned(run: Path, *, limit: int, num_samples: int, data: str | None, seed: int) -> LearnedGraph:
    found = LearnedGraph.of(Run.load(run, data=data), limit=limit, num_samples=num_samples, seed=seed)
    if found is None:
        raise ValueError(f"{run} is no dependency graph; train one with prioria train DATA --stages graph")
    return found


def _stability(graphs: Sequence[LearnedGraph]) -> dict[tuple[str, str], float]:
    """Prints mean and spread of each edge over the runs, and returns the means."""
    found = edge_stability([graph.probabilities for graph in graphs])
    print(f"over {len(graphs)} runs:")
    for edge, each in found.items():
        print(f"{' -> '.join(edge)}  {plus_minus(each.mean, error=each.spread, digits=3)}  kept in {each.present:.0%}")
    return {edge: each.mean for edge, each in found.items()}
