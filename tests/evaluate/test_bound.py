"""The bound and its parts, read from the same draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from prioria import evaluate
from prioria.evaluate import sampling
from tests.contract.variants import INPUTS, MODELS


def rows(count: int) -> torch.Tensor:
    return torch.bernoulli(torch.full((count, INPUTS), 0.5))


@pytest.mark.parametrize("name", MODELS)
def test_rates_of_all_groups_and_distortion_add_up_to_the_bound(name: str) -> None:
    model = MODELS[name]()
    terms = evaluate.parts(model, rows(7), num_samples=3)
    rates = [term.pointwise for key, term in terms.items() if key.startswith("rate/")] or [terms["rate"].pointwise]
    assert len(rates) == len(model.groups)
    torch.testing.assert_close(torch.stack(rates).sum(0), terms["rate"].pointwise, rtol=1e-4, atol=1e-4)
    total = terms["distortion"].pointwise + terms["rate"].pointwise
    torch.testing.assert_close(-total, terms["elbo"].pointwise, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("samples", "examples"), [(1, 150), (3, 7), (1500, 2)])
def test_errors_are_those_of_the_draws(samples: int, examples: int) -> None:
    model, x = MODELS["standard-prior"](), rows(examples)
    estimate = evaluate.elbo(model, x, num_samples=samples)
    with sampling.measuring(model):
        log_w = [
            torch.cat([draw.log_w[:, batch.wanted] for draw in batch.draws])
            for batch in sampling.sampling_of(model, x, samples, 0, limit=None).batches
        ]
    drawn = torch.cat(log_w, 1).double().numpy()
    assert drawn.shape == (samples, examples)
    np.testing.assert_allclose(estimate.pointwise, drawn.mean(0), rtol=1e-9)
    assert estimate.standard_error == pytest.approx(drawn.mean(0).std(ddof=1) / examples**0.5, rel=1e-6)
    if samples == 1:
        assert np.isnan(estimate.monte_carlo_error)
    else:
        error = np.sqrt((drawn.var(0, ddof=1) / samples).sum()) / examples
        assert estimate.monte_carlo_error == pytest.approx(error, rel=1e-6)
    assert (estimate.bias, estimate.ess, estimate.converged) == (0.0, None, True)


def test_limit_takes_rows_at_even_distances() -> None:
    model, x = MODELS["vamp-prior-two-level"](), rows(250)
    part = evaluate.elbo(model, x, limit=120)
    torch.testing.assert_close(part.pointwise, evaluate.elbo(model, x[torch.arange(120) * 250 // 120]).pointwise)


def test_expected_seconds_grow_with_samples_and_examples() -> None:
    model, x = MODELS["standard-prior"](), rows(50)
    few = evaluate.expected_seconds(model, x, num_samples=1000, limit=1)
    assert 0 < few < 10
    many = evaluate.expected_seconds(model, x, num_samples=100_000)
    assert many > 500 * few  # 5000 times the rows; timing may be off by ten
