"""Does a decoupled prior harm the representation? Disentanglement on dSprites with and without it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, stdev

import torch

from prioria import evaluate, likelihoods, nets, posteriors, priors
from prioria.data import Dataset
from prioria.model import VAE
from prioria.nets.conv import Layer
from prioria.objectives import BetaTC, FactorVAE, Objective, Stratified
from prioria.papers.cell import trained
from prioria.papers.columns import ROW, Column, at, listings
from prioria.papers.likelihood import cost
from prioria.papers.page import compose
from prioria.papers.table import SMOKE, Budget, Cell, Published, Result, Row, Table, loaded
from prioria.report.listing import Entry, Listing, Page

LATENTS, MARGIN = 10, 0.05  # of MIG, stated before any run: a smaller loss does not count as harm
CONVOLUTIONS: tuple[Layer, ...] = tuple((width, 4, 2, 1) for width in (32, 32, 64, 64))
EXAMPLES = {"smoke": 200}  # rows that are scored, 10,000 elsewhere
SCORES = {  # heading -> where it is in a result
    "MIG": "scores.mig",
    "FactorVAE score": "scores.factor_vae",
    "DCI disentanglement": "scores.dci.disentanglement",
    "DCI completeness": "scores.dci.completeness",
    "DCI informativeness": "scores.dci.informativeness",
    "SAP": "scores.sap",
}
FIRST = ("MIG", "FactorVAE score", "DCI disentanglement")
COLUMNS = (ROW, *(Column(name, SCORES[name], ".3f") for name in FIRST))
DETAILS = (
    *(Column(name, path, ".3f") for name, path in SCORES.items() if name not in FIRST),
    Column("rate (nats)", "rate", ".1f"),
    Column("distortion (nats)", "distortion", ".1f"),
)
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
        (f"{title} ({budget}, {name})", [_difference(results, name, key, budget, score) for score in SCORES])
        for name in table.data
        for key, (title, _) in REGULARIZERS.items()
        for budget in table.budgets
    ]
    entries = [
        Entry([title, *texts[: len(FIRST)]], dict(zip(list(SCORES)[len(FIRST) :], texts[len(FIRST) :], strict=True)))
        for title, texts in pairs
        if any(texts)
    ]
    shown = Listing(
        "Decoupled prior minus standard prior, with its 95 % interval over seeds", ("pair", *FIRST), entries
    )
    return compose(
        table,
        out,
        [shown, *listings(table, out, COLUMNS, DETAILS)],
        plotted=COLUMNS[1:3],
        likelihoods=False,
        curve=False,
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
        {result["seed"]: at(result, SCORES[score]) for result in here if result["row"] == name}
        for name in (row, f"{row}-dp")
    )
    differences = [decoupled[seed] - baseline[seed] for seed in sorted(baseline.keys() & decoupled.keys())]
    if not differences:
        return ""
    middle, low, high = interval(differences)
    says = f": {verdict(low, high)}" if score == "MIG" else ""
    spread = f" [{low:+.3f}, {high:+.3f}]" if math.isfinite(low) else ", one seed"
    return f"{middle:+.3f}{spread}{says}"


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
