"""Another prior for a trained model: what is fitted, what stays, and the run that it leaves."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from prioria import VAE, evaluate, likelihoods, nets, objectives, posteriors, priors, stages
from prioria.data import load
from prioria.train import Run, fit, refit_prior, with_prior
from tests.contract.standins import OpaqueFlow
from tests.contract.variants import fused_standin
from tests.train.small import digits


def model(posterior=None) -> VAE:
    torch.manual_seed(3)
    return VAE(
        encoder=nets.GatedMLP(64, 12, gated_output=True),
        posterior=posteriors.Gaussian(12, 2) if posterior is None else posterior,
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 12, 64)),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "first"
    return fit(model(), objectives.ELBO(0.1), digits(), epochs=3, learning_rate=3e-3, progress=False, out=folder)


def gaussian(mean: float = 0.0) -> priors.Mixture:
    prior = priors.Mixture(2, 1)
    with torch.no_grad():
        prior.mean.fill_(mean)
    return prior


@pytest.mark.slow
def test_one_gaussian_finds_the_moments_of_the_aggregate_posterior(run: Run) -> None:
    # The maximum of E log N(z; m, s^2) is at the mean and the variance of q(z): those of the mixture, in closed form.
    found = refit_prior(run, gaussian(), steps=400, batch_size=1000, learning_rate=0.03)
    q = evaluate.aggregate_posterior(run.model, run.data.train).components.base_dist
    mean, variance = q.loc.mean(0), q.variance.mean(0) + q.loc.var(0, correction=0)
    p = found.model.stages["z"].p
    torch.testing.assert_close(p.mean.detach()[0], mean, atol=0.2, rtol=0.1)
    torch.testing.assert_close(p.log_variance.exp().detach()[0], variance, atol=0.1, rtol=0.2)


def test_rows_that_are_binarized_afresh_are_encoded_afresh() -> None:
    # z = W b + 0.1 noise with bits b ~ Bernoulli(p): q(z) has the mean W p, and 32 rows of bits drawn once another.
    probabilities = np.random.default_rng(0).uniform(0.3, 0.7, (40, 6)).astype(np.float32)
    data = load(probabilities, binarize="dynamic")
    encoder = nn.Linear(6, 2, bias=False)
    posterior = posteriors.Gaussian(2, 2, log_variance_bounds=(-4.61, -4.6))
    with torch.no_grad():
        posterior.heads.weight.copy_(torch.eye(4, 2))
        posterior.heads.bias.zero_()
        encoder.weight.copy_(torch.tensor([[3.0, -2, 1, -1, 2, -3], [1, -1, 2, -2, 3, -3]]))
    likelihood = likelihoods.Bernoulli(nets.GatedMLP(2, 6))
    linear = VAE(encoder=encoder, posterior=posterior, prior=priors.StandardNormal(2), likelihood=likelihood)
    found = refit_prior(linear, gaussian(), data, steps=400, batch_size=1000, learning_rate=0.03)
    p = data.train.rows.float()
    assert p.max() == probabilities.max()
    expected, spread = encoder(p).mean(0), encoder(p).var(0, correction=0) + (p * (1 - p)).mean(0) @ encoder.weight.T**2
    fitted = found.model.stages["z"].p
    torch.testing.assert_close(fitted.mean.detach()[0], expected.detach(), atol=0.15, rtol=0)
    torch.testing.assert_close(fitted.log_variance.exp().detach()[0], spread.detach(), atol=0, rtol=0.1)


@pytest.mark.slow
def test_bound_and_divergence_improve_and_nothing_else_moves(run: Run) -> None:
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    gradients = [parameter.grad for parameter in run.model.parameters()]
    found = refit_prior(run, priors.RealNVP(2, hidden=16), steps=250)
    assert all(torch.equal(tensor, before[name]) for name, tensor in run.model.state_dict().items())
    assert [parameter.grad for parameter in run.model.parameters()] == gradients
    assert found.after.elbo.value > found.before.elbo.value + 3 * found.after.elbo.monte_carlo_error
    assert found.after.divergence.value < 0.5 * found.before.divergence.value
    assert found.model.likelihood is run.model.likelihood
    x = run.data.test.tensor(20)
    assert torch.equal(found.model.encode(x), run.model.encode(x))
    held_out = [line["loss"] for line in found.history if line["split"] == "validation"]
    assert held_out[0] > min(held_out) and "before" in str(found)
    assert (
        found.after.elbo.value == evaluate.elbo(found.model, run.data.test, num_samples=10).value
    )  # rows that chose nothing
    again = refit_prior(run, _copy(), steps=10).history
    assert again == refit_prior(run, _copy(), steps=10).history


def _copy() -> priors.RealNVP:
    torch.manual_seed(0)
    return priors.RealNVP(2, hidden=16)


def test_pseudo_inputs_are_fitted_on_the_models_own_encoder(run: Run) -> None:
    stage = run.model.stages["z"]
    vamp = priors.VampPrior(run.model.encoder_of("z"), stage.q, components=8, inputs=64, initial=(0.3, 0.1))
    encoder = [p.detach().clone() for p in run.model.encoder.parameters()]
    found = refit_prior(run, vamp, steps=60, learning_rate=0.03)
    assert found.history[-1]["loss"] < found.history[0]["loss"]
    assert all(torch.equal(a, b) for a, b in zip(encoder, run.model.encoder.parameters(), strict=True))
    with pytest.raises(ValueError, match="own objects"):
        with_prior(run.model, priors.VampPrior(nets.GatedMLP(64, 12), stage.q, components=2, inputs=64))


def test_the_aggregate_posterior_needs_no_fit_and_is_the_best(run: Run) -> None:
    components = evaluate.aggregate_posterior(run.model, run.data.train).components
    found = refit_prior(run, priors.AggregatePosterior.of(components))
    assert found.after.divergence.value == pytest.approx(0.0, abs=1e-4)
    assert len(found.history) == 1


def test_a_flow_posterior_is_fitted_by_its_draws() -> None:
    found = refit_prior(model(OpaqueFlow(12, 2)), gaussian(5.0), digits(), steps=100, learning_rate=0.1)
    assert found.history[-1]["loss"] < found.history[0]["loss"] - 1
    assert "nearest-neighbor" in found.after.divergence.estimator


def test_new_run_is_read_as_any_other(run: Run, tmp_path) -> None:
    written = refit_prior(run, priors.RealNVP(2, hidden=8), steps=20, out=tmp_path / "second")
    opened = Run.load(tmp_path / "second", data=run.data)
    x = run.data.test.tensor(10)
    torch.manual_seed(0)
    expected = written.model.draw(x).log_w
    torch.manual_seed(0)
    assert torch.equal(opened.model.draw(x).log_w, expected)
    specification = json.loads((tmp_path / "second" / "run.json").read_text())
    assert specification["refit"]["from"] == str(run.path)
    assert math.isfinite(specification["refit"]["after"]["elbo"]["value"])
    assert opened.best is not None
    with pytest.raises(ValueError, match="holds a run already"):
        refit_prior(run, gaussian(), out=tmp_path / "second")


def test_refusals(run: Run, tmp_path) -> None:
    with pytest.raises(ValueError, match="data=None"):
        refit_prior(model(), gaussian())
    with pytest.raises(ValueError, match="only a run that is in a folder"):
        refit_prior(model(), gaussian(), digits(), out=tmp_path)
    bits = model(posteriors.Bernoulli(12, 2))
    with pytest.raises(ValueError, match="prior TransformedDistribution is over real .* posterior .* over discrete"):
        refit_prior(bits, priors.RealNVP(2), digits(), steps=1)
    with pytest.raises(ValueError, match="part of its posterior"):
        with_prior(fused_standin(), priors.StandardNormal(2))


def test_the_top_of_a_ladder_takes_another_prior_as_its_posterior_is_evidence_alone() -> None:
    sizes, features = {"z2": 2, "z1": 3}, {"z2": 4, "z1": 5}
    ladder = VAE(
        encoder=nets.BottomUp(6, features, activate_output=True),
        stages=stages.Ladder(sizes, features),
        likelihood=likelihoods.Bernoulli(nets.MLP(3, 6)),
    ).eval()
    other, x = with_prior(ladder, gaussian(5.0)).eval(), torch.rand(7, 6)
    for group in sizes:
        torch.testing.assert_close(other.encode(x, group), ladder.encode(x, group), rtol=0, atol=0)
    latent = other.draw(x).latents["z2"]
    scale = (0.5 * other.stages["z2"].p.log_variance).exp()
    expected = torch.distributions.Normal(5.0, scale).log_prob(latent.z).sum(-1)
    torch.testing.assert_close(latent.log_p, expected)
    found = refit_prior(ladder, gaussian(), load((np.arange(240).reshape(40, 6) % 7 < 3).astype(np.uint8)), steps=2)
    assert isinstance(found.model.stages["z2"], stages.Fused)


def test_a_group_may_have_the_name_of_a_shared_encoder() -> None:
    top, bottom = (nets.GatedMLP(6, 5, gated_output=True) for _ in range(2))
    q = posteriors.Gaussian(5, 2)
    levels = stages.TwoLevel(prior=priors.StandardNormal(2), posterior=q, features=5, latents=(2, 4), hidden=9)
    two = VAE(
        encoder={"z2": top, "x": bottom},
        stages={"z2": levels["z2"], "x": levels["z1"]},
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(6, 6)),
    )
    other = with_prior(two, gaussian())
    assert (other.encoder["z2"], other.encoder["x"]) == (top, bottom)


def test_an_autoencoder_samples_through_a_prior_of_its_codes(tmp_path) -> None:
    auto = model(posteriors.Delta(12, 2))
    run = fit(auto, objectives.ELBO(0.0), digits(), epochs=3, learning_rate=3e-3, progress=False, out=tmp_path / "auto")
    found = refit_prior(run, gaussian(), steps=300, learning_rate=0.03, out=tmp_path / "refit")
    codes = run.model.encode(run.data.train.tensor())  # the maximum of E log N(e(x); m, s^2) is at their moments
    p = found.model.stages["z"].p
    torch.testing.assert_close(p.mean.detach()[0], codes.mean(0), atol=0.2, rtol=0.1)
    torch.testing.assert_close(p.log_variance.exp().detach()[0], codes.var(0, correction=0), atol=0.1, rtol=0.2)
    assert found.before.elbo is None and found.after.divergence is None and "ELBO" not in str(found)
    assert found.after.log_prior > found.before.log_prior
    assert f"after  {found.after.log_prior:.2f}" in str(found)
    assert Run.load(tmp_path / "refit", data=digits()).model.generate(3).px.mean.shape == (1, 3, 64)
