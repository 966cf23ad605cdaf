"""The latent dependency graph: which group of latents depends on which is learned. It generates no graphs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from itertools import combinations

from torch import nn

from prioria import priors
from prioria.nets import MLP
from prioria.posteriors import InverseAutoregressiveFlow
from prioria.posteriors.gaussian import Gaussian
from prioria.stage import Stage, Stages
from prioria.stages.fused import Fused
from prioria.stages.gates import Gates

Edge = tuple[str, str]  # (parent, child)


def DependencyGraph(  # noqa: N802 - reads as a constructor, as TwoLevel does
    *,
    nodes: int,
    latents: int,
    features: int,
    hidden: int = 128,
    edges: Collection[Sequence[str]] | None = None,
    flow_steps: int = 0,
    flow_hidden: int = 64,
    batch_norm: bool = False,
    per_example: bool = False,
    decay: float = 0.99,
    floor: float = 0.1,
) -> dict[str, Stage]:
    r"""Groups z_N, ..., z_1 in a graph whose edges are learned: p(z|c) = prod_n p(z_n | c_{i,n} z_i for every i > n).

    The root z_N is N(0, I). Each prior is a network of its parents' values times their gates c_{i,n} (N (N - 1) / 2
    gates); each posterior fuses it with evidence from x by precision, the root's is the evidence alone (He et al.,
    2019; the report on latent dependency structure with IAF, eq. 6-7). The prior enters the bound as it is, gated
    (public code takes N(0, I) there). With ``flow_steps`` each posterior goes through an inverse autoregressive flow
    of its own, whose draw is what later groups see: the report's combination.

    Train with learned gates, then read :func:`edge_probabilities`, and train the ``edges`` above 1/2 from fresh
    weights, or go on with the same model after :func:`freeze_gates`. Evaluations refuse gates that are not frozen.
    For every choice of edges the networks are the same, so that a chain, a full and an independent graph compare at
    equal size.

    Departures from the report: the flow's context h_n is the hidden layer that mean and variance are linear in, not a
    third head of as many numbers as latents; variances are exponentials, not softplus.

    Args:
        nodes: N, at least 2.
        latents: dimensions of each group; at least 2 with a flow.
        features: width of the encoder's output.
        hidden: width of the hidden layer of each network.
        edges: pairs (parent, child), such as ("z5", "z4"), of a fixed graph, lists too; None: they are learned.
        flow_steps: steps of each group's inverse autoregressive flow; 0: none.
        flow_hidden: width of the flow's two hidden layers.
        batch_norm: normalize hidden layers over the batch, as in the report.
        per_example: draw gates for each example, else once for a draw.
        decay: factor on the gates' temperature after each epoch.
        floor: least temperature.

    Returns:
        Stages by name, z_N first.

    Raises:
        ValueError: fewer than two nodes, or an edge that is not from a group to a later one.

    Example:
        >>> graph = DependencyGraph(nodes=3, latents=2, features=8, edges=[("z3", "z1")])
        >>> [(name, stage.gates and stage.gates.probabilities.tolist()) for name, stage in graph.items()]
        [('z3', None), ('z2', [0.0]), ('z1', [1.0, 0.0])]
    """
    names = node_names(nodes)
    fixed = None if edges is None else _checked(names, edges)
    layer = partial(MLP, activation="elu", activate_output=True, batch_norm=batch_norm)
    learned = partial(Gates, per_example=per_example, decay=decay, floor=floor)

    def node(prior: nn.Module, gates: Gates | None) -> Stage:
        evidence, flow = Gaussian(hidden, latents), _flow(latents, hidden, flow_steps, flow_hidden)
        return Fused(prior, evidence, bottom_up=layer(features, hidden), parents="all", gates=gates, flow=flow)

    stages = {names[0]: node(priors.StandardNormal(latents), None)}
    for count, name in enumerate(names[1:], start=1):
        present = None if fixed is None else [(parent, name) in fixed for parent in names[:count]]
        prior = Gaussian(hidden, latents, net=layer(count * latents, hidden))
        stages[name] = node(prior, learned([latents] * count, edges=present))
    return stages


def node_names(nodes: int) -> list[str]:
    """Returns z_N, ..., z_1.

    Raises:
        ValueError: fewer than two nodes.
    """
    if nodes < 2:
        raise ValueError(f"nodes={nodes} leaves no edge to learn; use at least 2")
    return [f"z{number}" for number in range(nodes, 0, -1)]


def full_edges(nodes: int) -> list[Edge]:
    """Returns every edge from a group to a later one.

    Example:
        >>> full_edges(3)
        [('z3', 'z2'), ('z3', 'z1'), ('z2', 'z1')]
    """
    return list(combinations(node_names(nodes), 2))


def chain_edges(nodes: int) -> list[Edge]:
    """Returns the edges from each group to the next.

    Example:
        >>> chain_edges(3)
        [('z3', 'z2'), ('z2', 'z1')]
    """
    names = node_names(nodes)
    return list(zip(names, names[1:], strict=False))


def gates_of(stages: Mapping[str, Stage] | Stages) -> dict[str, Gates]:
    """Returns group -> its gates, for the groups that have any."""
    fused = {name: stage.gates for name, stage in stages.items() if isinstance(stage, Fused)}
    return {name: gates for name, gates in fused.items() if isinstance(gates, Gates)}


def edge_probabilities(stages: Mapping[str, Stage] | Stages) -> dict[Edge, float]:
    """Returns (parent, child) -> mu for every possible edge: 0 or 1 where gates are frozen.

    Raises:
        ValueError: no group has gates.

    Example:
        >>> edge_probabilities(DependencyGraph(nodes=3, latents=2, features=8))
        {('z3', 'z2'): 0.5, ('z3', 'z1'): 0.5, ('z2', 'z1'): 0.5}
    """
    names, gates = list(stages), gates_of(stages)
    if not gates:
        raise ValueError("stages have no gates; build them with stages.DependencyGraph")
    return {
        (parent, child): probability
        for child, each in gates.items()
        for parent, probability in zip(names[: names.index(child)], each.probabilities.tolist(), strict=True)
    }


def freeze_gates(stages: Mapping[str, Stage] | Stages) -> dict[Edge, float]:
    """Fixes every gate to 1[mu > 1/2], in place, and returns the edge probabilities before."""
    before = edge_probabilities(stages)
    for gates in gates_of(stages).values():
        gates.freeze()
    return before


def _flow(latents: int, context: int, steps: int, hidden: int) -> nn.Module | None:
    return InverseAutoregressiveFlow(latents, context, steps=steps, hidden=(hidden, hidden)) if steps else None


def _checked(names: list[str], edges: Collection[Sequence[str]]) -> set[tuple[str, ...]]:
    possible, found = set(combinations(names, 2)), {tuple(edge) for edge in edges}  # JSON knows no tuples, only lists
    for edge in found - possible:
        raise ValueError(f"edges has {edge}, not a pair (parent, child) of {names} with the parent first")
    return found
