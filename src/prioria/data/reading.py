"""How the user's own data are read: options of every command that reads data anew, each declared once, here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from prioria.data.base import Dataset
from prioria.data.loading import load


def option(group: str, text: str, default: Any = None) -> Any:
    """Declares an option.

    Args:
        group: what it is of.
        text: what it means, after its name.
        default: its value where it is left out.
    """
    return field(default=default, metadata={"group": group, "text": text})


@dataclass(frozen=True)
class Reading:
    """What is said about the values, pictures, series and columns of one's own data; `load` documents it.

    Example:
        >>> Reading(ignore=("name",), standardize=True).arguments()
        ['--standardize', '--ignore', 'name']
    """

    binarize: Literal["dynamic"] | None = option(
        "Values", "read grey values as probabilities and draw them afresh for every batch."
    )
    relaxed: bool = option(
        "Values",
        "allow a Bernoulli likelihood on grey values as they are; the result is no likelihood of the data.",
        False,
    )
    standardize: bool = option(
        "Values",
        "shift and scale each column of continuous values to mean 0 and deviation 1 in the training rows.",
        False,
    )
    resize: str | None = option("Pictures", "of pictures: width and height that all are brought to, as in 64x64.")
    crop: bool = option(
        "Pictures",
        "of pictures: cut them to the proportions of --resize around the center, in place of stretching them.",
        False,
    )
    color: Literal["grey", "rgb"] | None = option("Pictures", "of pictures: read all as grey or all as rgb.")
    alpha: bool = option(
        "Pictures", "of pictures: keep transparency as a channel; otherwise they are laid over white.", False
    )
    frames: Literal["all", "first"] = option(
        "Pictures", "of pictures: all pages of a TIFF and frames of a GIF are rows, or the first alone.", "all"
    )
    series: bool = option(
        "Series",
        "rows are series, (N, T) or (N, channels, T); real numbers with three axes are so without saying.",
        False,
    )
    window: int | None = option(
        "Series", "rows are steps in time and columns channels, of which windows of so many steps are the series."
    )
    step: int | None = option("Series", "steps from one window to the next; as many as the window has by default.")
    schema: Path | None = option(
        "Tables",
        "of a table: a file that prioria data inspect FILE --out schema.json wrote, and that you may have edited.",
    )
    label: str | None = option("Tables", "of a table: the column of labels.")
    ignore: tuple[str, ...] = option(
        "Tables", "of a table: a column to leave out; may be given several times.", default=()
    )
    kind: tuple[str, ...] = option(
        "Tables", "of a table: COLUMN=KIND, as in --kind month=category; may be given several times.", default=()
    )
    dates: bool = option(
        "Tables", "of a table: read year, month, weekday and epoch of dates as columns of numbers.", False
    )

    def keywords(self) -> dict[str, Any]:
        """The same as arguments of `load`.

        Raises:
            ValueError: a kind that names no column.
        """
        return {name: value for name, value in vars(self).items() if name != "kind"} | {"kinds": kinds_of(self.kind)}

    def load(self, source: str | Path) -> Dataset:
        """The data set of a name or a path, read so."""
        return load(source, **self.keywords())

    def arguments(self) -> list[str]:
        """What is not as by default, as a person types it."""
        typed: list[str] = []
        for each in fields(self):
            value, flag = getattr(self, each.name), f"--{each.name}"
            if value == each.default:
                continue
            values = value if isinstance(value, tuple) else (value,)
            typed += [flag] if value is True else [word for one in values for word in (flag, str(one))]
        return typed


def kinds_of(given: tuple[str, ...]) -> Mapping[str, str]:
    """Kinds by column of COLUMN=KIND.

    Raises:
        ValueError: one names no column.
    """
    for each in given:
        if "=" not in each:
            raise ValueError(f"--kind {each} must be COLUMN=KIND, as in --kind month=category")
    return {each.rpartition("=")[0]: each.rpartition("=")[2] for each in given}
