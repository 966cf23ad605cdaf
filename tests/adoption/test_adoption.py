"""Models trained elsewhere: pythae's own likelihood on the same draws, and samples that a refitted prior improves."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient
from torch import nn
from torch.distributions import Normal

import prioria
from prioria import adoption, drawing, evaluate, likelihoods, priors
from prioria.data import Dataset, load
from prioria.distributions import log_mean_exp
from prioria.train import Run, refit_prior
from prioria.ui import application

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pythae's own imports warn
    from pythae.models import VAE as PythaeVAE
    from pythae.models import VAEConfig


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def trained(digits: Dataset, loss: str) -> nn.Module:
    torch.manual_seed(0)
    model = PythaeVAE(VAEConfig(input_dim=(1, 8, 8), latent_dim=4, reconstruction_loss=loss))
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    x = digits.train.tensor().unflatten(-1, (1, 8, 8))
    for _ in range(300):
        rows = x[torch.randint(len(x), (100,))]
        optimizer.zero_grad()
        model({"data": rows}).loss.backward()
        optimizer.step()
    return model.eval()


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_the_likelihood_of_a_pythae_model_is_pythaes_on_the_same_samples(digits: Dataset, loss: str) -> None:
    torch.manual_seed(0)
    theirs = PythaeVAE(VAEConfig(input_dim=(1, 8, 8), latent_dim=4, reconstruction_loss=loss)).eval()
    model, x, count = adoption.from_pythae(theirs), digits.test.tensor(6), 50
    torch.manual_seed(7)
    with torch.no_grad():
        expected = theirs.get_nll(x.unflatten(-1, (1, 8, 8)), n_samples=count, batch_size=count)
        torch.manual_seed(7)
        noise = torch.stack([torch.randn(count, 4) for _ in x], 1)  # as pythae draws them, row after row
        condition = model.condition(x)
        q = condition.top[1]
        log_w = condition.draw(count, given={"z": q.mean + q.stddev * noise}).log_w
    assert log_mean_exp(log_w, 0).mean().item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_the_likelihood_of_a_trained_pythae_model_is_pythaes(digits: Dataset) -> None:
    theirs = trained(digits, "bce")
    model = adoption.from_pythae(theirs)
    x = digits.test.tensor(40)
    ours = evaluate.log_likelihood(model, x, num_samples=1000)
    with torch.no_grad():
        expected = theirs.get_nll(x.unflatten(-1, (1, 8, 8)), n_samples=1000, batch_size=1000)
    # both are Monte Carlo: five standard errors of their difference, a false alarm in two million
    assert abs(ours.value - expected) < 5 * np.sqrt(2) * ours.monte_carlo_error


@pytest.mark.slow
def test_a_refitted_prior_brings_the_samples_of_a_pythae_model_closer_to_the_data(digits: Dataset) -> None:
    model = adoption.from_pythae(trained(digits, "bce"))
    found = refit_prior(model, priors.Mixture(4, 20), digits, steps=500, learning_rate=1e-2)
    x = digits.test.tensor()
    before, after = (_distance(each, x) for each in (model, found.model))
    assert after < before


def _distance(model: prioria.VAE, x: torch.Tensor) -> float:
    """Frechet distance of samples to data on raw pixels, the trace of the root by eigenvalues of the product."""
    torch.manual_seed(1)
    with torch.no_grad():
        samples = model.generate(3000).px.sample()[0]
    a, b = (each.double().numpy() for each in (samples, x))
    root = np.sqrt(np.linalg.eigvals(np.cov(a.T) @ np.cov(b.T)).real.clip(0)).sum()
    return float(np.square(a.mean(0) - b.mean(0)).sum() + np.trace(np.cov(a.T) + np.cov(b.T)) - 2 * root)


def test_an_adopted_model_is_saved_and_loaded_with_its_networks(tmp_path: Path) -> None:
    class Coder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 4)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return self.layer(x).chunk(2, -1)

    def made() -> prioria.VAE:
        return prioria.adopt(
            encode=Coder(), decode=nn.Linear(2, 6), latents=2, likelihood=likelihoods.Bernoulli, shape=6
        )

    model, other = made(), made()
    model.save(tmp_path)
    modules = {"encoder": other.encoder["x"], "likelihood.net.module": other.likelihood.net.module}
    again = prioria.load(tmp_path, modules=modules)
    x = torch.rand(5, 6).round()
    torch.testing.assert_close(again.encode(x), model.encode(x), rtol=0, atol=0)


class _Kl(nn.Module):
    """What an AutoencoderKL answers: an object with ``latent_dist``, and one with ``sample``."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 4, 4, stride=4), nn.ConvTranspose2d(2, 3, 4, stride=4)

    def encode(self, x: torch.Tensor) -> SimpleNamespace:
        mean, logvar = self.down(x).chunk(2, 1)
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=mean, logvar=logvar))

    def decode(self, z: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=self.up(z))


