"""The dpVAE table: six regularizers, each with and without the decoupled prior (Bhalodia, Lee and Elhabian, 2020)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from prioria import likelihoods, nets, posteriors, priors
from prioria.data import Dataset
from prioria.model import VAE
from prioria.nets.conv import Layer
from prioria.nets.mlp import Activation
from prioria.objectives import ELBO, BetaTC, Capacity, FactorVAE, InfoVAE, Objective, Stratified
from prioria.papers.pairs import measure
from prioria.papers.pairs_page import page
from prioria.papers.table import SMOKE, Budget, Published, Row, Table

BATCH = 24  # of the public MNIST configurations
POINTS = 10.0  # times their weights for points: at those, the noise of p(x|z) is as wide as the moons
CONVOLUTIONS: dict[int, tuple[Layer, ...]] = {  # by the side of the image
    28: ((32, 4, 2, 1), (32, 3, 1, 0), (32, 4, 2, 1), (32, 3, 1, 0)),
    32: tuple((width, *each) for width in (32, 64, 128, 128) for each in ((4, 2, 1), (3, 1, 1))),
    64: tuple((width, 4, 2, 1) for width in (32, 64, 128, 256, 256)),
}
WIDTHS = {28: (256, 256), 32: (512,), 64: (1024,)}
BUDGETS = {
    "smoke": SMOKE,
    "points": Budget(steps=2_000, batch_size=50, num_samples=500, limit=100),
    "short": Budget(steps=3_000, batch_size=BATCH, num_samples=1000, limit=50),
    "cpu": Budget(steps=30_000, batch_size=BATCH, num_samples=21_000, limit=50),
    "gpu": Budget(steps=100_000, batch_size=100, num_samples=21_000),
}


@dataclass(frozen=True)
class Regularizer:
    """One pair of rows.

    Attributes:
        title: what the page calls it.
        weight: w of the reconstruction w |x - m(z)|^2 of images, a Gaussian of variance 1/(2w).
        objective: data and number of steps -> objective.
    """

    title: str
    weight: float
    objective: Callable[[Dataset, int], Objective]


def latents(data: Dataset) -> int:
    """Two for points and for MNIST, as in the public configurations; 64 elsewhere, where the paper does not say."""
    return 2 if len(data.shape) == 1 or data.shape[1] == 28 else 64


def capacity(data: Dataset, steps: int, *, as_released: bool) -> Objective:
    """C rises over the steps of the budget, to 25 where the sum over the batch is compared, else to less than ln N."""
    bound = 25.0 if as_released else min(10.0, float(math.floor(math.log(len(data.train)))))
    return Capacity(bound, gamma=15.0, warmup=f"{steps} steps", as_released=as_released)


REGULARIZERS: dict[str, Regularizer] = {
    "vae": Regularizer("VAE", 1.0, lambda data, steps: ELBO()),
    "beta-h": Regularizer("beta-VAE-H", 10.0, lambda data, steps: ELBO(beta=5.0)),
    "beta-b": Regularizer("beta-VAE-B", 100.0, partial(capacity, as_released=False)),
    "beta-tc": Regularizer("beta-TCVAE", 10.0, lambda data, steps: BetaTC(4.0, gamma=15.0, tc=Stratified())),
    "beta-tc-1": Regularizer("beta-TCVAE, gamma = 1", 10.0, lambda data, steps: BetaTC(4.0, tc=Stratified())),
    "factor": Regularizer(
        "FactorVAE",
        1.0,
        lambda data, steps: FactorVAE(1000 / BATCH, latents(data), learning_rate=1e-4, betas=(0.9, 0.999)),
    ),
    "info": Regularizer("InfoVAE", 10.0, lambda data, steps: InfoVAE(alpha=0.0, weight=1000 / BATCH)),
    "beta-b-released": Regularizer("beta-VAE-B, as released", 100.0, partial(capacity, as_released=True)),
}


def build(regularizer: Regularizer, decoupled: bool, data: Dataset) -> VAE:
    """The networks of the public code: 2-100-50 for points, convolutions and dense layers for images, their mirrors."""
    width = latents(data)
    prior = priors.RealNVP(width) if decoupled else priors.StandardNormal(width)
    if len(data.shape) == 1:
        encoder = nets.MLP(data.dimensions, 100, 50, activate_output=True)
        decoder, features = nets.MLP(width, 50, 100, data.dimensions), 50
    else:
        shape, side = (data.shape[0], data.shape[1], data.shape[2]), data.shape[1]
        activation: Activation = "leaky_relu" if side == 64 else "relu"
        encoder = nets.ConvStack(shape, CONVOLUTIONS[side], WIDTHS[side], activation=activation)
        decoder = nets.DeconvStack(width, shape, CONVOLUTIONS[side], WIDTHS[side], activation=activation)
        features = WIDTHS[side][-1]
    weight = regularizer.weight * (POINTS if len(data.shape) == 1 else 1.0)
    likelihood = likelihoods.Gaussian(decoder, scale=(2 * weight) ** -0.5)
    return VAE(encoder=encoder, posterior=posteriors.Gaussian(features, width), prior=prior, likelihood=likelihood)


def _rows() -> tuple[Row, ...]:
    return tuple(
        Row(
            name=f"{name}-dp" if decoupled else name,
            title=f"{each.title}, decoupled prior" if decoupled else each.title,
            build=partial(build, each, decoupled),
            objective=partial(_objective, each),
            training={"learning_rate": 1e-3, "progress": False},
        )
        for name, each in REGULARIZERS.items()
        for decoupled in (False, True)
    )


def _objective(regularizer: Regularizer, data: Dataset, budget: Budget) -> Objective:
    assert budget.steps is not None
    return regularizer.objective(data, budget.steps)


TABLE = Table(
    name="dpvae",
    rows=_rows(),
    data=("two-moons", "mnist-grey", "svhn", "celeba", "lfwcrop", "cifar10-sample"),
    budgets=BUDGETS,
    published=Published.read("dpvae"),
    measure=measure,
    page=page,
)
