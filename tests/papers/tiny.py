"""A table of two small runs on digits; it is a module of its own so that workers find it."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from prioria import VAE, likelihoods, nets, posteriors, priors
from prioria.data import Dataset
from prioria.objectives import ELBO
from prioria.papers import Budget, Cell, Published, Row, Table, cells, computed, likelihood, likelihood_page
from prioria.papers.table import Result


def build(components: int, data: Dataset) -> VAE:
    return VAE(
        encoder=nets.GatedMLP(data.dimensions, 32, gated_output=True),
        posterior=posteriors.Gaussian(32, 4),
        prior=priors.Mixture(4, components),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(4, 32, data.dimensions)),
    )


def measure(cell: Cell) -> Result:
    with (cell.folder / "processes").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return likelihood.measure(cell)


def row(name: str, components: int) -> Row:
    training = {"checkpoint_every": "5 steps", "progress": False, "trackers": ()}
    return Row(name, name, partial(build, components), lambda data, budget: ELBO(), training)


TABLE = Table(
    name="tiny",
    rows=(row("few", 5), row("many", 10)),
    data=("digits",),
    budgets={"cpu": Budget(epochs=8, batch_size=100, num_samples=20, limit=50)},
    published=Published("Tiny", "nobody", "", "nats", {}),
    measure=measure,
    page=likelihood_page.page,
)


def cells_in(folder: Path) -> list[Cell]:
    return cells(TABLE, "cpu", runs=folder / "runs", out=folder / "results")


def main(folder: str, jobs: str) -> None:
    for cell, _ in computed(cells_in(Path(folder)), jobs=int(jobs)):
        print(cell.row.name)
