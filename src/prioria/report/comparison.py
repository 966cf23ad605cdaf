"""Runs side by side: their numbers, and paired differences where runs were evaluated on the same examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prioria.evaluate import Difference, Estimate
from prioria.report.evaluation import Evaluation
from prioria.report.subject import Subject

if TYPE_CHECKING:
    from rich.table import Table

LIKELIHOOD = "log-likelihood (nats)"


@dataclass(frozen=True)
class Compared:
    """What a table says of one run, and in small how it was obtained."""

    text: str
    note: str = ""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs in the order in which they were given; ``rich.print`` shows a table."""

    subjects: tuple[Subject, ...]

    @property
    def names(self) -> list[str]:
        """The folders' names, or whole paths where two would be the same."""
        names = [subject.name for subject in self.subjects]
        return names if len(set(names)) == len(names) else [str(subject.folder) for subject in self.subjects]

    @property
    def numbers(self) -> dict[str, list[Compared]]:
        """What was measured -> a cell for each run; the differences follow the log-likelihood."""
        measured = _aligned([_measured(subject) for subject in self.subjects])
        return {LIKELIHOOD: measured.pop(LIKELIHOOD)} | self._differences() | measured

    @property
    def baselines(self) -> dict[str, list[Compared]]:
        """Classical models of the same rows -> for each run their log-likelihood and the run's difference to it."""
        found = _aligned([_beside(subject) for subject in self.subjects])
        return found if any(cell.text for cells in found.values() for cell in cells) else {}

    @property
    def settings(self) -> dict[str, list[Compared]]:
        """How the runs were made -> a cell for each run."""
        return _aligned([_made(subject) for subject in self.subjects])

    def _differences(self) -> dict[str, list[Compared]]:
        first, *others = self.subjects
        if not others:
            return {}
        cells = [Compared("", "reference"), *(_against(first, other) for other in others)]
        return {_label(f"difference to {self.names[0]}"): cells}

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
        for column in ("", *self.names):
            table.add_column(column, overflow="fold")
        for label, cells in (self.numbers | self.baselines | self.settings).items():
            notes = ((f"\n{cell.note}\n" if cell.note else "", "dim") for cell in cells)
            table.add_row(label, *(Text.assemble(cell.text, note) for cell, note in zip(cells, notes, strict=True)))
        return table


def paired_difference(one: Subject, other: Subject) -> Difference | str:
    """Returns the mean of log p(x) under one run minus that under another, or why their examples cannot be paired."""
    a, b = one.evaluation, other.evaluation
    if a is None or b is None:
        return "not evaluated"
    if _examples(a) != _examples(b) or (a.rows and b.rows and a.rows != b.rows):  # older ones have no digest
        return "not paired: other examples"
    if one.likelihood != other.likelihood:  # a probability minus a density means nothing
        return "not paired: other likelihoods"
    if one.pointwise is None or other.pointwise is None:
        return "not paired: values of single examples were not kept"
    return Difference.of(one.pointwise, other.pointwise)


def how(number: Estimate, evaluation: Evaluation) -> str:
    """Returns by which estimator, with how many samples, on which examples a number was obtained."""
    trust = "" if number.converged else f"; not converged: {number.doubt}"
    return f"{number.estimator}, {_basis(number.num_samples, evaluation.split, number.examples)}{trust}"


def _measured(subject: Subject) -> dict[str, Compared]:
    found = subject.evaluation
    if found is None:
        return {LIKELIHOOD: Compared("", f"these weights were not evaluated: prioria evaluate {subject.folder}")}
    numbers = {_label(name): Compared(number.number, how(number, found)) for name, number in subject.numbers.items()}
    if found.certificate is not None:
        plain = numbers[LIKELIHOOD]
        numbers[LIKELIHOOD] = Compared(plain.text, f"{plain.note}; {found.certificate.verdict}")
    for words, value in found.per_value.items():
        numbers[words] = Compared(f"{value:.4g}", "of the log-likelihood; the lower the better")
    units = found.active_units
    note = f"variance of the posterior mean above {units.threshold:g}, {found.split} split, {units.examples:,} examples"
    return numbers | {"active units": Compared(str(units), note)}


def _beside(subject: Subject) -> dict[str, Compared]:
    found = None if subject.evaluation is None else subject.evaluation.baselines
    if found is None:
        return {}
    cells = {"beside baselines": Compared(found.verdict, found.missing or found.note)}
    for each in found.models:
        note = "" if each.difference is None else f"difference of the run {each.difference}"
        cells[_label(each.name)] = Compared(each.estimate.number, note)
    return cells


def _made(subject: Subject) -> dict[str, Compared]:
    specification = subject.specification
    return {
        "prior": Compared(subject.prior),
        "likelihood": Compared(subject.likelihood),
        "objective": Compared(subject.objective.partition("(")[0].rpartition(".")[2]),
        "parameters": Compared(f"{subject.parameters:,}"),
        "best epoch": _best(subject),
        "seed": Compared(str(specification["options"]["seed"])),
        "version": Compared(f"prioria {specification['prioria']}, torch {specification['torch']}"),
    }


def _best(subject: Subject) -> Compared:
    best, rows = subject.run.best, subject.run.data.validation
    if best is None:
        return Compared("", "nothing was validated")
    specification = subject.specification
    if "refit" in specification:  # its history is that of the prior alone
        note = f"-E log p(z) {best['loss']:.2f} nats, encodings of the validation split"
        return Compared(f"step {best['step']:,} of the refitted prior", note)
    drawn = specification["step"]["args"]["objective"].get("args", {}).get("num_samples", 1)
    note = f"objective {best['loss']:.2f} nats, {_basis(drawn, 'validation', len(rows))}"
    return Compared(f"{best['epoch']} of {specification['options']['epochs']}", note)


def _basis(samples: int, split: str, examples: int) -> str:
    return f"{samples:,} sample{'s' * (samples > 1)}, {split} split, {examples:,} examples"


def _against(first: Subject, other: Subject) -> Compared:
    found = paired_difference(other, first)
    if isinstance(found, str):
        return Compared("", found)
    return Compared(str(found), f"paired over {found.examples:,} examples")


def _label(name: str) -> str:
    return f"{name} (nats)"


def _aligned(columns: Sequence[dict[str, Compared]]) -> dict[str, list[Compared]]:
    labels = dict.fromkeys(label for column in columns for label in column)
    return {label: [column.get(label, Compared("")) for column in columns] for label in labels}


def _examples(evaluation: Evaluation) -> tuple[str, str, int]:
    return evaluation.data, evaluation.split, evaluation.log_likelihood.examples
