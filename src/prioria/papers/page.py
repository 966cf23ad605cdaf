"""What every page of the annexe says: whose numbers stand beside ours, how ours were made, and what that claims."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prioria.papers.claims import claims_of, verdicts
from prioria.papers.columns import Column, cases
from prioria.papers.plots import curves, dots
from prioria.papers.table import Budget, Table
from prioria.report import style
from prioria.report.listing import Image, Listing, Page

STANDARD_ERRORS = "After ± is a standard error: over seeds where there are several, else over examples."


def compose(
    table: Table,
    out: Path,
    listings: Sequence[Listing],
    *,
    plotted: Sequence[Column] = (),
    images: Sequence[Image] = (),
    gallery: Sequence[Image] = (),
    errors: str = STANDARD_ERRORS,
    likelihoods: bool = True,
    curve: bool = True,
) -> Page:
    """Returns the page of a table, and draws its numbers and curves.

    Args:
        table: which.
        out: folder of the results.
        listings: its tables.
        plotted: columns to draw, with the published numbers beside the first.
        images: further pictures.
        gallery: pictures of single runs.
        errors: what stands after ±, in words.
        likelihoods: whether its numbers come from the budgets' importance samples of their test examples.
        curve: whether losses of its rows can be compared, and are drawn.
    """
    published, found = table.published, cases(table, out)
    drawn = [("numbers", "Ours and published", dots(found, plotted))] if plotted and found else []
    trained = curves(found) if curve else None
    drawn += [("curves", "Validation bound after each epoch", trained)] if trained else []
    plots = [Image(style.write(each, out / f"{table.name}-{name}.png").name, title) for name, title, each in drawn]
    claims = claims_of(table.name)
    return Page(
        title=published.title,
        lead=[
            f"Published: {published.source}. Ours: `prioria reproduce {table.name}`; from the results at hand, without "
            f"training: `prioria reproduce {table.name} --render-only`. {errors}".strip(),
        ],
        listings=[*listings, *([verdicts("Claims", claims, out)] if claims else [])],
        plots=plots,
        images=images,
        gallery=gallery,
        notes=[
            *([f"Published numbers: {published.protocol}"] if published.protocol else []),
            *(f"Also published: {other.source}. {other.protocol}" for other in published.others),
            *published.notes,
            *budgets(table, likelihoods=likelihoods),
        ],
    )


def budgets(table: Table, *, likelihoods: bool = True) -> list[str]:
    """Returns what each budget of a table means, and of the rows that have one of their own.

    Args:
        table: which.
        likelihoods: whether its numbers come from the budgets' importance samples of their test examples.
    """
    own: dict[tuple[str, Budget], list[str]] = {}
    for row in table.rows:
        for name, budget in row.budgets.items():
            own.setdefault((name, budget), []).append(row.name)
    every = [f"`{name}`: {_cost(budget, likelihoods)}." for name, budget in table.budgets.items()]
    return every + [
        f"`{name}` of {', '.join(rows)}: {_cost(budget, likelihoods)}." for (name, budget), rows in own.items()
    ]


def _cost(budget: Budget, likelihoods: bool) -> str:
    length = (
        f"at most {budget.epochs:,} epochs"
        if budget.steps is None
        else f"{budget.steps:,} steps, to the end of their epoch"
    )
    parts = [length, f"batch {budget.batch_size}"]
    parts += [f"warm-up {budget.warmup}"] if budget.warmup else []
    parts += [f"patience {budget.patience}"] if budget.patience else []
    if likelihoods:
        examples = "all" if budget.limit is None else f"{budget.limit:,}"
        parts += [f"{budget.num_samples:,} importance samples", f"{examples} test examples"]
    return ", ".join(parts)


def attached(table: Table, out: Path, name: str) -> list[Image]:
    """Returns the pictures of a name that belong to the results with seed 0, in the order of the page."""
    files = [
        (row, path) for row in table.rows for path in sorted((out / table.name).glob(f"*/{row.name}/*-seed-0/{name}"))
    ]
    return [
        Image(path.relative_to(out).as_posix(), f"{row.title}, {path.parts[-4]}, {path.parts[-2]}")
        for row, path in files
    ]
