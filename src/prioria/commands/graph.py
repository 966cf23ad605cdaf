"""The command that shows a latent dependency graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from prioria import evaluate
from prioria.report import style
from prioria.report.dependency import dependency_graph
from prioria.stages import edge_probabilities, gates_of
from prioria.train import Run
from prioria.train.structure import read_structure

RunFolder = Annotated[Path, Parameter(help="Folder of a run of a dependency graph.")]


def graph(run: RunFolder, *, out: Path | None = None, limit: int = 1000, num_samples: int = 10, seed: int = 0) -> None:
    """Draw the graph that a run learned: edge probabilities, and what the bound loses on test data without each edge.

    Args:
        out: the .png or .svg file, RUN/graph.png by default.
        limit: test examples that edges are priced on; a graph whose gates are still learned has no prices.
        num_samples: draws for each of them.
        seed: of the draws.
    """
    opened = Run.load(run)
    stages = opened.model.stages_
    learned = read_structure(run) or edge_probabilities(stages)
    frozen = all(gates.is_frozen for gates in gates_of(stages).values())
    x = opened.data.test.tensor(limit)
    costs = evaluate.edge_costs(opened.model, x, num_samples, seed) if frozen else {}
    for edge, probability in learned.items():
        price = f"  costs {costs[edge]}" if edge in costs else ""
        print(f"{' -> '.join(edge)}  {probability:.3f}{price}")
    print(f"Picture: {style.write(dependency_graph(learned, costs or None), out or run / 'graph.png')}")
