"""Columns drawn given others, of joints whose conditionals are known. False alarms: one run in 10,000 each test.

Each p-value is compared with 1e-4 over the number of comparisons of its test; the seeds are fixed.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from prioria import VAE, likelihoods, nets, posteriors, priors, starts
from prioria.starts.factors import FactorMixture, Settings
from prioria.starts.table import TableStart

LEVEL = 1e-4
NAN = float("nan")


def held(shares, mean, factors, noise, levels=(), tables=()) -> VAE:
    """The model of a mixture that is written down here: real columns, then names."""
    mean, tables = np.asarray(mean, float), [np.asarray(each, float) for each in tables]
    reals = [{"name": f"r{d}", "kind": "real"} for d in range(mean.shape[1])]
    names = [
        {"name": f"c{d}", "kind": "binary" if n == 2 else "category", "levels": [f"l{i}" for i in range(n)]}
        for d, n in enumerate(levels)
    ]
    schema = {"columns": reals + names}
    joined = np.log(np.concatenate(tables, 1)) if tables else np.zeros((len(shares), 0))
    mixture = FactorMixture(
        Settings(len(shares), 1), np.log(shares), mean, np.asarray(factors, float), np.asarray(noise, float), joined,
        np.zeros((len(shares), 0, 2)),
    )  # fmt: skip
    center, scale = np.zeros(mean.shape[1]), np.ones(mean.shape[1])
    return starts.build(TableStart(schema, mixture, center, scale, {}, {}, np.zeros(0), 0.0), full=True)


MEAN = np.array([1.0, -2.0, 0.5, 3.0, 0.0])
FACTORS = np.array([[1.0, 0.0], [0.5, 1.2], [-0.7, 0.4], [0.9, -0.8], [0.3, 0.6]])
NOISE = np.array([0.3, 0.5, 0.2, 0.4, 1.0])


@pytest.mark.parametrize("observed", [[0, 2], [4], [], [0, 1, 3, 4]])
def test_draws_of_a_gaussian_have_its_conditional_mean_and_covariance(observed: list[int]) -> None:
    model = held([1.0], [MEAN], [FACTORS], [NOISE])
    covariance = FACTORS @ FACTORS.T + np.diag(NOISE)
    hidden = [d for d in range(5) if d not in observed]
    x = np.full(5, NAN)
    x[observed] = MEAN[observed] + np.array([1.4, -0.8, 0.9, -2.0])[: len(observed)]
    torch.manual_seed(0)
    found = model.conditional(torch.tensor(x).float(), 4000, num_samples=4000)
    gain = covariance[np.ix_(hidden, observed)] @ np.linalg.inv(covariance[np.ix_(observed, observed)])
    mean = MEAN[hidden] + gain @ (x[observed] - MEAN[observed])
    left = covariance[np.ix_(hidden, hidden)] - gain @ covariance[np.ix_(observed, hidden)]
    draws = found.draws[:, 0].double().numpy()
    assert found.effective_samples.item() == pytest.approx(4000, rel=1e-3)
    assert found.doubt is None
    np.testing.assert_array_equal(draws[:, observed], np.float32(x)[observed] * np.ones((4000, 1)))
    white = np.linalg.solve(np.linalg.cholesky(left), (draws[:, hidden] - mean).T)
    values = [stats.kstest(row, "norm").pvalue for row in white]
    values.append(stats.kstest((white**2).sum(0), stats.chi2(len(hidden)).cdf).pvalue)
    scatter = (white**2).sum()
    values.append(2 * min(stats.chi2(white.size).cdf(scatter), stats.chi2(white.size).sf(scatter)))
    values += [stats.pearsonr(white[i], white[j]).pvalue for i in range(len(white)) for j in range(i)]
    assert min(values) > LEVEL / len(values)


SHARES = np.array([0.5, 0.3, 0.2])
TABLES = [
    np.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5]]),
    np.array([[0.6, 0.2, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1], [0.05, 0.15, 0.2, 0.6]]),
    np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]),
]


def codes(draws: torch.Tensor, sizes: tuple[int, ...]) -> np.ndarray:
    return np.bincount(np.ravel_multi_index(tuple(draws.long().numpy().T), sizes), minlength=int(np.prod(sizes)))


@pytest.mark.parametrize("given", [{}, {0: 1}, {1: 2}, {0: 0, 2: 2}])
def test_draws_of_a_contingency_table_have_its_conditional_shares(given: dict[int, int]) -> None:
    empty = np.zeros((3, 0))
    model = held(SHARES, empty, np.zeros((3, 0, 1)), empty, (2, 4, 3), TABLES)
    table = np.einsum("k,ka,kb,kc->abc", SHARES, *TABLES)
    x = torch.full((3,), NAN)
    for d, code in given.items():
        x[d] = code
    expected = table[tuple(given.get(d, slice(None)) for d in range(3))]
    torch.manual_seed(1)
    found = model.conditional(x.repeat(4000, 1), 1, num_samples=50)  # rows are independent of each other
    hidden = [d for d in range(3) if d not in given]
    counts = codes(found.draws[0][:, hidden], expected.shape)
    assert stats.chisquare(counts, 4000 * expected.ravel() / expected.sum()).pvalue > LEVEL


def mixed() -> VAE:
    return held([0.6, 0.4], [[-1.0, 2.0], [1.5, 0.0]], [[[0.8], [0.5]], [[0.3], [-0.9]]], [[0.3, 0.4], [0.5, 0.2]],
                (3,), [[[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]])  # fmt: skip


def parts(k: int) -> tuple[np.ndarray, np.ndarray]:
    mean = np.array([[-1.0, 2.0], [1.5, 0.0]])[k]
    w, noise = np.array([[0.8, 0.5], [0.3, -0.9]])[k], np.array([[0.3, 0.4], [0.5, 0.2]])[k]
    return mean, np.outer(w, w) + np.diag(noise)


def test_draws_of_a_mixed_joint_a_name_given_numbers_and_a_number_given_a_name_and_a_number() -> None:
    model, table = mixed(), np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    torch.manual_seed(2)
    at = np.array([0.4, 0.9])
    weights = np.array([0.6, 0.4]) * [stats.multivariate_normal(*parts(k)).pdf(at) for k in range(2)]
    found = model.conditional(torch.tensor([[*at, NAN]]).float().repeat(4000, 1), 1, num_samples=50)
    expected = 4000 * (weights / weights.sum()) @ table
    assert stats.chisquare(codes(found.draws[0][:, 2:], (3,)), expected).pvalue > LEVEL / 2

    x = torch.tensor([[0.4, NAN, 2.0]]).repeat(4000, 1)
    weights = np.array([0.6, 0.4]) * table[:, 2]
    bells = []
    for k in range(2):
        mean, c = parts(k)
        weights[k] *= stats.norm(mean[0], c[0, 0] ** 0.5).pdf(0.4)
        bells.append(
            stats.norm(mean[1] + c[0, 1] / c[0, 0] * (0.4 - mean[0]), (c[1, 1] - c[0, 1] ** 2 / c[0, 0]) ** 0.5)
        )
    share = weights / weights.sum()
    drawn = model.conditional(x, 1, num_samples=50).draws[0][:, 1].numpy()

    def cdf(v: np.ndarray) -> np.ndarray:
        return share[0] * bells[0].cdf(v) + share[1] * bells[1].cdf(v)

    assert stats.kstest(drawn, cdf).pvalue > LEVEL / 2


class Blind(nn.Module):
    """q(z|x) = p(z): nothing is read of x, so that the weights alone carry what was observed."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.new_zeros(len(x), 2)


