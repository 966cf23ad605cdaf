"""The classical autoencoder: a point for a posterior."""

from __future__ import annotations

import pytest
import torch

from prioria import VAE, evaluate, likelihoods, load, nets, objectives, posteriors, priors


def autoencoder() -> VAE:
    return VAE(
        encoder=nets.MLP(6, 8, activate_output=True),
        posterior=posteriors.Delta(8, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Gaussian(nets.MLP(2, 8, 6)),
    )


def test_with_beta_zero_the_loss_is_the_reconstruction_error() -> None:
    model, x = autoencoder(), torch.rand(5, 6)
    loss = objectives.ELBO(beta=0.0)(model.draw(x))
    reconstruction = model.likelihood.net(model.encode(x))
    nats = 0.5 * (x - reconstruction).square().sum(-1).mean() + 3 * torch.tensor(2 * torch.pi).log()
    torch.testing.assert_close(loss.value, nats)
    gradients = torch.autograd.grad(loss.surrogate, list(model.parameters()))
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_every_sample_is_the_code() -> None:
    model, x = autoencoder(), torch.rand(5, 6)
    z = model.draw(x, num_samples=3).z["z"]
    torch.testing.assert_close(z, model.encode(x).expand(3, 5, 2))


def test_there_is_no_bound_and_no_likelihood(tmp_path) -> None:
    model, x = autoencoder(), torch.rand(5, 6)
    for measure in (evaluate.elbo, evaluate.log_likelihood):
        with pytest.raises(ValueError, match="Delta, which has no density"):
            measure(model, x, num_samples=3)
    assert evaluate.active_units(model, x).variances["z"].shape == (2,)
    model.save(tmp_path)
    assert torch.equal(load(tmp_path).encode(x), model.encode(x))
