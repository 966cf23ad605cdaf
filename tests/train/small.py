"""A model and data so small that a whole training takes a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from prioria import VAE, data, likelihoods, nets, objectives, posteriors, priors
from prioria.data import Dataset


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


def elbo() -> objectives.ELBO:
    return objectives.ELBO(warmup="2 epochs")


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
