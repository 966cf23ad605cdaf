"""A page of tables: what a reader asks first in the columns, everything else below its row; as HTML and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prioria.report.templates import render
from prioria.storage import write_text


@dataclass(frozen=True)
class Entry:
    """A row of a listing.

    Attributes:
        cells: a text for each column; empty where nothing is known.
        details: heading -> text, opened below the row.
    """

    cells: Sequence[str]
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """A table of a page.

    Attributes:
        title: above it; empty for none.
        columns: their headings.
        entries: the rows.
        absent: what else could stand there and does not, in one line.
    """

    title: str
    columns: Sequence[str]
    entries: Sequence[Entry]
    absent: str = ""


@dataclass(frozen=True)
class Image:
    """A picture of a page.

    Attributes:
        file: relative to the page.
        title: what it shows.
    """

    file: str
    title: str


@dataclass(frozen=True)
class Page:
    """What a command leaves for a reader, what answers his question first.

    Attributes:
        title: of the page.
        lead: paragraphs.
        listings: tables.
        plots: of the numbers, above the tables.
        images: one below the other, below the tables.
        gallery: images side by side.
        notes: how the numbers came about; folded away.
    """

    title: str
    lead: Sequence[str]
    listings: Sequence[Listing]
    plots: Sequence[Image] = ()
    images: Sequence[Image] = ()
    gallery: Sequence[Image] = ()
    notes: Sequence[str] = ()

    def write(self, out: Path, name: str) -> Path:
        """Writes ``<name>.md`` and ``<name>.html`` into a folder; returns the first."""
        for suffix in ("html", "md"):
            write_text(out / f"{name}.{suffix}", render(f"listing.{suffix}", page=self))
        return out / f"{name}.md"
