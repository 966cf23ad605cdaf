"""One door to three estimators: each is the closed form of a linear model within its error, and options stay apart."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

from prioria import evaluate
from tests.evaluate.test_certify import linear_gaussian, standard_errors

METHODS = {"importance": {"num_samples": 2_000}, "ais": {"num_steps": 40}, "quadrature": {"points": 41}}
NAMES = {"importance": "importance sampling", "ais": "annealed", "quadrature": "quadrature, adaptive regions"}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_meets_the_closed_form(method: str) -> None:
    model, marginal = linear_gaussian(1)
    with torch.no_grad():
        model.stages["z"].q.heads.bias.zero_()  # q(z|x) = N(0, 1): wide enough for importance sampling
    x = marginal.sample((40,)).float()
    found = evaluate.log_likelihood(model, x, method=method, **METHODS[method])
    difference = found.pointwise - marginal.log_prob(x.double())
    if method == "quadrature":
        assert difference.abs().max() < 1e-4
    else:
        assert abs(standard_errors(difference)) < 3.9  # a false alarm in 1 of 10,000 seeds
    assert difference.abs().max() < 0.5
    assert NAMES[method] in found.estimator


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_chains": 4}, "num_chains=4 does not belong to method='importance'; leave it out or use 'ais'"),
        ({"method": "ais", "num_samples": 4}, "num_samples=4 does not belong to method='ais'"),
        ({"method": "quadrature", "num_steps": 4}, "num_steps=4 does not belong to method='quadrature'"),
        ({"points": 5}, "leave it out or use 'quadrature'"),
    ],
)
def test_options_of_another_method_are_refused(options: dict, message: str) -> None:
    model, _ = linear_gaussian(1)
    with pytest.raises(ValueError) as error:
        evaluate.log_likelihood(model, torch.zeros(1, 1), **options)
    assert message in str(error.value)


def test_an_unknown_method_is_refused() -> None:
    model, _ = linear_gaussian(1)
    unchecked: Any = inspect.unwrap(evaluate.log_likelihood)  # under pytest the annotations would refuse it first
    with pytest.raises(ValueError, match="method='nested' is unknown; use 'importance', 'ais', 'quadrature'"):
        unchecked(model, torch.zeros(1, 1), method="nested")
