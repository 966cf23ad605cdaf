"""The first minute: two models on digits, their numbers, one picture and one page."""

from __future__ import annotations

from pathlib import Path

import torch

from prioria import likelihoods, nets, objectives, posteriors, priors
from prioria import report as reports
from prioria.commands.evaluate import measure
from prioria.data import Dataset, load
from prioria.model import VAE
from prioria.storage import write_json
from prioria.train import Run, fit

HIDDEN, LATENTS, EPOCHS = 128, 16, 150


def demo(*, out: Path = Path("demo"), epochs: int = EPOCHS, seed: int = 0, overwrite: bool = False) -> None:
    """Train a VAE with a VampPrior and one with a standard prior on scikit-learn's digits, and compare them.

    Needs no download and no GPU, and takes under a minute on two cores.

    Args:
        out: folder for the page, the picture, the numbers and both runs.
        epochs: of training for each model.
        seed: of everything random.
        overwrite: replace what an earlier demo left in the folder.
    """
    data = load("digits")
    runs = {name: _train(name, data, out / name, epochs, seed, overwrite) for name in ("standard", "vamp")}
    evaluations = {
        name: measure(run, split="test", num_samples=5000, limit=None, seed=seed) for name, run in runs.items()
    }
    for name, evaluation in evaluations.items():
        write_json(out / name / "evaluation.json", evaluation.to_json())
    write_json(out / "evaluation.json", evaluations["vamp"].to_json())
    reports.sheet(runs["vamp"].model, data, out / "sheet.png", seed=seed)
    reports.compare([run.path for run in runs.values()], out / "report.html")
    _say(out, evaluations)


def _train(name: str, data: Dataset, out: Path, epochs: int, seed: int, overwrite: bool) -> Run:
    torch.manual_seed(seed)
    model = _model(data, vamp=name == "vamp")
    objective = objectives.ELBO(warmup="20 epochs")
    return fit(model, objective, data, epochs=epochs, learning_rate=2e-3, seed=seed, out=out, overwrite=overwrite)


def _model(data: Dataset, *, vamp: bool) -> VAE:
    encoder = nets.GatedMLP(data.dimensions, HIDDEN, HIDDEN, gated_output=True)
    posterior = posteriors.Gaussian(HIDDEN, LATENTS)
    prior = (
        priors.VampPrior(encoder, posterior, components=50, pseudo_inputs=data.train.batch(torch.arange(50)))
        if vamp
        else priors.StandardNormal(LATENTS)
    )
    decoder = nets.GatedMLP(LATENTS, HIDDEN, HIDDEN, data.dimensions)
    return VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=likelihoods.Bernoulli(decoder))
