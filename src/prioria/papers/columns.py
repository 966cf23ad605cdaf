"""Columns of pages as data: a heading, where the value is in a result, and its format."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from prioria.evaluate import doubt
from prioria.papers.table import Result, Row, Table
from prioria.report.listing import Entry, Listing


@dataclass(frozen=True)
class Case:
    """The runs of one row on one data set under one budget: one line of a page, whatever the number of seeds.

    Attributes:
        table: whose.
        out: folder of the results.
        data: name of the data set.
        row: the row.
        budget: name of the budget.
        runs: results, one for each seed.
    """

    table: Table
    out: Path
    data: str
    row: Row
    budget: str
    runs: Sequence[Result]

    @property
    def title(self) -> str:
        """What a line begins with."""
        return f"{self.row.title} ({self.budget})"

    @property
    def published(self) -> Any:
        """What was published of the row; None where nothing was."""
        return self.table.published.cells.get(self.data, {}).get(self.row.name)

    def values(self, path: str) -> list[Any]:
        """Returns what the runs have at a path; nothing of those that have nothing there."""
        return [value for run in self.runs if (value := at(run, path)) is not None]


@dataclass(frozen=True)
class Column:
    """A column of a page.

    Attributes:
        heading: above it, or before the text where it is opened below a row.
        path: where its value is in a result, with dots between keys, or what reads its text off the runs.
        format: of a number, as in ".2f".
        scale: what a number is multiplied by.
        deviation: whether the standard deviation over seeds stands after ±, instead of the standard error.
    """

    heading: str
    path: str | Callable[[Case], str]
    format: str = ".2f"
    scale: float = 1.0
    deviation: bool = False

    def text(self, case: Case) -> str:
        """Returns the mean over seeds with its spread, or what the runs say in words; empty where they say nothing."""
        if callable(self.path):
            return self.path(case)
        values = case.values(self.path)
        if any(isinstance(value, str) for value in values):
            return "; ".join(dict.fromkeys(values))
        scaled = [self.scale * value for value in values]
        return over_seeds(scaled, self.format, spread=".2g" if self.deviation else None)


def at(result: Any, path: str) -> Any:
    """Returns what a result has at a path; None where there is nothing.

    Example:
        >>> at({"jump": [3.0, 5.0]}, "jump.1")
        5.0
    """
    for key in path.split("."):
        if isinstance(result, Mapping):
            result = result.get(key)
        elif isinstance(result, Sequence) and not isinstance(result, str):
            result = result[int(key)] if key.isdigit() and int(key) < len(result) else None
        else:
            return None
    return result


def over_seeds(values: Sequence[float | None], form: str, *, spread: str | None = None) -> str:
    """Returns the mean in a form such as ".2f", ± its standard error where there are several; empty without values.

    Args:
        values: one for each seed; None where it was not measured.
        form: of the mean and its error.
        spread: form of the standard deviation over seeds, which then takes the place of the error.
    """
    found = [value for value in values if value is not None and math.isfinite(value)]
    if len(found) < 2:
        return f"{found[0]:{form}}" if found else ""
    error = stdev(found)
    return f"{fmean(found):{form}} ± " + (f"{error:{spread}}" if spread else f"{error / math.sqrt(len(found)):{form}}")


def by_budget(results: Iterable[Result]) -> Iterator[tuple[str, list[Result]]]:
    """Returns the names of the budgets, and the results of each: those of several seeds."""

    def budget(result: Result) -> str:
        return result["budget"]["name"]

    for name, runs in groupby(sorted(results, key=budget), key=budget):
        yield name, list(runs)


def cases(table: Table, out: Path, data: str | None = None) -> list[Case]:
    """Returns what was run of a table, in the order of its page, on one data set or on all."""
    results = table.results(out)
    return [
        Case(table, out, name, row, budget, runs)
        for name in ([data] if data else table.data)
        for row in table.rows
        for budget, runs in by_budget(each for each in results if (each["data"], each["row"]) == (name, row.name))
    ]


def listing(title: str, found: Sequence[Case], columns: Sequence[Column], details: Sequence[Column] = ()) -> Listing:
    """Returns a table with a row for each case, its details below.

    Args:
        title: above it.
        found: the cases.
        columns: what is shown.
        details: what is opened below a row, where there is anything to say.
    """
    entries = [
        Entry(
            [column.text(case) for column in columns],
            {column.heading: text for column in details if (text := column.text(case))},
        )
        for case in found
    ]
    return Listing(title, [column.heading for column in columns], entries)


def listings(table: Table, out: Path, columns: Sequence[Column], details: Sequence[Column] = ()) -> list[Listing]:
    """Returns a table for each data set that was run, and at the end one line of all that was not."""
    found = [
        listing(name if len(table.data) > 1 else "", here, columns, (*details, *PROTOCOL))
        for name in table.data
        if (here := cases(table, out, name))
    ]
    absent = not_run(table, out)
    return [*found, Listing("", (), (), absent)] if absent else found


def not_run(table: Table, out: Path) -> str:
    """Returns in one line which rows have no result, those with a published number beside it; empty where all have.

    Of a data set without results only those rows are named that have a published number there.
    """
    run = {(case.data, case.row.name) for case in cases(table, out)}
    shown = {data for data, _ in run}
    parts, unseen = [], []
    for data in table.data:
        missing = [row for row in table.rows if (data, row.name) not in run]
        texts = {row.title: _published(table, data, row.name) for row in missing}
        names = [f"{title} ({text})" if text else title for title, text in texts.items() if text or data in shown]
        parts += [f"{data}: {'; '.join(names)}"] if names else []
        unseen += [] if names or data in shown else [data]
    parts += [f"No row of {', '.join(unseen)}"] if unseen else []
    absent = dict.fromkeys(row.absent for row in table.rows if row.absent)
    reasons = [f"{', '.join(row.title for row in table.rows if row.absent == each)}: {each}" for each in absent]
    return f"Not run (published numbers in brackets). {'. '.join([*parts, *reasons])}." if parts else ""


def numbers(value: Any, form: str = ".2f") -> str:
    """Returns a published number, or several with commas between; empty where there is none."""
    if value is None:
        return ""
    return ", ".join(f"{each:g}" for each in value) if isinstance(value, Sequence) else f"{value:{form}}"


def _published(table: Table, data: str, row: str) -> str:
    own = numbers(table.published.cells.get(data, {}).get(row))
    others = [f"{name} {value:.2f}" for name, value in table.published.others_of(data, row).items()]
    return ", ".join([*([own] if own else []), *others])


def _samples(case: Case) -> str:
    """Returns the count of samples, and how far the weights of all seeds can be trusted."""
    found: list[Mapping[str, Any]] = case.values("log_likelihood")
    if not found:
        return ""
    sizes = sorted(number["ess"] for number in found if number.get("ess") is not None)
    ends = dict.fromkeys(f"{size:,.0f}" for size in (*sizes[:1], *sizes[-1:]))
    details = [f"median ESS {' to '.join(ends)}"] if ends else []
    if failed := sum(not number.get("converged", True) for number in found):
        where = "" if failed == len(found) else f" with {failed} of {len(found)} seeds"
        details += [f"not converged{where}: {doubt(found[0]['num_samples'], found[0].get('ess'))}"]
    return f"{found[0]['num_samples']:,}" + (f" ({', '.join(details)})" if details else "")


def _parameters(case: Case) -> str:
    return ", ".join(dict.fromkeys(f"{count:,}" for count in case.values("parameters")))


def _epochs(case: Case) -> str:
    return ", ".join(str(count) for count in case.values("epochs_run"))


def _seconds(case: Case) -> str:
    """Returns the seconds of training and evaluation, means over seeds."""
    found: list[Mapping[str, float]] = case.values("seconds")
    return " + ".join(f"{fmean(each[part] for each in found):,.0f}" for part in (found[0] if found else ()))


def _versions(case: Case) -> str:
    versions = (", ".join(f"{name} {number}" for name, number in each.items()) for each in case.values("version"))
    return "; ".join(dict.fromkeys(versions))


def _seeds(case: Case) -> str:
    return ", ".join(str(run["seed"]) for run in case.runs)


PROTOCOL = (
    Column("seeds", _seeds),
    Column("estimator", "log_likelihood.estimator"),
    Column("samples", _samples),
    Column("split", "split"),
    Column("selection", "selection"),
    Column("epochs", _epochs),
    Column("parameters", _parameters),
    Column("seconds (training + evaluation)", _seconds),
    Column("machine", "machine"),
    Column("version", _versions),
)
ROW = Column("row", lambda case: case.title)


def _chosen(case: Case) -> str:
    names = case.runs[0]["chosen"]
    return "; ".join(f"{name} {'/'.join(map(str, dict.fromkeys(case.values(f'chosen.{name}'))))}" for name in names)


OF_A_START = (  # of a model that began at a classical one
    Column("chosen by the validation rows", _chosen),
    Column("gain of networks on the validation rows", "gain.value", "+.2f"),
    Column("CPU seconds of training", "seconds.training", ".0f"),
    Column("and of the comparison", "seconds.evaluation", ".0f"),
    *(column for column in PROTOCOL if column.heading in ("seeds", "split", "machine", "version")),
)
