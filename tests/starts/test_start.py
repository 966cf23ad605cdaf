"""A model that begins as a mixture is that mixture, and training leaves it no worse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture

from prioria import data, evaluate, objectives, starts
from prioria.starts.choice import Search
from prioria.starts.factors import Rows, Settings, fit
from prioria.starts.gaussians import from_gaussians


def real(x: np.ndarray) -> Rows:
    return Rows(x, np.zeros((len(x), 0)), (), np.zeros((len(x), 0)), np.zeros(len(x)))


def schema(x: np.ndarray) -> dict:
    options = {"kind": "real", "treatment": "standardize"}
    centers, scales = x.mean(0), x.std(0)
    return {
        "columns": [
            {"name": f"x{d}", **options, "center": float(m), "scale": float(s)}
            for d, (m, s) in enumerate(zip(centers, scales, strict=True))
        ]
    }


def standardized(x: np.ndarray) -> np.ndarray:
    order = np.random.default_rng(0).permutation(len(x))
    return ((x - x.mean(0)) / x.std(0))[order]


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_a_gaussian_mixture_of_scikit_learn_is_held_exactly(kind: str) -> None:
    x = standardized(load_wine().data)
    theirs = GaussianMixture(3, covariance_type=kind, reg_covar=1e-2, random_state=0).fit(x)
    ours = from_gaussians(real(x), theirs, np.full(13, 1e-6))
    broad = np.exp(ours.log_shares[3:]).sum()
    assert broad < 0.01
    kept = logsumexp(ours.log_joint(real(x))[:, :3], 1) - np.log1p(-broad)
    np.testing.assert_allclose(kept, theirs.score_samples(x), atol=1e-6)


def test_a_mixture_has_the_density_that_scipy_gives_it_and_em_never_falls() -> None:
    x = standardized(load_wine().data)
    found = fit(real(x), Settings(2, 3), np.full(13, 1e-6), np.arange(len(x)) % 2, tolerance=1e-6)
    classes = zip(found.log_shares, found.mean, found.factors, found.noise, strict=True)
    parts = [a + multivariate_normal(m, w @ w.T + np.diag(psi)).logpdf(x) for a, m, w, psi in classes]
    np.testing.assert_allclose(found.log_prob(real(x)), logsumexp(parts, 0), atol=1e-8)
    assert found.history[-1] > found.history[0] + 1


@pytest.mark.parametrize("data", [load_iris, load_wine])
def test_the_model_is_the_mixture_and_its_posterior_is_exact(data) -> None:
    values = data().data
    x = standardized(values)
    start = starts.mixture(x[:100], x[100:], schema(values), budget=3e8)
    model = starts.build(start)
    volume = np.log(values.std(0)).sum()
    mixture, rows = start.mixture, torch.from_numpy(x).float()
    classes = zip(mixture.log_shares, mixture.mean, mixture.factors, mixture.noise, strict=True)
    u = (x - start.center) / start.scale
    parts = [a + multivariate_normal(m, w @ w.T + np.diag(psi)).logpdf(u) for a, m, w, psi in classes]
    exact = logsumexp(parts, 0) - np.log(start.scale).sum() - volume
    torch.manual_seed(0)
    log_w = model.draw(rows, 3).log_w.detach().double().numpy()
    np.testing.assert_allclose(log_w, np.broadcast_to(exact, log_w.shape), atol=1e-3)
    found = evaluate.log_likelihood(model, rows, num_samples=2)
    np.testing.assert_allclose(found.pointwise.numpy(), exact, atol=1e-3)


def test_the_sum_over_classes_is_the_log_likelihood_at_the_start() -> None:
    values = load_wine().data
    x = standardized(values)
    model = starts.build(starts.mixture(x[:100], x[100:], schema(values), budget=3e8))
    objective, rows = objectives.Enumerated(), torch.from_numpy(x).float()
    objective.check(model)
    loss = objective(objective.draw(model, rows))
    exact = evaluate.log_likelihood(model, rows, num_samples=1).pointwise
    torch.testing.assert_close(-loss.per_example.double(), exact, rtol=0, atol=1e-3)
    fewer = objectives.Enumerated(2)
    assert (fewer(fewer.draw(model, rows)).per_example >= loss.per_example - 1e-3).all()


def test_the_density_of_rows_with_missing_entries_is_the_marginal() -> None:
    values = load_wine().data
    x = standardized(values)
    start = starts.mixture(x[:100], x[100:], schema(values), budget=3e8)
    model = starts.build(start, full=True)
    kept = np.random.default_rng(1).random(13) < 0.6
    rows = torch.from_numpy(np.where(kept, x, np.nan)).float()
    mixture = start.mixture
    u = ((x - start.center) / start.scale)[:, kept]
    classes = zip(mixture.log_shares, mixture.mean, mixture.factors, mixture.noise, strict=True)
    parts = [
        a + multivariate_normal(m[kept], (w @ w.T + np.diag(psi))[np.ix_(kept, kept)]).logpdf(u)
        for a, m, w, psi in classes
    ]
    exact = logsumexp(parts, 0) - np.log(start.scale[kept]).sum() - np.log(values.std(0)[kept]).sum()
    torch.manual_seed(0)
    log_w = model.draw(rows, 3).log_w.detach().double().numpy()
    np.testing.assert_allclose(log_w, np.broadcast_to(exact, log_w.shape), atol=1e-3)


def test_rows_far_away_have_finite_densities_that_fall_whatever_the_networks_are() -> None:
    values = load_iris().data
    x = standardized(values)
    torch.manual_seed(0)
    model = starts.build(starts.mixture(x[:100], x[100:], schema(values), classes=(1, 2), budget=1e8), hidden=8)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if ".net." in name:
                weights.add_(0.3 * torch.randn_like(weights))
    direction = torch.nn.functional.normalize(torch.randn(5, 1, 4), dim=-1)
    far = direction * torch.tensor([10.0**each for each in range(1, 7)]).unsqueeze(-1)
    log_p = evaluate.log_likelihood(model, far.flatten(0, 1), num_samples=50).pointwise.unflatten(0, (5, 6))
    assert log_p.isfinite().all()
    assert (log_p.diff(dim=-1) < 0).all()


def test_a_fine_column_beside_a_coarse_one_leaves_model_and_mixture_alike() -> None:
    """The heads keep each column's variance above a floor of its own, and so must the mixture."""
    generator = np.random.default_rng(0)
    coarse = generator.normal(0, 5, 150).round()
    values = np.c_[coarse, generator.normal(size=150), np.zeros(150)]
    values[:, 2] = values[:, 1] + 1e-2 * generator.normal(size=150)
    columns = schema(values)
    columns["columns"][0]["resolution"] = 1.0
    x = (values - values.mean(0)) / values.std(0)
    start = starts.mixture(x[:100], x[100:], columns, classes=(1,), budget=1e7)
    assert start.mixture.latents == 2
    mixture, rows = start.mixture, starts.dequantize(x, columns)
    classes = zip(mixture.log_shares, mixture.mean, mixture.factors, mixture.noise, strict=True)
    u = (rows - start.center) / start.scale
    parts = [a + multivariate_normal(m, w @ w.T + np.diag(psi)).logpdf(u) for a, m, w, psi in classes]
    exact = logsumexp(parts, 0) - np.log(start.scale).sum() - np.log(values.std(0)).sum()
    log_w = starts.build(start).draw(torch.from_numpy(rows).float(), 1).log_w.detach().double().numpy()
    np.testing.assert_allclose(log_w[0], exact, atol=1e-3)


