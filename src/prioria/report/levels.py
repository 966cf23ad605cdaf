"""The levels of a hierarchy in one picture: how much each tells of x, and what it decides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prioria import explore
from prioria.data import Dataset
from prioria.evaluate import parts
from prioria.evaluate.estimate import Estimate
from prioria.model import VAE
from prioria.report import pictures, style
from prioria.report.pictures import Section

COLUMNS, ROWS = 12, 2


def levels(
    model: VAE, dataset: Dataset, path: str | Path, *, rows: int = 1000, num_samples: int = 10, seed: int = 0
) -> dict[str, Estimate]:
    """Writes a picture of a hierarchy over pictures, and returns the rate of each group, top first, in nats.

    For each group: its rate on test data; test pictures as the groups down to it know them; and prior draws of the
    groups down to it, each shown with several draws of everything below.

    Args:
        model: a hierarchy.
        dataset: its data.
        path: the .png file.
        rows: test rows that rates are measured on.
        num_samples: draws for each of them.
        seed: of all draws.

    Raises:
        ValueError: the data are no pictures, or another kind of file.
    """
    rates = group_rates(model, dataset, rows=rows, num_samples=num_samples, seed=seed)
    sections = {"Data": Section(dataset.test.tensor(COLUMNS), "test split")}
    sections |= level_sections(model, dataset, rates, seed=seed)
    style.write(pictures.page(sections, dataset.protocol, columns=COLUMNS), path)
    return rates


def group_rates(
    model: VAE, dataset: Dataset, *, rows: int = 1000, num_samples: int = 10, seed: int = 0
) -> dict[str, Estimate]:
    """Returns the rate E log q(z_i | x, above) / p(z_i | above) of each group on test rows, top first, in nats."""
    found = parts(model, dataset.test, num_samples=num_samples, seed=seed, limit=rows)
    return {name: found[f"rate/{name}" if len(model.groups) > 1 else "rate"] for name in model.groups}


def level_sections(model: VAE, dataset: Dataset, rates: Mapping[str, Estimate], *, seed: int = 0) -> dict[str, Section]:
    """Returns two rows of pictures for each group: what is known of test pictures, and what is held of prior draws."""
    known = explore.reconstruct_levels(model, dataset.test.tensor(COLUMNS), seed=seed)
    sections = {}
    for name, rate in rates.items():
        sections[f"{name}: known"] = Section(known[name], f"rate {rate}; groups below it from the prior")
        grid = explore.resample_below(model, name, rows=ROWS, columns=COLUMNS, seed=seed)
        sections[f"{name}: held"] = Section(grid.flatten(0, 1), "each row one prior draw down to it, all below it anew")
    return sections
