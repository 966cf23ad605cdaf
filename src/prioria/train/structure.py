"""Two phases: learn which groups depend on which, then train the structure that was found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from prioria.model import VAE
from prioria.objectives import Objective
from prioria.stages import Edge, edge_probabilities
from prioria.storage import read_json, write_json
from prioria.train import checkpoint
from prioria.train.fitting import fit
from prioria.train.run import PROBABILITIES, Run, exists, read_specification

STRUCTURE = "structure"  # folder of the first phase, inside that of the second


def fit_dependency_graph(
    build: Callable[[Collection[Edge] | None], VAE],
    objective: Callable[[], Objective],
    data: Any,
    *,
    epochs: tuple[int, int] = (200, 600),
    out: str | Path | None = None,
    seed: int = 0,
    warm_start: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Run:
    """Trains a dependency graph with learned gates, then the edges above 1/2 alone, and returns the second run.

    Both phases are runs of their own, ``out/structure`` and ``out``, and ``out/structure.json`` holds the
    probabilities; called again after it was stopped, each goes on where it was. The probabilities are those of the
    first phase's best weights by the validation bound.

    Args:
        build: edges (None: learned gates) -> the model, see :func:`prioria.stages.DependencyGraph`.
        objective: returns a new objective.
        data: what :func:`prioria.fit` takes.
        epochs: of the two phases, (200, 600) in the report.
        out: folder; None writes nothing.
        seed: of the weights, the order of the data and all noise.
        warm_start: begin the second phase with the weights of the first, else with fresh ones, as in the report.
        options: further options of :func:`prioria.fit`.

    Returns:
        The run of the fixed graph; ``stages.edge_probabilities(run.model.stages)`` are its edges.

    Raises:
        ValueError: ``out`` holds a run of another kind, or its second phase has begun and the first would be
            lengthened; and whatever :func:`prioria.fit` refuses.
    """
    folder = None if out is None else Path(out)
    if folder is not None and exists(folder):
        _check_second(folder, epochs)
    again = {**(options or {}), "seed": seed, "resume": folder is not None}
    first = _built(build, None, seed)
    structure = fit(
        first, objective(), data, epochs=epochs[0], out=None if folder is None else folder / STRUCTURE, **again
    )
    learned = edge_probabilities(structure.model.stages)
    edges = [edge for edge, mu in learned.items() if mu > 0.5]
    if folder is not None:
        write_json(folder / PROBABILITIES, {f"{parent} -> {child}": mu for (parent, child), mu in learned.items()})
    second = _built(build, edges, seed + 1)
    if warm_start:
        weights = {name: value for name, value in first.state_dict().items() if ".gates." not in name}
        second.load_state_dict({**second.state_dict(), **weights})
    return fit(second, objective(), data, epochs=epochs[1], out=folder, **again)


def read_structure(folder: Path) -> dict[Edge, float] | None:
    """Returns the edge probabilities of the first phase; None where the run is not of two phases."""
    path = folder / PROBABILITIES
    stored = read_json(path) if path.exists() else None
    return None if stored is None else {tuple(edge.split(" -> ")): mu for edge, mu in stored.items()}


def _check_second(folder: Path, epochs: tuple[int, int]) -> None:
    """Refuses to learn edges beside a run that does not train them, or trains those that were found already."""
    if not (folder / PROBABILITIES).exists():
        raise ValueError(f"out={str(folder)!r} holds a run whose edges were not learned; choose another folder")
    first = folder / STRUCTURE
    done = max(read_specification(first)["options"]["epochs"], checkpoint.read_state(first)["epoch"])
    if epochs[0] > done:
        raise ValueError(
            f"epochs={epochs} would learn the edges of {str(folder)!r} further, which are trained already; keep the "
            f"{done} epochs of the first phase (--stages.structure-epochs {done}), or choose another folder"
        )


def _built(build: Callable[[Collection[Edge] | None], VAE], edges: Collection[Edge] | None, seed: int) -> VAE:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(edges)