def test_weights_correct_a_posterior_that_ignores_the_row() -> None:
    schema = {"columns": [{"name": name, "kind": "real"} for name in "ab"]}
    likelihood = likelihoods.Columns(nn.Linear(1, 4), schema)
    with torch.no_grad():  # a = z + .5 e, b = z + .5 e'
        likelihood.net.weight.copy_(torch.tensor([[1.0], [1.0], [0.0], [0.0]]))
        likelihood.net.bias.copy_(torch.tensor([0.0, 0.0, np.log(0.25), np.log(0.25)]))
    model = VAE(
        encoder=Blind(), posterior=posteriors.Given(1), prior=priors.StandardNormal(1), likelihood=likelihood
    ).eval()
    torch.manual_seed(3)
    found = model.conditional(torch.tensor([[1.5, NAN]]).repeat(2000, 1), 1, num_samples=2000)
    assert (
        stats.kstest(found.draws[0][:, 1].numpy(), stats.norm(1.5 / 1.25, (1.25 - 1 / 1.25) ** 0.5).cdf).pvalue > LEVEL
    )
    # E[w]^2 / E[w^2] of w = N(1.5; z, .25), z ~ N(0, 1)
    first = stats.norm(0, 1.25**0.5).pdf(1.5)
    second = stats.norm(0, 1.125**0.5).pdf(1.5) / (2 * np.pi**0.5 * 0.5)
    assert found.effective_samples.mean().item() == pytest.approx(2000 * first**2 / second, rel=0.02)
    far = model.conditional(torch.tensor([[8.0, NAN], [0.0, 0.0]]), 5, num_samples=100)
    assert far.few.tolist() == [True, False]
    assert "1 of 1 rows have fewer than 10 effective samples of 100" in str(far)


def test_what_cannot_leave_holes_out_is_refused_in_one_line() -> None:
    schema = {"columns": [{"name": name, "kind": "real"} for name in "ab"]}
    width = nets.ColumnsEncoder.inputs(schema)
    ends = {"posterior": posteriors.Gaussian(4, 1), "prior": priors.StandardNormal(1)}
    seeing = nets.ColumnsEncoder(schema, nets.MLP(width, 4, 4))
    x = torch.tensor([[1.0, NAN]])
    columns = likelihoods.Columns(nn.Linear(1, 4), schema)
    with pytest.raises(ValueError, match=r"^encoder MLP does not see holes.*use nets.ColumnsEncoder"):
        VAE(encoder=nets.MLP(2, 4, 4), likelihood=columns, **ends).conditional(x)
    for other in (likelihoods.Gaussian(nn.Linear(1, 2)), likelihoods.Bernoulli(nn.Linear(1, 2))):
        with pytest.raises(
            ValueError, match=r"^likelihood \w+ does not leave missing entries out.*likelihoods.Columns"
        ):
            VAE(encoder=seeing, likelihood=other, **ends).conditional(x)
    with pytest.raises(ValueError, match="num_samples=3 at least as many"):
        VAE(encoder=seeing, likelihood=columns, **ends).conditional(x, 5, num_samples=3)
