"""Times what measures a trained model: bounds, likelihoods, certificates, features, and rows from a file.

Run it from the root of the repository, with the extra ``bench``:

    OMP_NUM_THREADS=1 python -m benchmarks.evaluations

It writes evaluations.json and evaluations.md. All are CPU times of one thread; each row is raced with another way to
the same numbers, or with less of it where there is none.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.clock import race, ratio
from benchmarks.parts import single, vamp
from benchmarks.speed import FOLDER, images, machine, our_step, repeat
from prioria import VAE, build, data, evaluate
from prioria.evaluate.output.extractor import fit_classifier

COMMAND = "OMP_NUM_THREADS=1 python -m benchmarks.evaluations"
SAMPLES = 5000
Call = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """Milliseconds of one call, of another, and the second by the first."""

    what: str
    ms: float
    against: str
    against_ms: float
    times: float


def main() -> None:
    """Measures every row and writes the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    about = machine()
    with tempfile.TemporaryDirectory() as folder:
        rows = [raced(*case) for case in (*of_models(), *of_outputs(), *of_rows(Path(folder)))]
    document = {"command": COMMAND, "machine": about, "rows": [asdict(row) for row in rows]}
    (FOLDER / "evaluations.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (FOLDER / "evaluations.md").write_text(table(rows, about), encoding="utf-8")


def trained(model: VAE) -> VAE:
    """The model after some hundred steps: fresh ones have other numbers, which may take other times."""
    repeat(our_step(model, images(100)))
    return model.eval()


def of_models() -> Iterator[tuple[str, Call, str, Call]]:
    """The bound and the likelihood estimators."""
    model, one, many = trained(single(prior=vamp(500))), images(1), images(1000)
    sampled = partial(evaluate.log_likelihood, model, one, num_samples=SAMPLES)
    yield "ELBO, 1,000 rows", partial(evaluate.elbo, model, many), "a pass without it", partial(model.encode, many)
    yield f"log-likelihood, {SAMPLES:,} samples", sampled, "screened", partial(sampled, precision="screened")
    plane = trained(single(latents=2))
    integrated = partial(evaluate.quadrature_log_likelihood, plane, one)
    sampled_plane = partial(evaluate.log_likelihood, plane, one, num_samples=SAMPLES)
    yield "quadrature, 2 latents", integrated, f"{SAMPLES:,} samples", sampled_plane
    annealed = partial(evaluate.annealed_log_likelihood, plane, one, num_steps=20, num_chains=4)
    yield "annealing, 2 latents, 20 steps of 4 chains", annealed, f"{SAMPLES:,} samples", sampled_plane
    bound = partial(evaluate.elbo, model, many)
    yield "active units, 1,000 rows", partial(evaluate.active_units, model, many), "ELBO", bound


def of_outputs() -> Iterator[tuple[str, Call, str, Call]]:
    """Distances of samples."""
    digits = data.load("digits")
    classifier = fit_classifier(digits, epochs=1)
    rows = digits.train.tensor(1000)
    kernel = partial(evaluate.kid, rows[:500], rows[500:], classifier, subsets=10, subset_size=200)
    distance = partial(evaluate.fid, rows[:500], rows[500:], classifier)
    yield "FID, 500 against 500 digits", distance, "KID, 10 times 200", kernel


def of_rows(folder: Path) -> Iterator[tuple[str, Call, str, Call]]:
    """A thousand rows of a file that stays on the disk, against the same rows in memory, and steps of wide rows."""
    np.save(folder / "bits.npy", images(20_000).numpy().astype(np.uint8))
    mapped = np.load(folder / "bits.npy", mmap_mode="r", allow_pickle=False)
    order = torch.randperm(len(mapped))[:1000].numpy()
    memory = np.array(mapped)
    yield "1,000 random rows of a memory map", lambda: mapped[np.sort(order)], "of memory", lambda: memory[order]
    wide = wide_step(100_000)
    yield "step of 10 rows of 100,000 columns", wide, "of 10,000 columns", wide_step(10_000)


def wide_step(columns: int) -> Call:
    """A training step of ten rows of so many bits."""
    rows = np.random.default_rng(0).integers(0, 2, (40, columns)).astype(np.float32)
    model = build.model(data.load(rows), network={"kind": "mlp", "hidden": (100,)}, latents=10, seed=0)
    return our_step(model, torch.from_numpy(rows[:10]))


def raced(what: str, call: Call, against: str, other: Call) -> Row:
    """Times two in turns."""
    times = race({"it": call, "other": other}, rounds=5, seconds=0.2)
    row = Row(
        what, 1e3 * median(times["it"]), against, 1e3 * median(times["other"]), ratio(times["other"], times["it"])
    )
    print(row, flush=True)
    return row


def table(rows: list[Row], about: dict[str, object]) -> str:
    """Returns the table as Markdown."""
    head = ["| what | ms | against | ms | second by first |", "|---|---|---|---|---|"]
    lines = [f"Made by `{COMMAND}` ({', '.join(f'{name} {value}' for name, value in about.items())}).", "", *head]
    lines += [f"| {r.what} | {r.ms:.2f} | {r.against} | {r.against_ms:.2f} | {r.times:.2f} |" for r in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
