"""Times what a user may switch on against plain float32 training, and writes options.json and options.md.

Run it from the root of the repository, with a C++ compiler:

    OMP_NUM_THREADS=1 python -m benchmarks.options

All are ratios of CPU time on one thread between calls of one process that took turns, on models that were trained.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch

from benchmarks.clock import race, ratio
from benchmarks.models import ours
from benchmarks.speed import COMPONENTS, SAMPLES, images, machine, our_step, repeat
from prioria import evaluate

COMMAND = "OMP_NUM_THREADS=1 python -m benchmarks.options"
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Row:
    """Milliseconds of the first of two rivals, and how many times as fast the second is."""

    what: str
    first: str
    first_ms: float
    second: str
    speedup: float


def main() -> None:
    """Measures every row and writes the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = [likelihood()]
    for components in (None, COMPONENTS):
        rows += [row for batch in (100, 1000) for row in steps(components, batch)]
    about = machine()
    document = {"command": COMMAND, "machine": about, "rows": [asdict(row) for row in rows]}
    (FOLDER / "options.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (FOLDER / "options.md").write_text(table(rows, about), encoding="utf-8")


def likelihood() -> Row:
    """Times the log-likelihood of an image by a trained model against that by a fresh one."""
    model, fresh, x = ours("gated", COMPONENTS), ours("gated", COMPONENTS).eval(), images(1)
    repeat(our_step(model, images(100)))
    estimates = {
        name: lambda model=each: evaluate.log_likelihood(model, x, num_samples=SAMPLES)
        for name, each in {"untrained": fresh, "trained": model.eval()}.items()
    }
    return raced("log-likelihood, VampPrior-500", **estimates)


def steps(components: int | None, batch: int) -> list[Row]:
    """Times a step in bfloat16, and at a batch of 100 a compiled one, against a plain one in float32."""
    model, x = ours("gated", components), images(batch)
    plain, half = our_step(model, x), our_step(model, x, precision="bf16")
    repeat(our_step(model, images(100)))
    name = f"step {batch}, " + ("standard" if components is None else f"VampPrior-{components}")
    rivals = {"bf16": half}
    if batch == 100:
        rivals["compiled"] = our_step(model, x, compiled=True)
    return [raced(name, float32=plain, **{rival: step}) for rival, step in rivals.items()]


def raced(what: str, **rivals: Callable[[], object]) -> Row:
    """Times two in turns."""
    times = race(rivals, rounds=7, seconds=0.1)
    first, second = rivals
    row = Row(what, first, 1e3 * median(times[first]), second, ratio(times[first], times[second]))
    print(row, flush=True)
    return row


def table(rows: list[Row], machine: dict[str, object]) -> str:
    """Returns the table as Markdown."""
    about = ", ".join(f"{name} {value}" for name, value in machine.items())
    head = ["| what | of | ms | against | times as fast |", "|---|---|---|---|---|"]
    lines = [f"Made by `{COMMAND}` ({about}).", "", *head]
    lines += [f"| {r.what} | {r.first} | {r.first_ms:.1f} | {r.second} | {r.speedup:.2f} |" for r in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
