"""The page of a table: what was run beside what was published; a cell that was not run stays empty."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import cycle, groupby
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from prioria.recipes.table import Row, Table
from prioria.report import style
from prioria.storage import read_json, write_json, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = (
    "data",
    "row",
    "ours (nats)",
    "published",
    "ELBO",
    "active units",
    "samples",
    "also (nats)",
    "split",
    "budget",
    "epochs",
    "parameters",
    "seconds (training + evaluation)",
    "version",
)


def write_page(table: Table, out: Path) -> Path:
    """Writes ``<table>.md``, ``.html``, ``.json`` and its curves from the results below ``out``; returns the first."""
    results = [read_json(path) for path in sorted((out / table.name).rglob("*.json"))]
    lines = [line for name in table.data for row in table.rows for line in _lines(table, name, row, results)]
    context = {"table": table, "columns": COLUMNS, "lines": lines, "curves": f"{table.name}-curves.png"}
    style.write(_curves(results), out / context["curves"])
    for suffix in ("md", "html"):
        write_text(out / f"{table.name}.{suffix}", _template(f"table.{suffix}").render(context))
    write_json(out / f"{table.name}.json", {"columns": COLUMNS, "lines": lines, "source": table.published.source})
    return out / f"{table.name}.md"


def _curves(results: list[dict[str, Any]]) -> Figure:
    figure, (axes,) = style.panels(7.0, 4.0)
    for color, result in zip(cycle(style.SERIES), results, strict=False):
        bound = [-loss for loss in result["curve"]["loss"]]
        name = f"{result['data']}, {result['row']}, {result['budget']['name']}, seed {result['seed']}"
        axes.plot(range(1, len(bound) + 1), bound, color=color, label=name)
    style.dress(axes, "Validation bound at the end of every schedule", x="epoch", y="nats")
    if results:
        style.legend(axes)
    return figure


def _template(name: str) -> Any:
    loader = PackageLoader("prioria.recipes")
    environment = Environment(
        loader=loader, undefined=StrictUndefined, autoescape=name.endswith("html"), trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)


def _lines(table: Table, name: str, row: Row, results: list[dict[str, Any]]) -> Iterable[list[str]]:
    published = table.published.cells.get(name, {}).get(row.name)
    beside = "" if published is None else f"{published:.2f}"
    found = [result for result in results if (result["data"], result["row"]) == (name, row.name)]
    if not found:
        yield [name, row.title, "", beside, *[""] * (len(COLUMNS) - 5), row.absent or "not run"]
    for budget, runs in groupby(sorted(found, key=_budget), key=_budget):
        yield [name, row.title, *_numbers(list(runs), beside, budget)]


def _budget(result: dict[str, Any]) -> str:
    return result["budget"]["name"]


def _numbers(runs: list[dict[str, Any]], published: str, budget: str) -> list[str]:
    first = runs[0]
    cost = (round(fmean(run["seconds"][part] for run in runs)) for part in ("training", "evaluation"))
    return [
        _with_error(runs),
        published,
        f"{fmean(run['elbo']['value'] for run in runs):.2f}",
        ", ".join(f"{group}: {count}" for group, count in first["active_units"]["counts"].items()),
        _samples(first["log_likelihood"]),
        "; ".join(f"{name}: {_mean_of(runs, name):.2f}" for name in first.get("also", {})),
        first["split"],
        budget,
        ", ".join(str(run["epochs_run"]) for run in runs),
        f"{first['parameters']:,}",
        " + ".join(f"{part:,}" for part in cost),
        f"prioria {first['version']['prioria']}, torch {first['version']['torch']}",
    ]


def _with_error(runs: list[dict[str, Any]]) -> str:
    values = [run["log_likelihood"]["value"] for run in runs]
    if len(values) == 1:
        return f"{values[0]:.2f} ± {runs[0]['log_likelihood']['standard_error']:.2f} over examples"
    return f"{fmean(values):.2f} ± {stdev(values) / math.sqrt(len(values)):.2f} over {len(values)} seeds"


def _mean_of(runs: list[dict[str, Any]], name: str) -> float:
    return fmean(run["also"][name]["value"] for run in runs)


def _samples(number: dict[str, Any]) -> str:
    trust = "" if number["converged"] else ", not converged: heavy-tailed weights, a lower bound"
    return f"{number['num_samples']:,} (median ESS {number['ess']:,.0f}{trust})"
