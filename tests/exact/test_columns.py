"""The densities of columns against scipy's, their missing entries, and their sums over all values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from prioria import likelihoods
from prioria.distributions import Levels

LEVELS = ["low", "middle", "high"]
SCHEMA = {
    "columns": [
        {"name": "height", "kind": "real", "treatment": "standardize", "center": 170.0, "scale": 8.0},
        {"name": "grade", "kind": "ordinal", "levels": LEVELS},
        {"name": "visits", "kind": "count"},
        {"name": "price", "kind": "positive", "treatment": "log", "center": 2.0, "scale": 0.5},
        {"name": "sex", "kind": "binary", "levels": ["f", "m"]},
        {"name": "id", "kind": "identifier", "role": "identifier"},
        {"name": "rooms", "kind": "count"},
        {"name": "color", "kind": "category", "levels": LEVELS},
        {"name": "weight", "kind": "real", "treatment": "standardize", "center": 70.0, "scale": 10.0},
    ]
}
FAMILIES = {"rooms": "poisson", "weight": "student-t"}
OUTPUTS = torch.tensor([0.3, 0.1, -0.5, 0.2, 0.8, 0.4, 1.3, 0.9, 1.7, 0.6, -0.8, 0.5, 1.2, -0.3, -0.4, 0.7]).double()
#                       gaussian (means, log-variances) t  (m, lv, df)  pois  nb       bern  categorical   ordinal


class Constant(nn.Module):
    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return OUTPUTS.expand(*z.shape[:-1], -1)


def columns() -> torch.distributions.Distribution:
    return likelihoods.Columns(Constant(), SCHEMA, families=FAMILIES).double()(torch.zeros(2, 1, 1))


def row(**values: float) -> torch.Tensor:
    """A row in original units, as the model's numbers."""
    names = ["height", "grade", "visits", "price", "sex", "rooms", "color", "weight"]
    shift = {"height": (170, 8), "price": (2, 0.5), "weight": (70, 10)}
    v = {name: values.get(name, math.nan) for name in names} | (
        {"price": math.log(values["price"])} if "price" in values else {}
    )
    return torch.tensor([[(v[n] - shift.get(n, (0, 1))[0]) / shift.get(n, (0, 1))[1] for n in names]]).double()


def softmax(logits: list[float]) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum()


def expected(name: str) -> tuple[float, float]:
    h = OUTPUTS.tolist()
    match name:
        case "height":
            return 172.5, stats.norm(170 + 8 * h[0], 8 * math.exp(h[2] / 2)).logpdf(172.5)
        case "price":
            return 9.0, stats.lognorm(0.5 * math.exp(h[3] / 2), scale=math.exp(2 + 0.5 * h[1])).logpdf(9.0)
        case "weight":
            t = stats.t(1 + np.log1p(np.exp(h[6])), 70 + 10 * h[4], 10 * math.exp(h[5] / 2))
            return 95.0, t.logpdf(95.0)
        case "rooms":
            return 4.0, stats.poisson(math.exp(h[7])).logpmf(4)
        case "visits":
            mean, r = math.exp(h[8]), math.exp(h[9])
            return 7.0, stats.nbinom(r, r / (r + mean)).logpmf(7)
        case "sex":
            return 1.0, stats.bernoulli(1 / (1 + math.exp(-h[10]))).logpmf(1)
        case "color":
            return 2.0, math.log(softmax(h[11:14])[2])
        case _:
            below = 1 / (1 + math.exp(-h[14])), 1 / (1 + math.exp(-h[14] - math.exp(h[15])))
            return 1.0, math.log(below[1] - below[0])


NAMES = ["height", "price", "weight", "rooms", "visits", "sex", "color", "grade"]


@pytest.mark.parametrize("name", NAMES)
def test_a_column_alone_has_the_density_that_scipy_gives_it_in_original_units(name: str) -> None:
    value, log_p = expected(name)
    found = columns().log_prob(row(**{name: value}))
    torch.testing.assert_close(found, torch.full((2, 1), log_p).double(), rtol=1e-7, atol=1e-7)