def test_numbers_that_hardly_repeat_are_no_categories() -> None:
    values = np.random.default_rng(0).normal(size=(15, 2)).round(1) * 10
    columns = schema(values)
    for each in columns["columns"]:
        each["resolution"] = 1.0
    x = (values - values.mean(0)) / values.std(0)
    assert len(np.unique(values[:12, 0])) <= starts.FEW
    assert not starts.mixture(x[:12], x[12:], columns, budget=1e6).levels


def test_one_row_unlike_all_others_does_not_choose_the_mixture() -> None:
    x = np.random.default_rng(0).normal(size=(120, 2)) * [1.0, 0.1]
    far = np.r_[x, [[80.0, 80.0]]]
    rows, held = real(x[:60]), real(far[60:])
    found, _ = Search(rows, held, np.full(2, 1e-6), classes=(1,), budget=1e7).screen().finish()
    covariance = found.factors[0] @ found.factors[0].T + np.diag(found.noise[0])
    np.testing.assert_allclose(np.diag(covariance), x[:60].var(0), rtol=0.2)


def test_log_p_tells_anomalies_as_well_as_the_best_gaussian_mixture() -> None:
    """Fitted to benign cases alone; an area under the curve that is no more than .01 less."""
    found = load_breast_cancer()
    values, benign = found.data[:, :10], found.target == 1
    train = values[benign][:200]
    x = (values - train.mean(0)) / train.std(0)
    fitted, held, tested = x[benign][:200], x[benign][200:257], np.r_[x[benign][257:], x[~benign]]
    anomalous = np.arange(len(tested)) >= (benign.sum() - 257)
    model = starts.build(starts.mixture(fitted, held, schema(train), budget=3e8))
    ours = evaluate.log_likelihood(model, torch.from_numpy(tested).float(), num_samples=1).pointwise.numpy()
    grid = [(k, kind) for k in (1, 2, 4) for kind in ("full", "diag")]
    mixtures = [
        GaussianMixture(k, covariance_type=kind, reg_covar=1e-3, random_state=0).fit(fitted) for k, kind in grid
    ]
    theirs = max(mixtures, key=lambda each: each.score(held)).score_samples(tested)
    assert roc_auc_score(anomalous, -ours) > roc_auc_score(anomalous, -theirs) - 0.01


def test_only_the_numbers_of_classes_that_are_asked_for_are_tried() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(120, 3)))  # one class would be best
    table = data.load(frame)
    rows = table.train.tensor().numpy(), table.validation.tensor().numpy()
    assert starts.mixture(*rows, table.protocol.schema, classes=(3,)).mixture.settings.classes == 3
