"""Times training steps and log-likelihoods side by side with peers, and writes results.json and results.md.

Run it from the root of the repository, with the extra ``bench``:

    OMP_NUM_THREADS=1 python -m benchmarks.speed

All times are CPU time on one thread, all ratios between times of one process that took turns.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.clock import SIDE, product, race, ratio
from benchmarks.models import PIXELS, PeersForm, ours, pythae
from prioria import VAE, data, evaluate, objectives
from prioria.train import Step, processes
from prioria.train.optimizer import Optimizer
from prioria.train.options import Options

COMMAND = "OMP_NUM_THREADS=1 python -m benchmarks.speed"
FOLDER = Path(__file__).parent
COMPONENTS, SAMPLES = 500, 5000
TRAINING = 300  # steps before anything is timed: components that are far apart are computed with other numbers
Call = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One line of the table; ``reach`` and ``reach_share`` are what was aimed at, None where nothing was."""

    what: str
    model: str
    prior: str
    peer: str
    ours_ms: float
    peer_ms: float
    speedup: float
    reach: float | None
    share: float
    reach_share: float


REACH = {
    ("step 100", "VampPrior-500"): 2.0,
    ("step 1000", "VampPrior-500"): 7.0,
    ("step 100", "standard"): 1.3,
    ("log-likelihood", "VampPrior-500"): 12.0,
    ("log-likelihood", "standard"): 2.5,
}


def main() -> None:
    """Measures every row and writes the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = []
    for architecture in ("dense", "gated"):
        for components in (None, COMPONENTS):
            rows += [step_row(architecture, components, batch) for batch in (100, 1000)]
            rows.append(likelihood_row(architecture, components))
    write(rows)


def step_row(architecture: str, components: int | None, batch: int) -> Row:
    """Times a training step: loss, gradient and Adam."""
    model, x = ours(architecture, components), images(batch)
    step = our_step(model, x)
    if architecture == "dense":
        peer, name = pythae_step(pythae(components), x), "pythae 0.1.2"
    else:
        peer, name = peers_form_step(same_model(model, components), x), "peers' form"
    repeat(step, peer)
    return raced(f"step {batch}", architecture, components, name, step, peer)


def likelihood_row(architecture: str, components: int | None) -> Row:
    """Times the log-likelihood of one image."""
    model, x = ours(architecture, components), images(1)
    repeat(our_step(model, images(100)))
    call = lambda: evaluate.log_likelihood(model, x, num_samples=SAMPLES)  # noqa: E731
    if architecture == "dense":
        theirs = pythae(components)
        repeat(pythae_step(theirs, images(100)))
        pictures = x.reshape(-1, 1, 28, 28)
        return raced("log-likelihood", architecture, components, "pythae 0.1.2", call, nll(theirs, pictures))
    theirs = same_model(model, components)
    return raced(
        "log-likelihood", architecture, components, "peers' form", call, lambda: theirs.log_likelihood(x, SAMPLES)
    )


def raced(what: str, model: str, components: int | None, name: str, mine: Call, peer: Call) -> Row:
    """Times both and the limit in turns."""
    times = race({"ours": mine, "peer": peer, "limit": product()}, rounds=5, seconds=0.12)
    prior = "standard" if components is None else f"VampPrior-{components}"
    at_limit = [operations(mine) / (2 * SIDE**3) * seconds for seconds in times["limit"]]
    reach = REACH.get((what, prior)) if name.startswith("pythae") else None
    row = Row(
        what=what,
        model=model,
        prior=prior,
        peer=name,
        ours_ms=1e3 * median(times["ours"]),
        peer_ms=1e3 * median(times["peer"]),
        speedup=ratio(times["peer"], times["ours"]),
        reach=reach,
        share=ratio(at_limit, times["ours"]),
        reach_share=0.60 if what == "log-likelihood" else 0.55 if components is None else 0.68,
    )
    print(row, flush=True)
    return row


def repeat(*steps: Call) -> None:
    """Trains: takes every step over and over."""
    for step in steps:
        for _ in range(TRAINING):
            step()


def operations(call: Call) -> int:
    """Returns the floating-point operations of the matrix products in a call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def our_step(
    model: VAE,
    x: Tensor,
    objective: objectives.Objective | None = None,
    *,
    precision: str = "float32",
    compiled: bool = False,
) -> Call:
    """Returns a training step of this library, as its loop takes it."""
    step = Step(model.train(), objective or objectives.ELBO())
    step.objective.check(model, split(x))
    optimizer = Optimizer(step, Options(epochs=1))
    run = processes.compiled(step, x.device) if compiled else step

    def call() -> None:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = run(x)
        loss.surrogate.backward()
        optimizer.prepare(set())
        optimizer.step(1.0)

    return call


