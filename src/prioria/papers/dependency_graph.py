"""The report's table: inverse autoregressive flow, latent dependency graph, both, and fixed graphs of equal size."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from prioria import likelihoods, nets, posteriors, priors, stages
from prioria.data import Dataset
from prioria.evaluate import EdgeStability, edge_stability
from prioria.model import VAE
from prioria.objectives import ELBO
from prioria.papers import likelihood, likelihood_page
from prioria.papers.columns import Case, cases
from prioria.papers.page import attached
from prioria.papers.table import SMOKE, Budget, Cell, Published, Result, Row, Table
from prioria.report import style
from prioria.report.dependency import LearnedGraph
from prioria.report.listing import Entry, Listing, Page
from prioria.stages import Edge
from prioria.train import Run, fit_dependency_graph

NODES, LATENTS, FEATURES, STEPS = 5, 16, 128, 2
WIDTHS = (512, 512, 256)  # of encoder and decoder between the pixels and the features
STRUCTURE_SHARE = 4  # one epoch in four learns the gates: 200 of 800
PICTURE = "graph.png"
EDGES = ("row", "edges kept", "dearest edge (bound without it, nats)")
TRAINING: dict[str, Any] = {"learning_rate": 1e-3, "gradient_clip": 5.0, "schedule": "cosine"}


def graph(data: Dataset, edges: Collection[Edge] | None = None, *, flow_steps: int = 0) -> VAE:
    """The report's graph: 5 groups of 16 latents; learned gates unless edges are given."""
    groups = stages.DependencyGraph(
        nodes=NODES,
        latents=LATENTS,
        features=FEATURES,
        hidden=FEATURES,
        edges=edges,
        flow_steps=flow_steps,
        flow_hidden=2 * LATENTS,
        batch_norm=True,
    )
    return VAE(encoder=_encoder(data), stages=groups, likelihood=_likelihood(data))


def flow_alone(data: Dataset) -> VAE:
    """One group of 80 latents under N(0, I), its posterior an inverse autoregressive flow."""
    latents = NODES * LATENTS
    posterior = posteriors.IAF(FEATURES, latents, steps=STEPS, hidden=(2 * latents, 2 * latents))
    prior = priors.StandardNormal(latents)
    return VAE(encoder=_encoder(data), posterior=posterior, prior=prior, likelihood=_likelihood(data))


