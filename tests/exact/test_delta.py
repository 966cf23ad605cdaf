"""The classical autoencoder: a point for a posterior."""

from __future__ import annotations

import pytest
import torch

from prioria import VAE, evaluate, likelihoods, load, nets, objectives, posteriors, priors


def autoencoder(prior=None) -> VAE:
    return VAE(
        encoder=nets.MLP(6, 8, activate_output=True),
        posterior=posteriors.Delta(8, 2),
        prior=priors.StandardNormal(2) if prior is None else prior,
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


OBJECTIVES = {
    "ELBO": objectives.ELBO(beta=0.1),
    "IWAE": objectives.IWAE(2),
    "InfoVAE": objectives.InfoVAE(alpha=0.5),
    "DensityRatio": objectives.FactorVAE(2.0, 2, hidden=8),
    "GECO": objectives.GECO(objectives.ELBO(), "nats=3"),
}


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_codes_and_a_prior_that_shrink_together_without_end_are_refused(objective: objectives.Objective) -> None:
    wide = priors.Hierarchical(2, auxiliary_decoder=priors.Gaussian(2, 2))
    for prior in (priors.Mixture(2, 3), wide):
        with pytest.raises(ValueError, match="posterior=Delta has no density.*no minimum; use ELBO.beta=0. and refit"):
            objective.check(autoencoder(prior), range(10))
    for bounded in (priors.StandardNormal(2), priors.RealNVP(2, hidden=8), priors.Hierarchical(2)):
        objective.check(autoencoder(bounded), range(10))


def test_the_rate_of_codes_under_a_mixture_falls_by_a_nat_for_each_dimension_and_unit_of_log_scale() -> None:
    model, x = autoencoder(priors.Mixture(2, 3)), torch.rand(5, 6)
    before = model.draw(x).rate
    with torch.no_grad():
        for parameter in (model.stages["z"].p.mean, *model.stages["z"].q.parameters()):
            parameter.mul_(torch.tensor(-7.0).exp())
        model.stages["z"].p.log_variance.sub_(14.0)
    torch.testing.assert_close(model.draw(x).rate, before - 14)


def test_without_a_rate_to_minimize_any_prior_will_do() -> None:
    for objective in (objectives.ELBO(beta=0.0), objectives.ELBO(free_bits=1.0), objectives.Capacity(2.0)):
        objective.check(autoencoder(priors.Mixture(2, 3)), range(10))
