"""The kinds of training that are killed, one for each thing that a checkpoint must hold, in a tenth of a second."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from torch import nn

from prioria import VAE, data, likelihoods, nets, objectives, posteriors, priors, stages
from prioria.data import Dataset
from prioria.data.streams import Blocks
from tests.train.small import digits, elbo, images, vamp


@dataclass(frozen=True)
class Kind:
    """How a kind of training is made.

    Attributes:
        model: a new model, always the same.
        objective: a new objective.
        rows: the data, always the same.
        options: of ``fit``, besides those of all.
        processes: that train it together.
    """

    model: Callable[[], VAE]
    objective: Callable[[], objectives.Objective] = elbo
    rows: Callable[[], Dataset] = digits
    options: dict[str, Any] = field(default_factory=dict)
    processes: int = 1


def plain() -> VAE:
    return _bits(posteriors.Gaussian(12, 2), priors.RealNVP, blocks=2, hidden=4)


def unbounded() -> VAE:
    """A VampPrior that takes the range of its rows."""
    torch.manual_seed(3)
    encoder, posterior = nets.GatedMLP(64, 12, gated_output=True), posteriors.Gaussian(12, 2)
    return VAE(
        encoder=encoder,
        posterior=posterior,
        prior=priors.VampPrior(encoder, posterior, components=5, inputs=64),
        likelihood=likelihoods.Gaussian(nets.GatedMLP(2, 12, 64), scale=1.0),
    )


def hierarchical() -> VAE:
    return _bits(posteriors.FullGaussian(12, 2), priors.Hierarchical, auxiliary_latents=2, num_samples=3)


def _bits(posterior: nn.Module, prior: Callable[..., nn.Module], **options: int) -> VAE:
    torch.manual_seed(3)
    return VAE(
        encoder=nets.GatedMLP(64, 12, gated_output=True),
        posterior=posterior,
        prior=prior(2, **options),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 12, 64)),
    )


def classes() -> VAE:
    torch.manual_seed(3)
    return VAE(
        encoder=nets.GatedMLP(64, 12, gated_output=True),
        stages=stages.Classes(3, 2, features=12),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(5, 64)),
    )


def columns() -> VAE:
    torch.manual_seed(3)
    schema = table().protocol.schema
    assert schema is not None
    width = nets.ColumnsEncoder.inputs(schema)
    return VAE(
        encoder=nets.ColumnsEncoder(schema, nets.MLP(width, 12, activate_output=True)),
        posterior=posteriors.Gaussian(12, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Columns(nets.MLP(2, 12, likelihoods.Columns.outputs(schema)), schema),
    )


@functools.cache
def static() -> Dataset:
    """Bits that stay as they are."""
    return _static((load_digits().data[:300] > 7).astype(np.float32))


@functools.cache
def real() -> Dataset:
    """Real numbers, beyond 0 and 1."""
    return _static(np.random.default_rng(0).normal(0.0, 3.0, (300, 64)).astype(np.float32))


@functools.cache
def table() -> Dataset:
    """Numbers, names and holes."""
    rng = np.random.default_rng(0)
    found = pd.DataFrame({"age": rng.normal(40, 10, 300), "sex": rng.choice(["f", "m"], 300), "n": rng.poisson(3, 300)})
    found.loc[rng.random(300) < 0.1, "age"] = np.nan
    return _static(found)


@functools.cache
def stream() -> Dataset:
    """The same table in two files that are read a block of forty rows at a time, in windows of a hundred."""
    with tempfile.TemporaryDirectory() as place:
        rng = np.random.default_rng(0)
        for part in range(2):
            values = {"age": rng.normal(40, 10, 150), "sex": rng.choice(["f", "m"], 150), "n": rng.poisson(3, 150)}
            pd.DataFrame(values).to_parquet(Path(place) / f"{part}.parquet", index=False, row_group_size=40)
        found = _static(place)
        rows = found.train.rows
        assert isinstance(rows, Blocks)
        read = functools.cache(rows.read)
        kept = [read(block) for block in range(len(rows.sizes))]  # the files end with this function
    blocks = Blocks(rows.sizes.tolist(), rows.shape[1], kept.__getitem__, rows.layout, window=100)
    return replace(found, train=replace(found.train, rows=blocks))


def _static(rows: Any) -> Dataset:
    return replace(data.load(rows), origin=None)


KINDS = {
    "float32, static data": Kind(plain, rows=static, options={"ema": None}),
    "dynamic data, warm-up, mean of weights": Kind(vamp),
    "REWO": Kind(plain, lambda: objectives.REWO(objectives.ELBO(), "nats-per-dim=0.9")),
    "unbounded data under a VampPrior": Kind(unbounded, rows=real),
    "GECO": Kind(plain, lambda: objectives.GECO(objectives.ELBO(), "nats-per-dim=0.9"), options={"ema": None}),
    "discriminator": Kind(plain, lambda: objectives.FactorVAE(3.0, latents=2, hidden=8, layers=2)),
    "total correlation": Kind(vamp, lambda: objectives.BetaTC(2.0, tc=objectives.Stratified())),
    "importance samples, patience": Kind(
        vamp, lambda: objectives.IWAE(num_samples=3), options={"patience": 2, "ema": None}
    ),
    "convolutions, gradients clipped": Kind(images, options={"gradient_clip": 1.0}),
    "bfloat16": Kind(vamp, options={"precision": "bf16"}),
    "normalized gradients, cosine, rate of the prior": Kind(
        plain, options={"optimizer": "adam-normalized", "schedule": "cosine", "prior_learning_rate": 1e-3}
    ),
    "hierarchical prior": Kind(hierarchical),
    "classes": Kind(classes, lambda: objectives.Enumerated(num_samples=2)),
    "table, entries hidden": Kind(columns, rows=table, options={"mask_rate": 0.2}),
    "stream": Kind(columns, rows=stream),
    "two processes": Kind(vamp, processes=2),
    "compiled": Kind(vamp, options={"compile": True}),
}
UNCHECKED = ("compiled",)  # what annotations are checked in, as in pytest, torch cannot compile
