"""Does a decoupled prior harm the representation? Disentanglement on dSprites with and without it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, stdev

import torch

from prioria import evaluate, likelihoods, nets, posteriors, priors
from prioria.data import Dataset
from prioria.model import VAE
from prioria.nets.conv import Layer
from prioria.objectives import BetaTC, FactorVAE, Objective, Stratified
from prioria.papers.cell import Cell, loaded, trained
from prioria.papers.likelihood import cost
from prioria.papers.page import PROTOCOL, Page, Section, budgets, by_budget, introduction, over_seeds, protocol
from prioria.papers.table import SMOKE, Budget, Published, Result, Row, Table

LATENTS, MARGIN = 10, 0.05  # of MIG, stated before any run: a smaller loss does not count as harm
CONVOLUTIONS: tuple[Layer, ...] = tuple((width, 4, 2, 1) for width in (32, 32, 64, 64))
EXAMPLES = {"smoke": 200}  # rows that are scored, 10,000 elsewhere
SCORES = {  # column -> where it is in a result
    "MIG": ("mig",),
    "FactorVAE score": ("factor_vae",),
    "DCI disentanglement": ("dci", "disentanglement"),
    "DCI completeness": ("dci", "completeness"),
    "DCI informativeness": ("dci", "informativeness"),
    "SAP": ("sap",),
}
COLUMNS = ("data", "row", "budget", "seeds", *SCORES, "rate (nats)", "distortion (nats)", *PROTOCOL)
REGULARIZERS: dict[str, tuple[str, Callable[[], Objective]]] = {
    "beta-tc": ("beta-TCVAE", lambda: BetaTC(6.0, tc=Stratified())),
    "factor": ("FactorVAE", lambda: FactorVAE(6.4, LATENTS)),
}


def build(decoupled: bool, data: Dataset) -> VAE:
    """The usual networks for dSprites (Burgess et al., 2018): four convolutions, 256 units, ten latents, bits."""
    shape = (data.shape[0], data.shape[1], data.shape[2])
    model = VAE(
        encoder=nets.ConvStack(shape, CONVOLUTIONS, (256,)),
        posterior=posteriors.Gaussian(256, LATENTS),
        prior=priors.RealNVP(LATENTS) if decoupled else priors.StandardNormal(LATENTS),
        likelihood=likelihoods.Bernoulli(nets.DeconvStack(LATENTS, shape, CONVOLUTIONS, (256,))),
    )
    # in bf16 a step then takes three quarters of the time; torch's overloads leave out what its documentation has
    return model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def measure(cell: Cell) -> Result:
    """Trains a row, and returns the scores of its posterior means on the rows that it was trained on."""
    run, start = trained(cell), time.perf_counter()
    model, split = run.last(), loaded(cell.data).train
    found = evaluate.disentanglement(model, split, limit=EXAMPLES.get(cell.budget_name, 10_000))
    parts = evaluate.parts(model, run.data.test, limit=1000)
    return {
        "headline": f"MIG {found.mig:.3f}, FactorVAE score {found.factor_vae:.3f}",
        "scores": found.to_json(),
        "rate": parts["rate"].value,
        "distortion": parts["distortion"].value,
        "split": f"{found.examples:,} training rows",
        "selection": "weights at the end",
        **cost(run, start),
    }


def page(table: Table, out: Path, cells: Sequence[Cell]) -> Page:
    """Returns the page of all results below ``out``: what the flow prior changes in each pair, then every cell."""
    results = table.results(out)
    pairs = [
        [name, title, budget, *(_difference(results, name, key, budget, score) for score in SCORES)]
        for name in table.data
        for key, (title, _) in REGULARIZERS.items()
        for budget in table.budgets
    ]
    return Page(
        title=table.published.title,
        text=introduction(table),
        notes=[*table.published.notes, *budgets(table, likelihoods=False)],
        sections=[
            Section(
                "Decoupled prior minus standard prior, mean over seeds with its 95 % interval",
                ("data", "regularizer", "budget", *SCORES),
                [line for line in pairs if any(line[3:])],
            ),
            Section("Cells", COLUMNS, [line for name in table.data for line in _lines(table, name, results)]),
        ],
    )


def interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """Returns the mean and its 95 % interval by Student's t over seeds, all of the line where there is one seed.

    Example:
        >>> [round(value, 2) for value in interval([0.0, 0.1, 0.2])]
        [0.1, -0.15, 0.35]
    """
    from scipy.stats import t

    middle, count = fmean(differences), len(differences)
    if count < 2:
        return middle, -math.inf, math.inf
    reach = float(t.ppf(0.975, count - 1)) * stdev(differences) / math.sqrt(count)
    return middle, middle - reach, middle + reach


def verdict(low: float, high: float) -> str:
    """Returns what an interval of differences in MIG says about harm beyond the margin."""
    if low > -MARGIN:
        return "not harmed"
    return "harmed" if high < -MARGIN else "undecided"


def _difference(results: Sequence[Result], data: str, row: str, budget: str, score: str) -> str:
    here = [result for result in results if (result["data"], result["budget"]["name"]) == (data, budget)]
    baseline, decoupled = (
        {result["seed"]: _score(result, score) for result in here if result["row"] == name}
        for name in (row, f"{row}-dp")
    )
    differences = [decoupled[seed] - baseline[seed] for seed in sorted(baseline.keys() & decoupled.keys())]
    if not differences:
        return ""
    middle, low, high = interval(differences)
    says = f": {verdict(low, high)}" if score == "MIG" else ""
    spread = f" [{low:+.3f}, {high:+.3f}]" if math.isfinite(low) else ", one seed"
    return f"{middle:+.3f}{spread}{says}"


def _score(result: Result, name: str) -> float:
    value = result["scores"]
    for key in SCORES[name]:
        value = value[key]
    return value


def _lines(table: Table, data: str, results: Sequence[Result]) -> Iterator[list[str]]:
    for row in table.rows:
        found = [result for result in results if (result["data"], result["row"]) == (data, row.name)]
        if not found:
            yield [data, row.title, "not run", *[""] * (len(COLUMNS) - 3)]
        for budget, runs in by_budget(found):
            scores = [over_seeds([_score(run, name) for run in runs], ".3f") for name in SCORES]
            bound = [over_seeds([run[part] for run in runs], ".1f") for part in ("rate", "distortion")]
            yield [data, row.title, budget, str(len(runs)), *scores, *bound, *protocol(runs)]


TABLE = Table(
    name="disentanglement",
    rows=tuple(
        Row(
            name=f"{name}-dp" if decoupled else name,
            title=f"{title}, decoupled prior" if decoupled else title,
            build=partial(build, decoupled),
            objective=lambda data, budget, make=make: make(),
            training={"learning_rate": 5e-4, "precision": "bf16", "progress": False},
        )
        for name, (title, make) in REGULARIZERS.items()
        for decoupled in (False, True)
    ),
    data=("dsprites-grid", "dsprites"),
    budgets={
        "smoke": SMOKE,
        "short": Budget(steps=6_000, batch_size=64, sets=1),
        "cpu": Budget(steps=20_000, batch_size=64, sets=1),
        "gpu": Budget(steps=30_000, batch_size=64, sets=1),
    },
    published=Published.read("disentanglement"),
    measure=measure,
    page=page,
)
