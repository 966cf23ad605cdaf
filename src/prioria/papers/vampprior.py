"""The VampPrior paper's table: four priors in one- and two-level models (Tomczak and Welling, AISTATS 2018)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from prioria import evaluate, likelihoods, nets, posteriors, priors, stages
from prioria.data import Dataset
from prioria.data.base import evenly
from prioria.model import VAE
from prioria.nets.conv import BOTTOM
from prioria.objectives import ELBO
from prioria.papers.cell import locked, trained
from prioria.papers.likelihood import measure
from prioria.papers.likelihood_page import page
from prioria.papers.table import SMOKE, Budget, Cell, Published, Row, Table
from prioria.papers.vhp import auxiliary_samples
from prioria.train import Run, refit_prior

HIDDEN, LATENTS, BOUNDS = 300, 40, (-6.0, 2.0)
EXEMPLARS = 5000  # of the training rows; the paper takes all
COMPONENTS = {"omniglot": 1000}  # 500 elsewhere
INITIAL = {"caltech101-silhouettes": (0.5, 0.02)}  # mean and deviation of pseudo-inputs; (0.05, 0.01) elsewhere

Prior = Callable[[Dataset, nn.Module, nn.Module], nn.Module]


def standard(data: Dataset, encoder: nn.Module, posterior: nn.Module) -> nn.Module:
    """N(0, I)."""
    return priors.StandardNormal(LATENTS)


def mixture(data: Dataset, encoder: nn.Module, posterior: nn.Module) -> nn.Module:
    """As many free Gaussians as there are pseudo-inputs."""
    return priors.Mixture(LATENTS, COMPONENTS.get(data.name, 500))


def vamp(data: Dataset, encoder: nn.Module, posterior: nn.Module, *, components: int | None = None) -> nn.Module:
    """Learned pseudo-inputs, as many as in the paper unless their number is given."""
    initial = INITIAL.get(data.name, (0.05, 0.01))
    components = components or COMPONENTS.get(data.name, 500)
    return priors.VampPrior(encoder, posterior, components=components, inputs=data.dimensions, initial=initial)


def vamp_data(data: Dataset, encoder: nn.Module, posterior: nn.Module) -> nn.Module:
    """Random training rows as fixed pseudo-inputs."""
    components = COMPONENTS.get(data.name, 500)
    rows = data.train.batch(torch.randperm(len(data.train))[:components])
    return priors.VampPrior(encoder, posterior, components=components, pseudo_inputs=rows, trainable=False)


def exemplar(data: Dataset, encoder: nn.Module, posterior: nn.Module) -> nn.Module:
    """5,000 training rows at even distances, of which the ten nearest count for each z."""
    numbers = evenly(len(data.train), EXEMPLARS)
    rows = data.train.batch(numbers)
    return priors.Exemplar(
        encoder, posterior, exemplars=rows, numbers=numbers, subset=EXEMPLARS, neighbors=min(10, len(rows))
    )


def hierarchical(data: Dataset, encoder: nn.Module, posterior: nn.Module) -> nn.Module:
    """A hierarchical prior whose bound has one sample of zeta for each z: VAE (L=2)."""
    return priors.Hierarchical(LATENTS, LATENTS, 1)


def one_level(prior: Prior, data: Dataset) -> VAE:
    """VAE of the paper: x-300-300 gated encoder, 40 latents, 300-300 gated decoder."""
    encoder = nets.GatedMLP(data.dimensions, HIDDEN, HIDDEN, gated_output=True)
    posterior = posteriors.Gaussian(HIDDEN, LATENTS, log_variance_bounds=BOUNDS)
    decoder = nets.GatedMLP(LATENTS, HIDDEN, HIDDEN, data.dimensions)
    p = prior(data, encoder, posterior)
    return VAE(encoder=encoder, posterior=posterior, prior=p, likelihood=likelihoods.Bernoulli(decoder))


def two_level(prior: Prior, data: Dataset) -> VAE:
    """HVAE of the paper: q(z2|x) 300-300; q(z1|x, z2) and p(x|z1, z2) join two layers of 300 in a third."""
    top = nets.GatedMLP(data.dimensions, HIDDEN, HIDDEN, gated_output=True)
    bottom = nets.GatedLinear(data.dimensions, HIDDEN)
    return _hierarchy(prior, data, top, bottom, widths=(HIDDEN, HIDDEN), output=_dense_output(data))


def two_level_conv(prior: Prior, data: Dataset) -> VAE:
    """ConvHVAE of the paper: gated convolutions read x and refine the output."""
    image = _image(data)
    top, bottom = nets.GatedConvEncoder(image), nets.GatedConvEncoder(image, layers=BOTTOM)
    output = nets.GatedConvDecoder(HIDDEN, image)
    return _hierarchy(prior, data, top, bottom, widths=(top.features, bottom.features), output=output)


def two_level_pixel(prior: Prior, data: Dataset) -> VAE:
    """PixelHVAE: convolutional encoders, and pixels that depend on those before them; the decoder is smaller here."""
    image = _image(data)
    top, bottom = nets.GatedConvEncoder(image), nets.GatedConvEncoder(image, layers=BOTTOM)
    maps = likelihoods.Autoregressive.outputs_per_value()
    return _hierarchy(
        prior,
        data,
        top,
        bottom,
        widths=(top.features, bottom.features),
        output=nets.GatedMLP(HIDDEN, maps * data.dimensions),
        likelihood=partial(likelihoods.Autoregressive, shape=image),
    )


def _hierarchy(
    prior: Prior,
    data: Dataset,
    top: nn.Module,
    bottom: nn.Module,
    *,
    widths: tuple[int, int],
    output: nn.Module,
    likelihood: Callable[[nn.Module], nn.Module] = likelihoods.Bernoulli,
) -> VAE:
    posterior = posteriors.Gaussian(widths[0], LATENTS, log_variance_bounds=BOUNDS)
    p = prior(data, top, posterior)
    groups = stages.TwoLevel(
        prior=p, posterior=posterior, features=widths[1], latents=(LATENTS, LATENTS), hidden=HIDDEN
    )
    each = nets.Parallel((LATENTS, LATENTS), (nets.GatedLinear(LATENTS, HIDDEN), nets.GatedLinear(LATENTS, HIDDEN)))
    decoder = nets.Chain(each, nets.GatedLinear(2 * HIDDEN, HIDDEN), output)
    return VAE(encoder={"z2": top, "z1": bottom}, stages=groups, likelihood=likelihood(decoder))


def _dense_output(data: Dataset) -> nn.Module:
    return nets.GatedMLP(HIDDEN, data.dimensions)


def _image(data: Dataset) -> tuple[int, int, int]:
    channels, height, width = data.shape
    return channels, height, width


def _objective(data: Dataset, budget: Budget) -> ELBO:
    return ELBO(warmup=budget.warmup)


def aggregate(cell: Cell, data: Dataset) -> Run:
    """The run with the standard prior, which is trained first, under the aggregate posterior of all training rows."""
    if not (cell.folder / "run.json").exists():
        source = replace(cell, row=TABLE.select(["vae-standard"])[0])
        with locked(source.folder):
            run = trained(source)
        encodings = evaluate.aggregate_posterior(run.model, data.train).components
        refit_prior(run, priors.AggregatePosterior.of(encodings), out=cell.folder)
    return Run.load(cell.folder, data=data)


TRAINING = {"optimizer": "adam-normalized", "learning_rate": 5e-4}
PRIORS: dict[str, tuple[str, Prior]] = {
    "standard": ("standard", standard),
    "mixture": ("mixture of Gaussians", mixture),
    "vamp-data": ("VampPrior data", vamp_data),
    "vamp": ("VampPrior", vamp),
}
FEWER = (1, 10, 100)  # pseudo-inputs of the sweep that ends at the paper's number
LEVELS: dict[str, tuple[str, Callable[[Prior, Dataset], VAE]]] = {
    "vae": ("one level", one_level),
    "hvae": ("two levels", two_level),
}
CONVOLUTIONAL = {  # an epoch takes a quarter of an hour
    name: Budget(epochs=10, warmup="5 epochs", limit=100) for name in ("short", "cpu")
}
COSTLY = {name: Budget(batch_size=100, limit=200) for name in ("short", "cpu")}  # 50,000 components a sample
EVERY = ("smoke", "short", "cpu", "gpu")  # budgets under which a row is run only where it is named


def _row(name: str, title: str, build: Callable[[Dataset], VAE], **others: Any) -> Row:
    return Row(name, title, build, objective=_objective, training=TRAINING, **others)


TABLE = Table(
    name="vampprior",
    rows=(
        *(
            _row(f"{level}-{prior}", f"{title}, {prior_title}", partial(build, prior_of))
            for level, (title, build) in LEVELS.items()
            for prior, (prior_title, prior_of) in PRIORS.items()
        ),
        *(
            _row(
                f"vae-vamp-{components}",
                f"one level, VampPrior, {components} pseudo-input{'s' * (components > 1)}",
                partial(one_level, partial(vamp, components=components)),
            )
            for components in FEWER
        ),
        _row(
            "vae-hierarchical",
            "one level, hierarchical prior, 1 auxiliary sample: VAE (L=2)",
            partial(one_level, hierarchical),
            also={"16 auxiliary samples for each z": partial(auxiliary_samples, 16)},
        ),
        Row(
            "vae-aggregate",
            "one level, the standard row's encoder, aggregate posterior of the training rows as prior",
            fit=aggregate,
            budgets=COSTLY,
        ),
        *(
            _row(
                f"convhvae-{prior}",
                f"two levels, convolutional, {prior_title}",
                partial(two_level_conv, prior_of),
                budgets=CONVOLUTIONAL,
                on_request=("smoke", "short", "cpu"),
            )
            for prior, (prior_title, prior_of) in PRIORS.items()
        ),
        *(
            _row(f"{level}-exemplar", f"{title}, exemplars", partial(build, exemplar), on_request=EVERY)
            for level, (title, build) in (LEVELS | {"convhvae": ("two levels, convolutional", two_level_conv)}).items()
        ),
        *(
            _row(
                f"pixelhvae-{prior}",
                f"two levels, PixelCNN decoder, {PRIORS[prior][0]}",
                partial(two_level_pixel, PRIORS[prior][1]),
                budgets=CONVOLUTIONAL,
                on_request=EVERY,
            )
            for prior in ("standard", "vamp")
        ),
    ),
    data=("mnist-static", "mnist", "omniglot", "caltech101-silhouettes", "fashion-mnist"),
    budgets={
        "smoke": SMOKE,
        "short": Budget(epochs=40, warmup="20 epochs", batch_size=100, num_samples=5000, limit=1000, sets=1),
        "cpu": Budget(epochs=120, warmup="50 epochs", patience=50, batch_size=100, num_samples=5000),
        "gpu": Budget(epochs=2000, warmup="100 epochs", patience=50, batch_size=100, num_samples=5000),
    },
    published=Published.read("vampprior"),
    measure=measure,
    page=page,
)