def split(x: Tensor) -> data.Split:
    """Returns about 50,000 such rows, fewer of wide ones: some objectives count the training data."""
    count = min(60_000, max(100_000_000 // x.shape[1], 20))
    return data.load(x.cpu()[torch.arange(count) % len(x)].numpy()).train


def pythae_step(model: nn.Module, x: Tensor) -> Call:
    """Returns a training step of pythae, as its trainer takes it, without its data loader and callbacks."""
    adam = torch.optim.Adam(model.train().parameters(), lr=5e-4)
    inputs = {"data": x.reshape(-1, 1, 28, 28)}

    def call() -> None:
        adam.zero_grad()
        model(inputs, epoch=1, dataset_size=50_000).loss.backward()
        adam.step()

    return call


def nll(model: nn.Module, pictures: Tensor) -> Call:
    """Returns pythae's estimate from 5,000 samples in its default chunks."""
    model.eval()
    return lambda: model.get_nll(pictures, n_samples=SAMPLES, batch_size=100)


def peers_form_step(model: PeersForm, x: Tensor) -> Call:
    """Returns a training step of the peers' form."""
    adam = torch.optim.Adam(model.parameters(), lr=5e-4, foreach=False)

    def call() -> None:
        adam.zero_grad()
        (-model(x).mean()).backward()
        adam.step()

    return call


def same_model(model: VAE, components: int | None) -> PeersForm:
    """Returns the peers' form with the weights of ours, after seeing that both give the same bound."""
    theirs, x = PeersForm(model, components), images(50)
    with torch.no_grad():
        torch.manual_seed(0)
        bound = model.draw(x).log_w[0]
        torch.manual_seed(0)
        torch.testing.assert_close(theirs(x), bound, rtol=1e-4, atol=1e-2)
    return theirs


def images(count: int) -> Tensor:
    """Returns bits of enlarged 8 x 8 digits, which a model can learn and every machine has."""
    rows = data.load("digits").train.tensor(1000)[torch.arange(count) % 1000]
    wide = rows.reshape(count, 8, 8).repeat_interleave(4, 1).repeat_interleave(4, 2)
    return wide[:, 2:-2, 2:-2].reshape(count, PIXELS).bernoulli()


def write(rows: list[Row]) -> None:
    """Writes results.json and results.md beside this file."""
    about = machine()
    document = {"command": COMMAND, "machine": about, "rows": [asdict(row) for row in rows]}
    (FOLDER / "results.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (FOLDER / "results.md").write_text(table(rows, about), encoding="utf-8")


def machine() -> dict[str, object]:
    """Returns what the times depend on."""
    return {
        "processor": processor(),
        "threads": 1,
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "pythae", "prioria")},
    }


def table(rows: list[Row], machine: dict[str, object]) -> str:
    """Returns the table as Markdown."""
    about = ", ".join(f"{name} {value}" for name, value in machine.items())
    head = "| what | model, prior | against | ours ms | theirs ms | speed-up | reach | share of limit | reach |"
    lines = [f"Made by `{COMMAND}` ({about}).", "", head, "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        speedup, share = f"{row.speedup:.2f}", f"{row.share:.0%}"
        reach = "" if row.reach is None else f"{row.reach:g} {_verdict(row.speedup, row.reach)}"
        limit = f"{row.reach_share:.0%} {_verdict(row.share, row.reach_share)}"
        cells = [row.what, f"{row.model}, {row.prior}", row.peer, f"{row.ours_ms:.2f}", f"{row.peer_ms:.2f}"]
        lines.append("| " + " | ".join([*cells, speedup, reach, share, limit]) + " |")
    return "\n".join(lines) + "\n"


def processor() -> str:
    """Returns the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _verdict(value: float, reach: float) -> str:
    return "met" if value >= reach else f"missed by {1 - value / reach:.0%}"


if __name__ == "__main__":
    main()
