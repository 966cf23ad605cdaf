"""Times every part of the library, and how time grows with batch, components, latents and samples.

Run it from the root of the repository, with the extra ``bench``:

    OMP_NUM_THREADS=1 python -m benchmarks.scaling

It writes parts.json and parts.md. Times are CPU time of one thread; on a machine with a GPU, ``--device cuda`` prints
wall-clock times of synchronised steps instead and compares with no peer.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.clock import SIDE, product, race, ratio
from benchmarks.parts import CASES, Case, rival, single, vamp
from benchmarks.speed import FOLDER, images, machine, operations, our_step, pythae_step
from prioria import VAE, evaluate, objectives

COMMAND = "OMP_NUM_THREADS=1 python -m benchmarks.scaling"
BATCH, HALF = 100, 0.5
TRAINED = 20  # steps before a part is timed
GROWTH = {
    "batch, VampPrior-500": (50, 100, 200, 500, 1000),
    "components of the VampPrior, batch 100": (10, 100, 500, 1000, 5000),
    "latents, standard prior, batch 100": (10, 40, 160, 512),
    "samples of IWAE, batch 100": (1, 4, 16, 64),
    "importance samples, one image, VampPrior-500": (100, 1000, 10_000),
}


@dataclass(frozen=True)
class Row:
    """One part: a training step of 100 rows."""

    kind: str
    name: str
    ms: float
    share: float
    megabytes: float
    peer: str
    speedup: float | None
    compiled: float


def main() -> None:
    """Measures all parts and all growths, and writes the tables."""
    device = _device()
    torch.manual_seed(0)
    if device.type != "cpu":
        for case in CASES:
            print(f"{case.kind}, {case.name}: {1e3 * synchronised(step_of(case, device)):.3f} ms", flush=True)
        return
    torch.set_num_threads(1)
    about = machine()
    rows = [measured(case) for case in CASES]
    growth = {name: {str(size): _alone(growing(name, size)) for size in sizes} for name, sizes in GROWTH.items()}
    lower = precision()
    document = {"command": COMMAND, "machine": about, "rows": [asdict(row) for row in rows], "growth": growth}
    document["bf16"] = lower
    (FOLDER / "parts.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (FOLDER / "parts.md").write_text(table(rows, growth, lower, about), encoding="utf-8")


def measured(case: Case) -> Row:
    """Times a step of the case, the limit, the compiled step and the peer in turns, after some steps of training."""
    step, theirs = step_of(case, torch.device("cpu")), rival(case)
    fused = our_step(case.build(), images(BATCH), case.objective(), compiled=True)
    for _ in range(TRAINED):
        step()
    rivals: dict[str, Callable[[], object]] = {"ours": step, "limit": product(), "compiled": fused}
    if theirs is not None:
        rivals["peer"] = pythae_step(theirs, images(BATCH))
    times = race(rivals, rounds=5, seconds=0.12)
    at_limit = [operations(step) / (2 * SIDE**3) * seconds for seconds in times["limit"]]
    row = Row(
        kind=case.kind,
        name=case.name,
        ms=1e3 * median(times["ours"]),
        share=ratio(at_limit, times["ours"]),
        megabytes=peak(step) / 2**20,
        peer="" if case.peer is None else case.peer[0],
        speedup=ratio(times["peer"], times["ours"]) if theirs is not None else None,
        compiled=ratio(times["ours"], times["compiled"]),
    )
    print(row, flush=True)
    return row


def step_of(case: Case, device: torch.device) -> Callable[[], object]:
    """Returns a training step of the case."""
    torch.manual_seed(0)
    return our_step(case.build().to(device), images(BATCH).to(device), case.objective().to(device))


def growing(name: str, size: int) -> Callable[[], object]:
    """Returns the call of a row of GROWTH."""
    standard = partial(our_step, objective=objectives.ELBO())
    if name.startswith("batch"):
        return standard(single(prior=vamp(500)), images(size))
    if name.startswith("components"):
        return standard(single(prior=vamp(size)), images(BATCH))
    if name.startswith("latents"):
        return standard(single(latents=size), images(BATCH))
    if name.startswith("samples"):
        return our_step(single(), images(BATCH), objectives.IWAE(size))
    model, x = single(prior=vamp(500)).eval(), images(1)
    return lambda: evaluate.log_likelihood(model, x, num_samples=size)


def peak(call: Callable[[], object]) -> float:
    """Returns the most bytes that are alive between two operators of a call, above what was there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        call()
    events = sorted(recorded.events(), key=lambda event: event.time_range.start)
    alive = most = 0
    for event in events:
        alive += event.self_cpu_memory_usage
        most = max(most, alive)
    return most


def precision() -> dict[str, float]:
    """Returns what bf16 gains in a step, and its error in a bound of 1,000 rows with the same noise, in nats."""
    model, x = single(prior=vamp(500)), images(BATCH)
    full, half = our_step(model, x), our_step(model, x, precision="bf16")
    times = race({"full": full, "half": half}, rounds=5, seconds=0.12)
    exact, rounded = _bounds(model, "float32"), _bounds(model, "bf16")
    error = (rounded - exact).double()
    return {
        "speedup": ratio(times["full"], times["half"]),
        "mean_error": error.mean().item(),
        "sd_error": error.std().item(),
        "worst_error": error.abs().max().item(),
    }


def synchronised(call: Callable[[], object]) -> float:
    """Returns the median wall-clock seconds of a call on a GPU."""
    seconds = []
    for _ in range(30):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return median(seconds[10:])


def table(rows: list[Row], growth: dict[str, dict[str, float]], lower: dict[str, float], about: dict) -> str:
    """Returns everything as Markdown."""
    machine_text = ", ".join(f"{name} {value}" for name, value in about.items())
    lines = [
        f"Made by `{COMMAND}` ({machine_text}).",
        "",
        f"A training step of {BATCH} rows, and its peer in pythae:",
        "",
    ]
    lines += ["| part | | ms | share of limit | MB | peer | speed-up | compiled |", "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        share = f"{row.share:.0%}" + ("" if row.share >= HALF else " *")
        speedup = "" if row.speedup is None else f"{row.speedup:.2f}"
        lines.append(
            f"| {row.kind} | {row.name} | {row.ms:.1f} | {share} | {row.megabytes:.0f} | {row.peer} | {speedup} "
            f"| {row.compiled:.2f} |"
        )
    lines += ["", "\\* under half of the limit; README.md says why.", "", "How milliseconds grow:", ""]
    for name, times in growth.items():
        lines.append(f"- {name}: " + ", ".join(f"{size}: {ms:.1f}" for size, ms in times.items()))
    lines += [
        "",
        f"bf16, VampPrior-500: a step is {lower['speedup']:.2f} times as fast; the bound of 1,000 rows with the "
        f"same noise differs by {lower['mean_error']:+.4f} nats on average, sd {lower['sd_error']:.4f}, at most "
        f"{lower['worst_error']:.4f}.",
    ]
    return "\n".join(lines) + "\n"


def _alone(call: Callable[[], object]) -> float:
    return 1e3 * median(race({"it": call}, rounds=5, seconds=0.12)["it"])


@torch.no_grad()
def _bounds(model: VAE, kind: str) -> Tensor:
    torch.manual_seed(1)
    x = images(1000)
    with torch.autocast("cpu", torch.bfloat16, enabled=kind == "bf16"):
        return model.draw(x).log_w[0].float()


def _device() -> torch.device:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    return torch.device(parser.parse_args().device)


if __name__ == "__main__":
    main()
