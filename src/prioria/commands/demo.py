"""The first minute: two models on digits, their numbers, one picture and one page."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from pathlib import Path

import torch

from prioria import build, objectives, priors
from prioria import report as reports
from prioria.commands.evaluate import measure, say
from prioria.data import Dataset, load
from prioria.model import VAE
from prioria.report.evaluation import FILE
from prioria.storage import write_text
from prioria.train import Run, fit, with_prior

HIDDEN, LATENTS, COMPONENTS, SAMPLES, WARMUP = 128, 16, 50, 5000, 20


def demo(*, out: Path = Path("demo"), epochs: int = 100, seed: int = 0, overwrite: bool = False) -> None:
    """Train a VAE with a VampPrior and one with a standard prior on scikit-learn's digits, and compare them.

    Needs no download and no GPU, and takes under a minute on two cores.

    Args:
        out: folder for the page, the picture, the numbers and both runs.
        epochs: of training for each model.
        seed: of everything random.
        overwrite: replace what an earlier demo left in the folder.
    """
    start, data, runs = time.perf_counter(), load("digits"), {}
    for name in ("vamp", "standard"):
        print(f"Training a VAE with a {name} prior on {len(data.train):,} digits, {epochs} epochs ...", flush=True)
        torch.manual_seed(seed)
        objective = objectives.ELBO(warmup=f"{min(WARMUP, epochs)} epochs")
        runs[name] = fit(
            _model(data, vamp=name == "vamp"),
            objective,
            data,
            epochs=epochs,
            learning_rate=2e-3,
            seed=seed,
            out=out / name,
            overwrite=overwrite,
            progress=False,
        )
    _show(runs, data, out, seed)
    print(
        f"\n{time.perf_counter() - start:.0f} seconds. Open {out / 'report.html'}, or the picture {out / 'sheet.png'}."
    )
    print(f"Next, with a file of your own:  {_program()} train FILE --out RUN")
    both = shlex.join([str(out / name) for name in runs])
    print(f"Explore both in a browser:  {_program()} ui {both}")


def _program() -> str:
    """How this program is called here: by its name where a shell finds that, else by its place, as in .venv/bin."""
    place = Path(sys.argv[0])
    return "prioria" if shutil.which("prioria") or place.name != "prioria" else shlex.quote(str(place))


def _show(runs: dict[str, Run], data: Dataset, out: Path, seed: int) -> None:
    for name, run in runs.items():
        found, pointwise = measure(run, split="test", num_samples=SAMPLES, limit=None, seed=seed)
        found.write(out / name, pointwise)
        say(name, found)
    write_text(out / FILE, (out / "vamp" / FILE).read_text(encoding="utf-8"))
    reports.sheet(runs["vamp"].model, data, out / "sheet.png", seed=seed)
    reports.compare([out / "standard", out / "vamp"], out / "report.html", seed=seed)  # the gain of the learned prior


def _model(data: Dataset, *, vamp: bool) -> VAE:
    network = {"kind": "gated", "hidden": (HIDDEN, HIDDEN)}
    model = build.model(data, network=network, latents=LATENTS)
    if not vamp:
        return model
    rows = data.train.batch(torch.arange(COMPONENTS))
    encoder, posterior = model.encoder_of("z"), model.top.q
    return with_prior(model, priors.VampPrior(encoder, posterior, components=COMPONENTS, pseudo_inputs=rows))
