"""Pages that stand alone: every picture is inside, nothing is fetched, and every number says how it was obtained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prioria.atomic import check_place
from prioria.data import Dataset
from prioria.evaluate.diagnosis import Finding
from prioria.evaluate.sampling import device_of, measuring
from prioria.model import VAE
from prioria.report import pictures, style
from prioria.report.bounds import bounds
from prioria.report.clouds import latent
from prioria.report.comparison import Comparison
from prioria.report.constraint import is_constrained, multiplier, verdict
from prioria.report.dependency import LearnedGraph
from prioria.report.history import curves, terms_of
from prioria.report.overview import draw, sections
from prioria.report.pictures import Picture
from prioria.report.standing import standing
from prioria.report.structure import edge_rows, graph_of, graph_pictures, level_pictures, stability_rows
from prioria.report.subject import Subject
from prioria.report.templates import render
from prioria.storage import write_text
from prioria.train import Run
from prioria.train.log import Line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 12  # pictures in a row


@dataclass(frozen=True)
class Part:
    """What a page shows of one run.

    Attributes:
        name: its heading.
        subject: the run.
        sheet: data, reconstructions, samples and pseudo-inputs.
        latent: the latent space.
        graph: the edges of a dependency graph.
        graphs: their picture.
        levels: of a hierarchy over pictures, what each group knows and decides.
        constraint: the multiplier of a constrained run, and whether its target was met.
        curves: training and validation.
        bounds: the bound over the number of samples, where it was measured.
        shapes: of latents and data, as text.
        findings: how the run stands, in sentences.
    """

    name: str
    subject: Subject
    sheet: list[Picture]
    latent: list[Picture]
    graph: LearnedGraph | None
    graphs: list[Picture]
    levels: list[Picture]
    constraint: list[Picture]
    curves: list[Picture]
    bounds: list[Picture]
    shapes: str
    findings: list[Finding]


def report(run: Run | str | Path, out: str | Path, *, seed: int = 0) -> Path:
    """Writes the page of one run: numbers with how they were obtained, pictures, protocol and configuration.

    Args:
        run: the run or its folder; its evaluation.json is shown where there is one.
        out: the .html file.
        seed: of the samples in the pictures.

    Raises:
        ValueError: there is no run, one of its files is damaged, or ``out`` is no .html.
    """
    return _write(Comparison((Subject.of(run),)), check_page(out), seed)


def compare(runs: Sequence[Run | str | Path], out: str | Path | None = None, *, seed: int = 0) -> Comparison:
    """Puts runs side by side, with paired differences of the log-likelihood to the first, and returns what was found.

    ``rich.print`` shows the result as a table.

    Args:
        runs: runs or their folders.
        out: the .html file; None writes none.
        seed: of the samples in the pictures.

    Raises:
        ValueError: fewer than two runs, no run in a folder, a damaged file, or an ``out`` that is no .html.
    """
    if len(runs) < 2:
        raise ValueError(f"runs has {len(runs)} entries; give at least two to compare")
    page = None if out is None else check_page(out)
    comparison = Comparison(tuple(Subject.of(run) for run in runs))
    if page is not None:
        _write(comparison, page, seed)
    return comparison


def check_page(out: str | Path) -> Path:
    """Returns the file of a page.

    Raises:
        ValueError: it does not end in .html; files of other endings, such as the numbers, are written beside it.
        OSError: it cannot be written, which is tried before the work.
    """
    if Path(out).suffix != ".html":
        raise ValueError(f"out={str(out)!r} is no page; give a file that ends in .html")
    check_place(Path(out))
    return Path(out)


def _write(comparison: Comparison, out: Path, seed: int) -> Path:
    parts = [_part(name, subject, seed) for name, subject in zip(comparison.names, comparison.subjects, strict=True)]
    graphs = [part.graph for part in parts]
    context = {"edges": edge_rows(graphs), "stability": stability_rows(graphs)}
    write_text(out, render("page.html", title=_title(comparison), comparison=comparison, parts=parts, **context))
    return out


def _title(comparison: Comparison) -> str:
    titles = dict.fromkeys(subject.run.data.protocol.title for subject in comparison.subjects)
    return f"{', '.join(titles)}: {', '.join(comparison.names)}"


def _part(name: str, subject: Subject, seed: int) -> Part:
    model, data, history = subject.run.model, subject.run.data, subject.run.history
    graph = graph_of(subject.run, seed=seed)
    with measuring(model):
        shapes = model.check(data.test.tensor(2).to(device_of(model)))
    return Part(
        name,
        subject,
        sheet=_sheet(model, data, seed),
        latent=[_figure("Latent space", latent(model, data, seed=seed))],
        graph=graph,
        graphs=graph_pictures(graph),
        levels=level_pictures(subject.run, seed=seed),
        constraint=_constraint(history),
        curves=[_figure(term, curves(history, [term])) for term in terms_of(history)],
        bounds=_bounds(subject),
        shapes=shapes,
        findings=_findings(subject),
    )


def _findings(subject: Subject) -> list[Finding]:
    evaluation = subject.evaluation
    return standing(subject.run, None if evaluation is None else evaluation.active_units, evaluation)


def _bounds(subject: Subject) -> list[Picture]:
    curve = None if subject.evaluation is None else subject.evaluation.curve
    return [] if curve is None else [Picture("Bound", style.inline(style.render(bounds(curve))), curve.verdict)]


def _constraint(history: Sequence[Line]) -> list[Picture]:
    if not is_constrained(history):
        return []
    return [Picture("Multiplier and target", style.inline(style.render(multiplier(history))), verdict(history))]


def _sheet(model: VAE, data: Dataset, seed: int) -> list[Picture]:
    if len(data.shape) != 3:
        return [_figure("Data and samples", draw(model, data, seed=seed))]
    found = sections(model, data, seed=seed, columns=COLUMNS)
    blocks = pictures.blocks(found, data.protocol, columns=COLUMNS)
    return [
        Picture(heading, style.inline(pictures.png(block), ".png"), found[heading].note)
        for heading, block in blocks.items()
    ]


def _figure(heading: str, figure: Figure) -> Picture:
    return Picture(heading, style.inline(style.render(figure)))
