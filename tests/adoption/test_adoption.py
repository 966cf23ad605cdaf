"""Models trained elsewhere: pythae's own likelihood on the same draws, and samples that a refitted prior improves."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import prioria
from prioria import adoption, evaluate, likelihoods, priors
from prioria.data import load
from prioria.train import refit_prior

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pythae's own imports warn
    from pythae.models import VAE as PythaeVAE
    from pythae.models import VAEConfig


@pytest.fixture(scope="module")
def digits() -> prioria.data.Dataset:
    return load("digits")


def trained(digits: prioria.data.Dataset, loss: str) -> nn.Module:
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


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_the_likelihood_of_a_pythae_model_is_pythaes(digits: prioria.data.Dataset, loss: str) -> None:
    theirs = trained(digits, loss)
    model = adoption.from_pythae(theirs)
    x = digits.test.tensor(40)
    ours = evaluate.log_likelihood(model, x, num_samples=1000)
    with torch.no_grad():
        expected = theirs.get_nll(x.unflatten(-1, (1, 8, 8)), n_samples=1000, batch_size=1000)
    # both are Monte Carlo: five standard errors of their difference, a false alarm in two million
    assert abs(ours.value - expected) < 5 * np.sqrt(2) * ours.monte_carlo_error


@pytest.mark.slow
def test_a_refitted_prior_brings_the_samples_of_a_pythae_model_closer_to_the_data(digits: prioria.data.Dataset) -> None:
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
