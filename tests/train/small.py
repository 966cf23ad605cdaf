"""A model and data so small that a whole training takes a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria import VAE, data, likelihoods, nets, objectives, posteriors, priors
from prioria.data import Dataset
from prioria.module import Module


def digits(rows: int = 240) -> Dataset:
    """The first rows of digits: 240 for training make five batches of at most 50."""
    whole = data.load("digits")
    parts = {"train": rows, "validation": 90}
    return replace(
        whole, origin=None, **{name: replace_rows(getattr(whole, name), count) for name, count in parts.items()}
    )


def replace_rows(split: data.Split, count: int) -> data.Split:
    return replace(split, rows=split.rows[:count], labels=None)


def vamp() -> VAE:
    torch.manual_seed(3)
    encoder, posterior = nets.GatedMLP(64, 12, gated_output=True), posteriors.Gaussian(12, 2)
    return VAE(
        encoder=encoder,
        posterior=posterior,
        prior=priors.VampPrior(encoder, posterior, components=5, inputs=64),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 12, 64)),
    )


def images() -> VAE:
    """Two latents of 8x8 images through convolutions of four and eight channels."""
    torch.manual_seed(3)
    return VAE(
        encoder=nets.ConvEncoder((1, 8, 8), 12, channels=(4, 8)),
        posterior=posteriors.Gaussian(12, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(nets.ConvDecoder(2, (1, 8, 8), channels=(4, 8))),
    )


def elbo(warmup: str = "2 epochs") -> objectives.ELBO:
    return objectives.ELBO(warmup=warmup)


class Exact(Module):
    """q(z|x) = p(z|x) of the model p(x|z) = N(w z, 0.25), p(z) = N(0, 1), for the decoder it is given."""

    def __init__(self, decoder: nn.Linear) -> None:
        super().__init__()
        self.decoder = (decoder,)

    def forward(self, context: Tensor | None = None) -> Distribution:
        assert context is not None
        w = self.decoder[0].weight.squeeze(-1)
        variance = 1 / (1 + w.square().sum() / 0.25)
        return torch.distributions.Independent(
            torch.distributions.Normal((context @ w).unsqueeze(-1) * variance / 0.25, variance.sqrt()), 1
        )


def exact() -> tuple[VAE, nn.Linear, Dataset]:
    """A model whose log_w is log p(x) whatever z is, its decoder, and 158, 19 and 19 rows."""
    torch.manual_seed(2)
    decoder = nn.Linear(1, 3, bias=False)
    likelihood = likelihoods.Gaussian(decoder, scale=0.5)
    model = VAE(encoder=nn.Identity(), posterior=Exact(decoder), prior=priors.StandardNormal(1), likelihood=likelihood)
    rows = (np.random.default_rng(0).normal(size=(196, 3)) * (2.0, 1.0, 0.5)).astype(np.float32)
    return model, decoder, data.load(rows)


def streamed(folder: Path) -> Dataset:
    """Rows for the exact model in a folder of parts, which are read as a stream of blocks."""
    rows = np.random.default_rng(4).normal(size=(240, 3)) * (2.0, 1.0, 0.5)
    for part in range(3):
        (folder / f"part={part}").mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame(rows[part::3], columns=list("abc"))
        table.to_parquet(folder / f"part={part}" / "rows.parquet", index=False, row_group_size=30)
    found = data.load(folder, ignore=("part",))
    protocol = replace(found.protocol, likelihoods=("Gaussian",))  # no entry is missing
    parts = [replace(part, protocol=protocol) for part in (found.train, found.validation, found.test)]
    return Dataset(protocol, *parts)


class Single(Tensor):
    """A tensor on a device without double precision, as Apple's GPUs are."""

    def double(self) -> Tensor:
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64")

    def cpu(self) -> Tensor:
        return self.as_subclass(Tensor)


OPTIONS = {"batch_size": 50, "epochs": 4, "log_every": 3, "learning_rate": 3e-3, "ema": 0.9, "progress": False}


def weights(run: Path) -> dict[str, Tensor]:
    """Everything that a checkpoint holds, and the best weights."""
    checkpoint, best = load_file(run / "checkpoint.safetensors"), load_file(run / "best" / "model.safetensors")
    del checkpoint["random.python"]  # beartype, which checks annotations under pytest, draws from it
    return checkpoint | {f"exported.{name}": value for name, value in best.items()}


def assert_same_run(one: Path, other: Path) -> None:
    """Two run folders agree bit for bit: weights, moments, averages, generators, best weights, every logged line."""
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value.numpy().tobytes() == second[name].numpy().tobytes(), name
    for name in ("metrics.jsonl", "run.json", "best/model.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
