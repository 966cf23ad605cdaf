"""Pairs of rows, with and without the decoupled prior: what is measured of each, and what differs over seeds."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.special import stdtr

from prioria.papers.columns import at
from prioria.papers.table import Result

METRICS: dict[str, str] = {  # column -> where it is in a result
    "FID": "images.fid.samples.value",
    "FID(LP)": "images.fid.low_posterior.value",
    "FID(q)": "images.fid.aggregate.value",
    "FID to q": "images.fid.prior.value",
    "floor": "images.fid.floor.value",
    "KID": "images.kid.value",
    "off the moons": "images.off_the_moons.samples",
    "off the moons (LP)": "images.off_the_moons.low_posterior",
    "off the moons (q)": "images.off_the_moons.aggregate",
    "sKL": "skl.value",
    "KL of q(z) from p(z)": "skl.q_to_p",
    "TC of q(z)": "total_correlation.value",
    "sKL, 1-NN in z": "skl_nearest.value",
    "sKL, 1-NN in z0": "skl_nearest_generation.value",
    "log p(x)": "log_likelihood.value",
    "log p(x), quadrature": "quadrature.value",
    "rate": "rate",
    "pockets": "overlap.pockets",
    "leaks": "overlap.leaks",
}
DERIVED: dict[str, tuple[str, str, Callable[[float, float], float]]] = {
    "FID(LP)/FID": ("FID(LP)", "FID", operator.truediv),
}
PARTS = {  # column -> what it says where it drops, and where it rises
    "FID to q": ("samples come nearer to what encodings decode to", "samples move away from what encodings decode to"),
    "FID(q)": ("decoded encodings come nearer to the data", "decoded encodings move away from the data"),
}
COLLAPSED = 0.1  # nats of rate


@dataclass(frozen=True)
class Change:
    """A paired difference, decoupled - baseline, over the seeds that both members of a pair have.

    A seed whose baseline has a rate below 0.1 nats, "collapsed", is left out; where all have, all are kept and nothing
    is said of them.

    Attributes:
        mean: over the seeds.
        spread: standard deviation over the seeds; None with one.
        seeds: how many the two share.
        collapsed: how many of these have a collapsed baseline.
    """

    mean: float
    spread: float | None
    seeds: int
    collapsed: int

    @property
    def compared(self) -> bool:
        """Whether any baseline has information in its latents."""
        return self.collapsed < self.seeds

    @property
    def says(self) -> str:
        """In words: "drop" or "rise" where it is beyond the spread, which one seed has not."""
        if self.spread is None:
            return "one seed"
        return self.direction or "within the spread"

    @property
    def direction(self) -> str:
        """The word "drop" or "rise"; empty within the spread. Of one seed it is the sign alone."""
        reach = self.spread or 0.0
        return "drop" if self.mean < -reach else "rise" if self.mean > reach else ""

    @property
    def cautions(self) -> list[str]:
        """What a reader has to know beside the sign."""
        unsure = [self.says] if self.says not in ("drop", "rise") else []
        return unsure + ([f"{self.collapsed} of {self.seeds} baselines collapsed"] if self.collapsed else [])

    def __str__(self) -> str:
        if not self.compared:
            return "collapsed baseline"
        spread = "" if self.spread is None else f" ± {self.spread:.2g}"
        return f"{self.mean:+.3g}{spread}: " + ", ".join(dict.fromkeys([self.says, *self.cautions]))


def metric(result: Result, name: str) -> float | None:
    """Returns a number of a result by the name of its column; None where it was not measured."""
    if name in DERIVED:
        first, second, combined = DERIVED[name]
        a, b = metric(result, first), metric(result, second)
        return None if a is None or b is None else combined(a, b)
    value = at(result, METRICS[name])
    return None if value is None else float(value)


def change(baseline: Sequence[Result], decoupled: Sequence[Result], name: str) -> Change | None:
    """Returns how a metric differs between the members of a pair; None where they share no seed that has it."""
    seeds = {result["seed"]: result for result in baseline}
    shared = [(seeds[each["seed"]], each) for each in decoupled if each["seed"] in seeds]
    informative = [(a, b) for a, b in shared if a["rate"] >= COLLAPSED]
    values = [(metric(a, name), metric(b, name)) for a, b in informative or shared]
    found = [b - a for a, b in values if a is not None and b is not None and math.isfinite(b - a)]
    if not found:
        return None
    spread = stdev(found) if len(found) > 1 else None
    return Change(fmean(found), spread, seeds=len(shared), collapsed=len(shared) - len(informative))


def reading(baseline: Sequence[Result], decoupled: Sequence[Result]) -> str:
    """Returns in words how the FID moved, and which of the two that make it up moved beyond their own spread."""
    total = change(baseline, decoupled, "FID")
    parts = [(change(baseline, decoupled, name), words) for name, words in PARTS.items()]
    moved = [(part.direction, words) for part, words in parts if part is not None]
    if total is None or len(moved) < len(parts):
        return ""
    if not total.compared:
        return "not compared: without information in the latents there is no representation to decouple"
    caution = f"{', '.join(total.cautions)}: " if total.cautions else ""
    why = [words[direction == "rise"] for direction, words in moved if direction]
    moves = {"drop": "falls", "rise": "rises", "": "neither falls nor rises beyond it"}[total.direction]
    return f"{caution}{moves}: {', '.join(why) or 'neither part moves beyond its spread'}"


def false_alarm(seeds: int) -> float:
    """Returns how often so many seeds say "drop" or "rise" where there is no difference, of normal differences.

    Example:
        >>> [round(false_alarm(seeds), 2) for seeds in (2, 3, 5)]
        [0.39, 0.23, 0.09]
    """
    return float(2 * stdtr(seeds - 1, -math.sqrt(seeds)))
