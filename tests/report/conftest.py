"""Two small runs on digits, evaluated, and models that pictures are drawn of."""

import shutil
from pathlib import Path

import pytest
import torch

from prioria import VAE, Run, evaluate, fit, likelihoods, nets, objectives, posteriors, priors
from prioria.data import Dataset, Protocol, Split, load
from prioria.report import Evaluation

LATENTS, COMPONENTS = 3, 7


def model_of(data: Dataset, *, vamp: bool = False, latents: int = LATENTS) -> VAE:
    torch.manual_seed(0)
    encoder = nets.GatedMLP(data.dimensions, 8, gated_output=True)
    posterior = posteriors.Gaussian(8, latents)
    rows = data.train.batch(torch.arange(min(COMPONENTS, len(data.train))))
    learned = priors.VampPrior(encoder, posterior, components=len(rows), pseudo_inputs=rows, bounds=None)
    decoder = nets.GatedMLP(latents, 8, data.dimensions)
    likelihood = likelihoods.Bernoulli if "Bernoulli" in data.protocol.likelihoods else likelihoods.Gaussian
    prior = learned if vamp else priors.StandardNormal(latents)
    return VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=likelihood(decoder))


def dataset_of(rows: torch.Tensor, shape: tuple[int, ...], labels: torch.Tensor | None = None) -> Dataset:
    """The same rows as training, validation and test split."""
    protocol = Protocol(
        name="made",
        title="Made up",
        shape=shape,
        kind="continuous",
        binarization="none",
        likelihoods=("Gaussian",),
        split="all rows in each part",
        source="drawn in a test",
    )
    split = Split(rows, labels, protocol)
    return Dataset(protocol, split, split, split)


def evaluated(run: Run, *, limit: int = 20, seed: int = 0) -> Evaluation:
    test = run.data.test
    likelihood = evaluate.log_likelihood(run.model, test, num_samples=20, seed=seed, limit=limit)
    bound = evaluate.parts(run.model, test, seed=seed, limit=limit)
    units = evaluate.active_units(run.model, test, limit=limit)
    elbo = bound.pop("elbo")
    found = Evaluation(likelihood, elbo, units, split="test", data=run.data.name, limit=limit, parts=bound)
    assert run.path is not None
    found.write(run.path, {"log_likelihood": likelihood.pointwise})
    return found


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load("digits")


@pytest.fixture(scope="session")
def trained(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run with a standard prior and one with a VampPrior, both evaluated on the same examples."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("standard", "vamp"):
        model = model_of(digits, vamp=name == "vamp")
        evaluated(fit(model, objectives.ELBO(), "digits", epochs=2, out=folder / name, progress=False))
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of the two runs, to be damaged."""
    return shutil.copytree(trained, tmp_path / "runs")
