"""What fit refuses before the first step, and before anything is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from prioria import VAE, likelihoods, nets, objectives, posteriors, priors
from prioria.train import fit
from tests.train.small import OPTIONS, digits, elbo, vamp


def test_weights_of_another_precision_than_the_data_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"weights in float64.*model\.float\(\)"):
        fit(vamp().double(), elbo("1 epoch"), digits(), epochs=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("epochs", -1),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("ema", 1.0),
        ("patience", 0),
        ("gradient_clip", -1.0),
        ("checkpoint_every", "often"),
        ("log_every", 0),
        ("mask_rate", 0.6),
    ],
)
def test_options_out_of_range_are_refused(option: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{option}={value!r} "):
        fit(vamp(), elbo(), digits(), **(OPTIONS | {option: value}))


def test_an_objective_that_cannot_train_the_model_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    class Refusing(objectives.ELBO):
        def check(self, model: VAE, data: object = None) -> None:
            assert len(data) == 240  # type: ignore[arg-type]
            raise ValueError("no")

    with pytest.raises(ValueError, match="^no$"):
        fit(vamp(), Refusing(), digits(), **OPTIONS, out=tmp_path / "run")
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize("part", ["encoder", "posterior"])
def test_batch_normalization_in_what_a_vamp_prior_shares_is_refused(part: str, tmp_path: Path) -> None:
    encoder = nets.MLP(64, 8, activate_output=True, batch_norm=part == "encoder")
    posterior = posteriors.Gaussian(8, 2, net=nets.MLP(8, 8, activate_output=True, batch_norm=part == "posterior"))
    prior = priors.VampPrior(encoder, posterior, components=3, inputs=64)
    decoder = likelihoods.Bernoulli(nets.MLP(2, 64))
    model = VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=decoder)
    with pytest.raises(ValueError, match="batch normalization.*batch_norm=False"):
        fit(model, elbo(), digits(), **OPTIONS, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_unknown_option_is_refused() -> None:
    """In a process of its own: under pytest annotations are checked, elsewhere a wrong word comes through."""
    program = """
from prioria.train.options import Options
for option in ({"optimizer": "sgd"}, {"schedule": "cosin"}, {"precision": "fp16"}):
    try:
        Options(epochs=1, **option)
    except ValueError as error:
        print(error)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert [line.split("; use one of ")[1] for line in found.splitlines()] == [
        "adam, adam-normalized",
        "constant, cosine",
        "float32, bf16, auto",
    ]
