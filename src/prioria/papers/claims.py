"""What the five sources claim, and what became of it here: data that refer to results for their evidence."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from statistics import fmean

from prioria.papers.columns import at
from prioria.report.listing import Entry, Listing, Page
from prioria.storage import read_json

VERDICTS = ("holds", "holds in part", "does not hold", "undecided", "not tested")
COLUMNS = ("claim", "verdict", "evidence", "command")


@dataclass(frozen=True)
class Claim:
    """A claim of a source.

    Attributes:
        source: the document.
        claim: what it says, in our words.
        verdict: what our evidence says of it, one of ``VERDICTS``.
        evidence: numbers, as references to results, or the test that shows it.
        command: what makes the evidence; empty where there is none.
        table: whose page shows it; empty for none.
    """

    source: str
    claim: str
    verdict: str
    evidence: str
    command: str = ""
    table: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict={self.verdict!r} of {self.claim!r} is none of {', '.join(VERDICTS)}")


def all_claims() -> list[Claim]:
    """Reads every claim, in the order of the sources."""
    text = resources.files("prioria.papers").joinpath("published", "claims.json").read_text(encoding="utf-8")
    return [Claim(source=source, **each) for source, claims in json.loads(text).items() for each in claims]


def claims_of(table: str) -> list[Claim]:
    """Returns the claims that a table tests."""
    return [claim for claim in all_claims() if claim.table == table]


def verdicts(title: str, claims: Sequence[Claim], out: Path) -> Listing:
    """Returns claims as a table, their commands below."""
    entries = [
        Entry([each.claim, each.verdict], {"evidence": filled(each.evidence, out), "command": f"`{each.command}`"})
        for each in claims
    ]
    return Listing(title, COLUMNS[:2], entries)


def page(out: Path) -> Page:
    """Returns the page of all claims, a table for each source."""
    claims = all_claims()
    counts = ", ".join(f"{sum(each.verdict == verdict for each in claims)} {verdict}" for verdict in VERDICTS)
    listings = [
        Listing(
            source,
            COLUMNS,
            [
                Entry([each.claim, each.verdict, filled(each.evidence, out), _command(each)])
                for each in claims
                if each.source == source
            ],
        )
        for source in dict.fromkeys(claim.source for claim in claims)
    ]
    return Page(
        title="What the sources claim, and what became of it here",
        lead=[
            f"{len(claims)} claims of five sources: {counts}. Numbers are read off the results in this folder; the "
            "page is made by `prioria reproduce claims`.",
        ],
        listings=listings,
    )


def filled(text: str, out: Path) -> str:
    """Returns a text with every reference ``{results:path:format}`` replaced by the mean of what these results have.

    Args:
        text: with references such as ``{vhp/mnist-static/vamp/cpu-seed-*:log_likelihood.value:.2f}``.
        out: folder of the results.
    """
    return re.sub(r"\{([^:{}]+):([^:{}]+):([^:{}]+)\}", lambda found: _number(out, *found.groups()), text)


def _number(out: Path, pattern: str, path: str, form: str) -> str:
    values = [at(read_json(file), path) for file in sorted(out.glob(f"{pattern}.json"))]
    found = [value for value in values if value is not None]
    return f"{fmean(found):{form}}" if found else "(not run)"


def _command(claim: Claim) -> str:
    return f"`{claim.command}`" if claim.command else ""
