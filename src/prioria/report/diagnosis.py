"""Why the samples are bad: one page, one JSON, and a sentence for each fault."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prioria.data import Dataset
from prioria.distributions import is_binary
from prioria.evaluate import (
    Divergence,
    active_units,
    has_aggregate_density,
    kl_per_dimension,
    nearest_neighbor_kl,
    overlap,
    parts,
    prior_components,
    reconstruction,
    symmetric_kl,
    top_posterior,
)
from prioria.model import VAE
from prioria.report import pictures, style
from prioria.report.findings import Finding, Measurements, findings
from prioria.report.overview import sections
from prioria.report.page import Picture, check_page
from prioria.report.pictures import Section
from prioria.report.pockets import OPAQUE, ROWS, Margins, decoded_margins, draw_margins, draw_plane, margins
from prioria.report.templates import render
from prioria.stage import Stage
from prioria.storage import write_json, write_text
from prioria.train import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THRESHOLDS = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.5)
TEST_ROWS, COLUMNS, SHOWN = 1000, 12, 24


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What is wrong with a model, and all that it was told from.

    Attributes:
        name: of the run, or what to call the model.
        findings: the worst first.
        measurements: the numbers.
        seed: of all draws.
    """

    name: str
    findings: list[Finding]
    measurements: Measurements
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Returns findings and numbers as JSON values."""
        seen = self.measurements
        return {
            "name": self.name,
            "findings": [asdict(finding) for finding in self.findings],
            "active_units": {f"{threshold:g}": counts for threshold, counts in sweep(seen).items()},
            "rate": seen.rates,
            "kl_per_dimension": {
                name: None if each is None else {"values": each.values.tolist(), "against": each.against}
                for name, each in seen.dimensions.items()
            },
            "overlap": asdict(seen.overlap),
            "divergence": seen.divergence.to_json(),
            "components": None
            if seen.components is None
            else {
                "count": seen.components.count,
                "dead": seen.components.dead,
                "distinct": seen.components.distinct,
                "usage": seen.components.usage.tolist(),
            },
            "reconstruction": asdict(seen.reconstruction),
            "seed": self.seed,
            "unit": "nats",
        }

    def __str__(self) -> str:
        lines = [f"{each.severity}: {each.name}\n  {each.meaning}\n  Try: {each.remedy}" for each in self.findings]
        if self.measurements.overlap.pockets is None:
            lines.append(f"not measured: pockets\n  {OPAQUE}")
        return "\n".join(lines) if lines else f"{self.name}: nothing found"


def diagnose(model: VAE, data: Dataset, *, name: str = "model", seed: int = 0, limit: int = TEST_ROWS) -> Diagnosis:
    """Measures a model and says what is wrong with it.

    Posteriors, reconstructions and latents are those of test rows, the aggregate posterior that of 5,000 training
    rows at even distances.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        data: its data.
        name: what to call it.
        seed: of all draws.
        limit: test rows to look at.

    Raises:
        ValueError: a part of the model is still random, such as the gates of a dependency graph.
    """
    averages = parts(model, data.test, num_samples=10, seed=seed, limit=limit)
    rates = {group: averages.get(f"rate/{group}", averages["rate"]).value for group in model.groups}
    top = model.top
    seen = Measurements(
        pseudo_inputs=hasattr(top.p, "pseudo_inputs"),
        blocks=hasattr(top.p, "blocks"),
        is_binary=is_binary(top_posterior(model, data.test)),
        is_fused=type(top) is not Stage,
        units=active_units(model, data.test, seed=seed, limit=limit),
        rates=rates,
        dimensions=kl_per_dimension(model, data.test, seed=seed, limit=limit),
        overlap=overlap(model, data.train, held_out=data.test, seed=seed, limit=ROWS),
        divergence=_divergence(model, data, seed),
        components=prior_components(model, data.train, seed=seed, limit=ROWS),
        reconstruction=reconstruction(model, data.test, seed=seed, limit=limit),
    )
    return Diagnosis(name, findings(seen), seen, seed)


def write_diagnosis(run: Run, out: str | Path, *, seed: int = 0) -> Diagnosis:
    """Writes the page of a diagnosis as ``out`` and its numbers as JSON beside it, and returns it.

    Args:
        run: the run.
        out: the .html file.
        seed: of all draws.

    Raises:
        ValueError: as for :func:`diagnose`, or a file that is no .html.
    """
    out = check_page(out)
    name = run.data.name if run.path is None else run.path.resolve().name
    found = diagnose(run.model, run.data, name=name, seed=seed)
    shown = _pictures(run.model, run.data, found)
    page = render("diagnosis.html", found=found, sweep=sweep(found.measurements), pictures=shown, opaque=OPAQUE)
    write_text(out, page)
    write_json(out.with_suffix(".json"), found.to_json())
    return found


def sweep(seen: Measurements) -> dict[float, dict[str, int]]:
    """Returns the active units of each group by threshold."""
    return {
        threshold: {name: int((values > threshold).sum()) for name, values in seen.units.variances.items()}
        for threshold in THRESHOLDS
    }


def _divergence(model: VAE, data: Dataset, seed: int) -> Divergence:
    estimate = symmetric_kl if has_aggregate_density(model, data.train) else nearest_neighbor_kl
    return estimate(model, data.train, seed=seed, limit=ROWS)


def _pictures(model: VAE, data: Dataset, found: Diagnosis) -> list[Picture]:
    edges = margins(model, data, seed=found.seed)
    shown = [
        Picture(
            "Latents", _source(_bars(found.measurements)), "KL of each latent, and how much its posterior mean varies"
        ),
        Picture("Pockets and leaks", _source(_latent(edges)), "of the top group, over the aggregate posterior"),
    ]
    if len(data.shape) == 3:
        blocks = pictures.blocks(_rows(model, data, edges, found.seed), data.protocol, columns=COLUMNS)
        return shown + [Picture(name, style.inline(pictures.png(each), ".png")) for name, each in blocks.items()]
    if data.dimensions == 2:
        shown.append(Picture("Decoded", _source(_decoded(model, data, edges)), "what pockets and leaks decode to"))
    return shown


def _rows(model: VAE, data: Dataset, edges: Margins, seed: int) -> dict[str, Section]:
    found = sections(model, data, seed=seed, columns=COLUMNS)
    for name, (rows, _) in decoded_margins(model, edges).items():
        found[f"{name} samples, decoded"] = Section(rows[:SHOWN])
    return found


def _bars(seen: Measurements) -> Figure:
    known = {name: each for name, each in seen.dimensions.items() if each is not None}
    figure, axes = style.panels(7.2, 2.4 * max(1, len(seen.units.variances)), rows=len(seen.units.variances), columns=2)
    for row, (name, variances) in enumerate(seen.units.variances.items()):
        left, right = axes[2 * row], axes[2 * row + 1]
        if name in known:
            values = known[name].values.sort(descending=True).values
            style.dress(left, f"{name}: KL to {known[name].against}", x="latent, sorted", y="nats")
            left.bar(range(len(values)), values.numpy(), color=style.DATA)
        else:
            style.dress(left, f"{name}: no KL of single latents").set_axis_off()
        ordered = variances.flatten().sort(descending=True).values
        style.dress(right, f"{name}: variance of posterior means", x="latent, sorted")
        right.plot(range(len(ordered)), ordered.clamp(min=1e-8).numpy(), marker="o", ms=3, color=style.DATA)
        right.set_yscale("log")
        for threshold in THRESHOLDS:
            right.axhline(threshold, color=style.LINE, lw=0.6)
    return figure


def _latent(edges: Margins) -> Figure:
    figure, (axes,) = style.panels(5.4, 4.6)
    draw_margins(axes, edges)
    style.legend_below(axes)
    return figure


def _decoded(model: VAE, data: Dataset, edges: Margins) -> Figure:
    figure, (axes,) = style.panels(5.4, 4.4)
    draw_plane(axes, data.test.tensor(2000), decoded_margins(model, edges), "data (grey) and what extremes decode to")
    style.legend_below(axes)
    return figure


def _source(figure: Figure) -> str:
    return style.inline(style.render(figure))
