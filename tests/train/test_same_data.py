"""A run goes on with, and is read back on, no other data than it was trained on; a likelihood must be legal there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria import VAE, likelihoods, nets, objectives, posteriors, priors
from prioria.data import Dataset, load, splits
from prioria.data.schema import Schema
from prioria.data.treatments import without_logs
from prioria.module import Module
from prioria.train import Run, fit
from prioria.train.run import SPECIFICATION, fingerprint

RNG = np.random.default_rng(3)
GREY = RNG.integers(0, 256, (100, 4), dtype=np.uint8)
CONTINUOUS = RNG.normal(size=(100, 4))
COUNTS = RNG.integers(0, 5, (100, 4))


def model_of(likelihood: Callable[[nn.Module], nn.Module], outputs: int = 4) -> VAE:
    torch.manual_seed(0)
    return VAE(
        encoder=nets.MLP(4, 8),
        posterior=posteriors.Gaussian(8, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihood(nets.MLP(2, outputs)),
    )


def train(
    data: Dataset, out: Path | None = None, likelihood: Callable = likelihoods.Bernoulli, outputs: int = 4
) -> Run:
    again = out is not None and (out / SPECIFICATION).exists()
    model = model_of(likelihood, outputs)
    return fit(
        model, objectives.ELBO(), data, epochs=2 if again else 1, batch_size=50, out=out, progress=False, resume=again
    )


def saved(folder: Path, rows: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    np.save(folder / "rows.npy", rows)
    return folder / "rows.npy"


@pytest.mark.parametrize(
    ("rows", "first", "second", "likelihood"),
    [
        (CONTINUOUS, {"seed": 0}, {"seed": 1}, likelihoods.Gaussian),
        (CONTINUOUS, {}, {"standardize": True}, likelihoods.Gaussian),
        (GREY, {"binarize": "dynamic"}, {"relaxed": True}, likelihoods.Bernoulli),
    ],
)
def test_another_split_or_treatment_is_other_data(
    rows: np.ndarray, first: dict, second: dict, likelihood: Callable, tmp_path: Path
) -> None:
    path = saved(tmp_path, rows)
    train(load(path, **first), tmp_path / "run", likelihood)
    with pytest.raises(ValueError, match="^data=.*train it in a new folder"):
        train(load(path, **second), tmp_path / "run", likelihood)
    with pytest.raises(ValueError, match="is not what the run was trained on"):
        _ = Run.load(tmp_path / "run", data=load(path, **second)).data
    train(load(path, **first), tmp_path / "run", likelihood)


def test_a_file_that_was_written_over_is_other_data(tmp_path: Path) -> None:
    path = saved(tmp_path, CONTINUOUS)
    train(load(path), tmp_path / "run", likelihoods.Gaussian)
    saved(tmp_path, CONTINUOUS + 1)
    with pytest.raises(ValueError, match="is not what the run was trained on"):
        _ = Run.load(tmp_path / "run").data


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_table_without_its_logarithms_is_bit_for_bit_what_its_schema_gives_later(
    in_memory: bool, tmp_path: Path
) -> None:
    """What is computed from a float32 logarithm is off in the last digits, of which a digest sees some."""
    table = pd.DataFrame(np.exp(RNG.normal(11, 0.02, (200, 40))).round(1)).add_prefix("employed ")
    table.to_csv(tmp_path / "table.csv", index=False)
    source = table if in_memory else tmp_path / "table.csv"
    data = load(source, kinds=dict.fromkeys(table, "positive"))
    schema = Schema(
        tuple(replace(each, treatment="log", center=11.0, scale=0.02) for each in data.protocol.schema.columns)
    )
    treated = without_logs(load(source, schema=schema), list(table), source)
    assert {each.treatment for each in treated.protocol.schema.columns} == {"standardize"}
    again = load(table, schema=treated.protocol.schema) if in_memory else load(**treated.origin)
    assert torch.equal(treated.train.tensor(), again.train.tensor())
    assert fingerprint(treated) == fingerprint(again)


@pytest.mark.parametrize("binarize", [None, "dynamic"])
def test_a_fingerprint_draws_nothing_and_is_that_of_a_mapped_file(
    binarize: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.get_rng_state(), np.random.get_state()[1].copy()
    expected = fingerprint(load(saved(tmp_path, GREY), binarize=binarize))
    assert torch.get_rng_state().equal(state[0]) and (np.random.get_state()[1] == state[1]).all()
    monkeypatch.setattr(splits, "IN_MEMORY_BYTES", 0)
    mapped = load(tmp_path / "rows.npy", binarize=binarize)
    assert mapped.train.members is not None and fingerprint(mapped) == expected


def test_known_sets_have_the_same_fingerprint_everywhere() -> None:
    found = {name: fingerprint(load(name))["digest"]["train"] for name in ("digits", "two-moons", "pendulum")}
    assert found == {"digits": "98e3543ab051a0be", "two-moons": "8e79a1ffd21ddbc6", "pendulum": "b991e1a8b36d4685"}


@pytest.mark.parametrize(
    ("rows", "likelihood", "outputs", "remedy"),
    [
        (GREY, likelihoods.Bernoulli, 4, "binarize='dynamic'"),
        (CONTINUOUS, likelihoods.Bernoulli, 4, "use Gaussian"),
        (CONTINUOUS, likelihoods.Multinomial, 4, "use Gaussian"),
        (COUNTS, lambda net: likelihoods.Categorical(net, 3), 12, "categories=3 has no place for 4.*categories=5"),
    ],
)
def test_a_likelihood_without_a_density_is_refused_before_anything_is_written(
    rows: np.ndarray, likelihood: Callable, outputs: int, remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=remedy):
        train(load(rows), tmp_path / "run", likelihood, outputs)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_categories_must_hold_the_values_of_every_split(part: str, tmp_path: Path) -> None:
    parts = {"train": COUNTS[:80].clip(max=3), "validation": COUNTS[80:90].clip(max=3), "test": COUNTS[90:].clip(max=3)}
    parts[part][-1, -1] = 7
    np.savez(tmp_path / "rows.npz", **parts)
    data = load(tmp_path / "rows.npz")
    with pytest.raises(ValueError, match="no place for 7, the largest value of rows; train with categories=8"):
        train(data, likelihood=lambda net: likelihoods.Categorical(net, 7), outputs=28)
    train(data, likelihood=lambda net: likelihoods.Categorical(net, 8), outputs=32)


class Own(Module):
    """A likelihood that a user wrote."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, z: Tensor) -> Distribution:
        return likelihoods.Gaussian(self.net)(z)


@pytest.mark.parametrize("rows", [COUNTS % 2, CONTINUOUS, GREY])
def test_a_likelihood_of_the_users_own_is_left_alone(rows: np.ndarray) -> None:
    train(load(rows), likelihood=Own)


def test_a_bernoulli_on_relaxed_or_drawn_grey_values_trains() -> None:
    train(load(GREY, relaxed=True))
    train(load(GREY, binarize="dynamic"))
