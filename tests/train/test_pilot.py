"""The pilot's target against the costs that the trained model has, and a simulated moving average."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from prioria import VAE, likelihoods, nets, objectives, posteriors, priors
from prioria.train import checkpoint, fit, suggest_target
from tests.train.small import Single


def rows(count: int = 600) -> np.ndarray:
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, (count, 1))
    return np.concatenate([np.cos(angle), np.sin(angle), np.cos(2 * angle)], 1).astype(np.float32)


def model(likelihood: torch.nn.Module | None = None) -> VAE:
    torch.manual_seed(0)
    return VAE(
        encoder=nets.MLP(3, 16, activate_output=True),
        posterior=posteriors.Gaussian(16, 2),
        prior=priors.Hierarchical(2, 2, num_samples=2),
        likelihood=likelihood or likelihoods.Gaussian(nets.MLP(2, 16, 3), scale=0.3),
    )


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["rmse", "psnr", "nats", "nats-per-dim"])
def test_target_leaves_five_percent_or_the_noise_of_the_average(unit: str) -> None:
    trained = model()
    found = suggest_target(trained, rows(6000), unit=unit, epochs=1, batch_size=20, progress=False)
    margin = found.target.kappa_squared - found.cost
    assert margin == pytest.approx(max(0.05 * abs(found.cost), found.deviation), rel=1e-3)
    x = torch.from_numpy(rows(6000))
    with torch.no_grad():
        draw = trained.draw(x, num_samples=40)
    squares = (draw.x - draw.px.mean).square().mean(-1)
    costs = {"nats": draw.distortion, "nats-per-dim": draw.distortion / 3}.get(unit, squares).numpy()
    # one draw for each row; four standard errors, a false alarm of 6e-5, and no more than the twentieth that is added
    error = 4 * costs.std() / np.sqrt(len(x) * 0.8)
    assert abs(found.cost - costs.mean()) < error < 0.05 * abs(costs.mean())
    average, averages = costs.mean(), []
    batches = np.random.default_rng(1).choice(costs[0], (20_000, 20)).mean(1)
    for batch in batches:
        average = 0.99 * average + 0.01 * batch
        averages.append(average)
    assert found.deviation == pytest.approx(np.std(averages), rel=0.2)


def test_a_device_without_double_precision_has_a_pilot(monkeypatch) -> None:
    cost = objectives.Target.cost
    monkeypatch.setattr(objectives.Target, "cost", lambda self, draw: cost(self, draw).as_subclass(Single))
    assert suggest_target(model(), rows(), epochs=0, progress=False).cost > 0


def test_unit_is_rmse_where_there_is_a_mean_to_measure() -> None:
    assert suggest_target(model(), rows(), epochs=0, progress=False).target.unit == "rmse"
    bits = (rows() > 0).astype(np.float32)
    decoder = likelihoods.Bernoulli(nets.MLP(2, 16, 3))
    assert suggest_target(model(decoder), bits, epochs=0, progress=False).target.unit == "nats-per-dim"
    with pytest.raises(ValueError, match="rmse.*nats"):
        suggest_target(model(decoder), bits, unit="rmse", epochs=0)


def test_the_pilot_is_trained_as_the_run_will_be() -> None:
    pilots = {"adam-normalized": model(), "adam": model(), "by hand": model()}
    for optimizer in ("adam-normalized", "adam"):
        suggest_target(pilots[optimizer], rows(), epochs=1, batch_size=20, progress=False, optimizer=optimizer)
    options = {"epochs": 1, "batch_size": 20, "optimizer": "adam-normalized", "progress": False}
    fit(pilots["by hand"], objectives.ELBO(), rows(), **options)
    weights = {name: torch.cat([p.flatten() for p in pilot.parameters()]) for name, pilot in pilots.items()}
    assert torch.equal(weights["adam-normalized"], weights["by hand"])
    assert not torch.equal(weights["adam-normalized"], weights["adam"])


@pytest.mark.slow
def test_run_with_the_suggested_target_ends_at_the_bound() -> None:
    found = suggest_target(model(), rows(), epochs=10, batch_size=20, learning_rate=3e-3, progress=False)
    rewo = objectives.REWO(objectives.ELBO(), str(found.target), beta=0.1, initial_phase=0.6)
    run = fit(model(), rewo, rows(), epochs=24, batch_size=20, learning_rate=3e-3, progress=False)
    best = {name: torch.tensor(value) for name, value in (run.best or {}).items() if isinstance(value, float)}
    assert str(rewo.verdict(best)).startswith("target met")
    assert rewo.beta.item() == pytest.approx(1.0, abs=0.05)


def test_run_keeps_its_last_weights_beside_the_best(tmp_path) -> None:
    run = fit(model(), objectives.ELBO(), rows(), epochs=3, batch_size=20, out=tmp_path, progress=False)
    last, best = dict(run.last().named_parameters()), dict(run.model.named_parameters())
    continued = fit(
        model(), objectives.ELBO(), rows(), epochs=3, batch_size=20, out=tmp_path, resume=True, progress=False
    )
    kept = {name: value for name, value in continued.last().named_parameters()}
    assert all(torch.equal(value, kept[name]) for name, value in last.items())
    epochs = [line for line in run.history if line["split"] == "validation"]
    assert (
        torch.equal(last["likelihood.net.layers.0.weight"], best["likelihood.net.layers.0.weight"])
        == epochs[-1]["best"]
    )
    with pytest.raises(ValueError, match="out=None"):
        fit(model(), objectives.ELBO(), rows(), epochs=1, progress=False).last()


def test_last_weights_that_are_not_finite_are_refused(tmp_path) -> None:
    run = fit(model(), objectives.ELBO(), rows(), epochs=1, batch_size=20, out=tmp_path, progress=False)
    parts, state = checkpoint.read(tmp_path)
    parts["step"]["model.likelihood.net.layers.0.bias"][0] = torch.nan
    checkpoint.write(tmp_path, parts, state)
    with pytest.raises(ValueError, match=r"checkpoint.*parameter likelihood.* is not finite; train again with a lower"):
        run.last()