def two_phases(flow_steps: int, cell: Cell, data: Dataset) -> Run:
    """Learns the structure in the first quarter of the epochs, trains it again from fresh weights in the others."""
    assert cell.row.objective is not None
    budget = cell.budget
    first = max(1, budget.epochs // STRUCTURE_SHARE)
    return fit_dependency_graph(
        partial(graph, data, flow_steps=flow_steps),
        partial(cell.row.objective, data, budget),
        data,
        epochs=(first, max(1, budget.epochs - first)),
        out=cell.folder,
        seed=cell.seed,
        options={**cell.row.training, "batch_size": budget.batch_size, "patience": budget.patience},
    )


def monte_carlo(data: Dataset, budget: Budget) -> ELBO:
    """The bound, every term at the sampled z, as in the report."""
    return ELBO(warmup=budget.warmup)


def closed_form(data: Dataset, budget: Budget) -> ELBO:
    """The same, differentiated through the closed-form KL of each group, as in the paper on dependency structure."""
    return ELBO(warmup=budget.warmup, closed_form_kl=True)


def measure(cell: Cell) -> Result:
    """Returns what a table of likelihoods measures and, of a graph, its edges with their prices; draws it as well."""
    found = likelihood.measure(cell)
    graph = LearnedGraph.of(Run.load(cell.folder, data=cell.dataset))
    if graph is None:
        return found
    style.write(graph.figure, cell.attached / PICTURE)
    costs = {_arrow(edge): cost.to_json() for edge, cost in graph.costs.items()}
    learned = {_arrow(edge): probability for edge, probability in graph.probabilities.items()}
    return {**found, "edges": learned, "edge_costs": costs}


def page(table: Table, out: Path, cells: Sequence[Cell]) -> Page:
    """Returns the page of likelihoods, with the learned graphs and how stable their edges are over seeds."""
    whole, learned = (
        likelihood_page.page(table, out, cells),
        [each for each in cases(table, out) if each.values("edges")],
    )
    entries = [Entry((f"{case.data}, {case.title}", *_summary(case)), dict(_edges(case))) for case in learned]
    edges = Listing("Edges: learned probability, and how the bound on test data changes without one", EDGES, entries)
    return replace(whole, listings=[*whole.listings, edges], gallery=[*whole.gallery, *attached(table, out, PICTURE)])


def _stability(case: Case) -> list[tuple[str, EdgeStability]]:
    names = {tuple(name.split(" -> ")): name for name in case.runs[0]["edges"]}
    found = edge_stability([{edge: run["edges"][name] for edge, name in names.items()} for run in case.runs])
    return [(names[edge], each) for edge, each in found.items()]


def _summary(case: Case) -> tuple[str, str]:
    """Returns the edges that most seeds keep, and the one that costs most to leave out, with its price."""
    found = _stability(case)
    costs = {name: cost["value"] for name, cost in case.runs[0]["edge_costs"].items()}
    dearest = max(costs, key=lambda name: costs[name], default="")
    return (
        f"{sum(each.present > 0.5 for _, each in found)} of {len(found)}",
        f"{dearest} ({-costs[dearest]:+.2f})" if costs else "",
    )


def _edges(case: Case) -> Iterator[tuple[str, str]]:
    """Yields each edge with its probability, and what the bound loses without it."""
    for name, found in _stability(case):
        spread = f", spread {found.spread:.3f} over {len(case.runs)} seeds" if len(case.runs) > 1 else ""
        cost = case.runs[0]["edge_costs"].get(name)
        price = "" if cost is None else f"; bound {-cost['value']:+.2f} ± {cost['standard_error']:.2f} nats without it"
        yield name, f"probability {found.mean:.3f}{spread}, kept by {found.present:.0%}{price}"


def _arrow(edge: Edge) -> str:
    return " -> ".join(edge)


def _encoder(data: Dataset) -> nets.MLP:
    return nets.MLP(data.dimensions, *WIDTHS, FEATURES, activation="elu", activate_output=True, batch_norm=True)


def _likelihood(data: Dataset) -> likelihoods.Bernoulli:
    decoder = nets.MLP(NODES * LATENTS, *WIDTHS[::-1], data.dimensions, activation="elu", batch_norm=True)
    return likelihoods.Bernoulli(decoder)


def _fixed(name: str, title: str, edges: Collection[Edge]) -> Row:
    return Row(name, title, build=partial(graph, edges=edges), objective=monte_carlo, training=TRAINING)


def _learned(name: str, title: str, flow_steps: int, objective: Callable[[Dataset, Budget], ELBO]) -> Row:
    build, phases = partial(graph, flow_steps=flow_steps), partial(two_phases, flow_steps)
    return Row(name, title, build=build, objective=objective, training=TRAINING, fit=phases)


TABLE = Table(
    name="dependency-graph",
    rows=(
        Row("vae-iaf", "VAE + IAF", build=flow_alone, objective=monte_carlo, training=TRAINING),
        _learned("graph", "dependency graph, Monte-Carlo bound", 0, monte_carlo),
        _learned("graph-closed-form", "dependency graph, closed-form KL", 0, closed_form),
        _learned("graph-iaf", "dependency graph + IAF", STEPS, monte_carlo),
        _fixed("independent", "no edges", ()),
        _fixed("chain", "chain", stages.chain_edges(NODES)),
        _fixed("full", "full graph", stages.full_edges(NODES)),
    ),
    data=("mnist-thresholded", "mnist-static", "mnist"),
    budgets={
        "smoke": SMOKE,
        "cpu": Budget(epochs=40, batch_size=64, num_samples=100, limit=2000),  # 10 + 30 epochs of a graph
        "cpu-5000": Budget(epochs=30, batch_size=64, num_samples=5000, limit=500),
        "gpu": Budget(epochs=800, batch_size=64, num_samples=100),  # the report's: 200 + 600 epochs of a graph
        "gpu-5000": Budget(epochs=100, batch_size=64, num_samples=5000),
    },
    published=Published.read("dependency-graph"),
    measure=measure,
    page=page,
)
