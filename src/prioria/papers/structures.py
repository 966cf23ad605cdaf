"""Structures side by side on static MNIST: one level, bits, a Gaussian ladder, and a deep ladder of feature maps."""

from __future__ import annotations

from typing import Any

from prioria import likelihoods, nets, posteriors, priors, stages
from prioria.data import Dataset
from prioria.model import VAE
from prioria.objectives import ELBO
from prioria.papers.likelihood import measure
from prioria.papers.likelihood_page import page
from prioria.papers.table import SMOKE, Budget, Published, Row, Table

HIDDEN, LATENTS = 256, 64  # of the decoders, and of what they see
BITS = {"z0": 50, "z1": 100, "z2": 200}
GROUPS = {"z3": 16, "z2": 32, "z1": LATENTS}
FEATURES = {"z3": 128, "z2": 256, "z1": 512}
SCALES = stages.groups_at({3: 5, 2: 4, 1: 1})  # ten groups: five of 4x4 maps, four of 7x7, one of 14x14
CHANNELS, MAP_LATENTS = 16, 8
TRAINING: dict[str, Any] = {"learning_rate": 1e-3, "schedule": "cosine"}
DEEP: dict[str, Any] = {"learning_rate": 2e-3, "schedule": "cosine", "gradient_clip": 200.0}


def one_level(data: Dataset) -> VAE:
    """The reference: one group of Gaussian latents under N(0, I)."""
    encoder = nets.MLP(data.dimensions, 2 * HIDDEN, HIDDEN, activate_output=True)
    posterior, prior = posteriors.Gaussian(HIDDEN, LATENTS), priors.StandardNormal(LATENTS)
    return VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=_likelihood(data, LATENTS))


def binary_hierarchy(data: Dataset) -> VAE:
    """Three layers of bits, differentiated straight through, as in the slides; x from the lowest by an MLP."""
    encoder = nets.BottomUp(data.dimensions, BITS)
    return VAE(encoder=encoder, stages=stages.BinaryHierarchy(BITS), likelihood=_likelihood(data, BITS["z2"]))


def ladder(data: Dataset) -> VAE:
    """A Gaussian ladder of three groups."""
    encoder = nets.BottomUp(data.dimensions, FEATURES, activate_output=True)
    groups = stages.Ladder(GROUPS, FEATURES, hidden=HIDDEN)
    return VAE(encoder=encoder, stages=groups, likelihood=_likelihood(data, LATENTS))


def conv_ladder(data: Dataset) -> VAE:
    """Ten groups of feature maps with residual posteriors."""
    channels, height, width = data.shape
    image = channels, height, width
    return VAE(
        encoder=nets.Pyramid(image, SCALES, channels=CHANNELS),
        stages=stages.ConvLadder(image, SCALES, channels=CHANNELS, latents=MAP_LATENTS),
        likelihood=likelihoods.Bernoulli(nets.PyramidHead(image, channels=CHANNELS)),
    )


def _likelihood(data: Dataset, latents: int) -> likelihoods.Bernoulli:
    return likelihoods.Bernoulli(nets.MLP(latents, HIDDEN, 2 * HIDDEN, data.dimensions))


def bound(data: Dataset, budget: Budget) -> ELBO:
    """The bound after its warm-up."""
    return ELBO(warmup=budget.warmup)


def balanced(data: Dataset, budget: Budget) -> ELBO:
    """The bound, groups of little rate pressed less while its weight rises."""
    return ELBO(warmup=budget.warmup, balance=budget.warmup is not None)


TABLE = Table(
    name="structures",
    rows=(
        Row("vae", "VAE, one level", build=one_level, objective=bound, training=TRAINING),
        Row("binary-hierarchy", "3 layers of bits", build=binary_hierarchy, objective=bound, training=TRAINING),
        Row("ladder", "ladder, 3 groups", build=ladder, objective=bound, training=TRAINING),
        Row(
            "conv-ladder",
            "ConvLadder, 10 groups",
            build=conv_ladder,
            objective=balanced,
            training=DEEP,
            budgets={"cpu": Budget(epochs=12, warmup="3 epochs", batch_size=50, num_samples=1000, limit=200)},
        ),
    ),
    data=("mnist-static",),
    budgets={
        "smoke": SMOKE,
        "cpu": Budget(epochs=40, warmup="10 epochs", num_samples=1000, limit=200),
        "gpu": Budget(epochs=200, warmup="20 epochs", num_samples=1000, limit=200),
    },
    published=Published.read("structures"),
    measure=measure,
    page=page,
)