def test_a_row_is_the_sum_of_its_columns_and_an_empty_one_has_density_one() -> None:
    whole = row(**{name: expected(name)[0] for name in NAMES})
    torch.testing.assert_close(columns().log_prob(whole)[0, 0].item(), sum(expected(name)[1] for name in NAMES))
    assert columns().log_prob(row()).tolist() == [[0.0], [0.0]]


def test_nothing_reaches_the_outputs_from_a_missing_entry() -> None:
    h = OUTPUTS.clone().requires_grad_()
    heads = likelihoods.Columns(nn.Identity(), SCHEMA, families=FAMILIES).double()
    heads(h).log_prob(row(height=172.5)).sum().backward()
    assert h.grad is not None and h.grad[[0, 2]].abs().min() > 0
    h.grad[[0, 2]] = 0
    assert h.grad.abs().sum() == 0


def test_draws_have_the_distribution_that_is_scored() -> None:
    """Kolmogorov-Smirnov and chi-square tests, each at a false-alarm rate of 1e-4."""
    torch.manual_seed(0)
    h, x = OUTPUTS.tolist(), columns().sample((20_000,))[:, 0, 0].numpy()
    below = np.array([1 / (1 + math.exp(-h[14])), 1 / (1 + math.exp(-h[14] - math.exp(h[15]))), 1.0])
    assert stats.kstest(x[:, 0], stats.norm(h[0], math.exp(h[2] / 2)).cdf).pvalue > 1e-4
    assert stats.kstest(x[:, 3], stats.norm(h[1], math.exp(h[3] / 2)).cdf).pvalue > 1e-4
    assert stats.kstest(x[:, 7], stats.t(1 + np.log1p(np.exp(h[6])), h[4], math.exp(h[5] / 2)).cdf).pvalue > 1e-4
    for column, shares in ((1, np.diff(below, prepend=0)), (6, softmax(h[11:14]))):
        counts = np.bincount(x[:, column].astype(int), minlength=3)
        assert stats.chisquare(counts, 20_000 * shares).pvalue > 1e-4
    mean, r = math.exp(h[8]), math.exp(h[9])
    for column, d in ((2, stats.nbinom(r, r / (r + mean))), (5, stats.poisson(math.exp(h[7])))):
        counts = np.bincount(x[:, column].astype(int), minlength=9)
        shares = np.r_[d.pmf(range(8)), d.sf(7)]
        assert stats.chisquare(np.r_[counts[:8], counts[8:].sum()], 20_000 * shares).pvalue > 1e-4


def test_levels_of_numbers_are_a_density_that_integrates_to_one() -> None:
    values, logits = torch.tensor([[1.0, 1.5, 3.0]]).double(), torch.tensor([[0.2, 1.0, -0.5]]).double()
    d = Levels(values, logits, torch.tensor([0.5]).double().log())
    x = torch.linspace(-3000, 3000, 6_000_001).double()
    density = d.log_prob(x.unsqueeze(-1)).squeeze(-1).exp()
    assert abs(torch.trapezoid(density, x).item() - 1) < 1e-4
    inside = softmax(logits[0].tolist())[0] / 0.5
    assert d.log_prob(torch.tensor([1.1]).double()).exp().item() == pytest.approx(inside, rel=1e-3)
    far = d.log_prob(torch.tensor([[10.0], [1e3], [1e6]]).double())[:, 0]
    assert far.isfinite().all() and (far.diff() < 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"families": {"nothing": "poisson"}}, "column 'nothing' is unknown"),
        ({"families": {"height": "poisson"}}, "'poisson' is for count, not for real"),
        ({"families": {"height": "cauchy"}}, "family 'cauchy' is unknown"),
        ({"levels": {"height": [1.0, 2.0]}}, "levels are for numbers on a grid"),
    ],
)
def test_what_does_not_fit_a_column_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        likelihoods.Columns(nn.Linear(2, 20), SCHEMA, **options)