def _kl() -> nn.Module:
    try:
        from diffusers import AutoencoderKL
    except ImportError:  # its interface is small: the stand-in has all of it that is asked for
        return _Kl()
    options = {"block_out_channels": (8,), "latent_channels": 2, "norm_num_groups": 4}
    return AutoencoderKL(3, 3, ("DownEncoderBlock2D",), ("UpDecoderBlock2D",), **options)


@pytest.mark.filterwarnings("ignore")  # of what diffusers imports
@pytest.mark.parametrize("make", [_Kl, _kl])
def test_an_autoencoder_of_diffusers_is_measured_by_its_own_moments(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    theirs: Any = make().eval()
    model, scale = adoption.from_diffusers(theirs, shape=(3, 8, 8), scale=0.5), 0.5
    x = torch.rand(5, 3 * 64) * 2 - 1
    with torch.no_grad():
        draw = model.draw(x, num_samples=2)
        latent = theirs.encode(x.unflatten(-1, (3, 8, 8))).latent_dist
        q = Normal(latent.mean.flatten(1), (0.5 * latent.logvar).exp().flatten(1))
        z = draw.z["z"]
        decoded = theirs.decode(z[1].unflatten(-1, latent.mean.shape[1:])).sample.flatten(1)
        log_px = Normal(decoded, scale).log_prob(x).sum(-1)
        rate = (q.log_prob(z[1]) - Normal(0.0, 1.0).log_prob(z[1])).sum(-1)
    torch.testing.assert_close(draw.log_w[1], log_px - rate, rtol=1e-4, atol=1e-2)


def test_an_adopted_model_is_shown_with_rows(digits: Dataset) -> None:
    encoder, decoder = nn.Linear(64, 8), nn.Linear(4, 64)
    model = prioria.adopt(
        encode=lambda x: encoder(x).chunk(2, -1), decode=decoder, latents=4, likelihood=likelihoods.Bernoulli, shape=64
    )
    shown = application([Run(model, digits, [])], "token")
    with TestClient(shown, base_url="http://127.0.0.1", headers={"x-prioria-token": "token"}) as client:
        (facts,) = client.get("/api/runs").json()
        assert facts["name"] == "model" and facts["latents"] == 4 and "error" not in facts
        row = client.get("/api/0/row", params={"row": 3}).json()
        expected = drawing.drawn(digits.test.batch(torch.tensor([3])), digits.protocol)
        assert base64.b64decode(row["x"][0]) == expected.tobytes()
        assert client.get("/api/0/curves").json() == {"lines": []}
        assert len(client.get("/api/0/map").json()["points"]) == len(digits.test)


def test_networks_of_other_shapes_are_refused_when_they_are_adopted() -> None:
    encoder = nn.Linear(6, 4)
    with pytest.raises(ValueError, match="latents=3, but encode gives a mean of shape"):
        prioria.adopt(
            encode=lambda x: encoder(x).chunk(2, -1),
            decode=nn.Linear(3, 6),
            latents=3,
            likelihood=likelihoods.Bernoulli,
            shape=6,
        )
    with pytest.raises(ValueError, match="not \\(mean, log-variance\\)"):
        prioria.adopt(encode=encoder, decode=nn.Linear(2, 6), latents=2, likelihood=likelihoods.Bernoulli, shape=6)
    with pytest.raises(ValueError, match="decode gives"):
        prioria.adopt(
            encode=lambda x: encoder(x).chunk(2, -1),
            decode=nn.Linear(2, 5),
            latents=2,
            likelihood=likelihoods.Bernoulli,
            shape=6,
        )
