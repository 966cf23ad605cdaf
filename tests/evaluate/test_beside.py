"""Which baselines stand beside a model, in whose units, and how far it is ahead, in numbers and in words."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import nn
from torch.distributions import Independent, StudentT

from prioria import VAE, build, distributions, evaluate, likelihoods, nets, posteriors, priors
from prioria.data import Dataset, load
from prioria.evaluate import Baselines, Difference, Estimate
from prioria.module import Module


def model_of(data: Dataset, likelihood: nn.Module) -> VAE:
    size = data.dimensions
    encoder, posterior = nets.GatedMLP(size, 4, gated_output=True), posteriors.Gaussian(4, 2)
    return VAE(encoder=encoder, posterior=posterior, prior=priors.StandardNormal(2), likelihood=likelihood)


def estimate(values: np.ndarray) -> Estimate:
    return Estimate.of(torch.from_numpy(values), torch.zeros(len(values)), 1, 0, "exact")


def test_the_difference_is_numpys_over_pairs() -> None:
    one, other = np.random.default_rng(0).normal([[-80.0], [-90.0]], 10, (2, 50))
    found = Difference.of(torch.from_numpy(one), torch.from_numpy(other))
    assert found.value == pytest.approx(np.mean(one - other))
    assert found.standard_error == pytest.approx(stats.sem(one - other))
    assert Difference.from_json(found.to_json()) == found
    with pytest.raises(ValueError, match="one has 50 and other 49"):
        Difference.of(torch.from_numpy(one), torch.from_numpy(other[1:]))


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (-31.2, 0.5, "31.2 ± 0.5 nats worse than a full Gaussian"),
        (2.41, 0.3, "2.4 ± 0.3 nats better than a full Gaussian"),
        (-2159.0, 70.0, "2,159 ± 70 nats worse than a full Gaussian"),
        (0.2, 0.3, "no better and no worse than a full Gaussian (+0.2 ± 0.3 nats)"),
        (-0.004, 0.003, "no better and no worse than a full Gaussian (-0.004 ± 0.003 nats)"),
        (-3.0, math.nan, "3.0 nats worse than a full Gaussian"),
    ],
)
def test_a_difference_in_words(value: float, error: float, words: str) -> None:
    assert Difference(value, error, 40).against("a full Gaussian") == words


def test_the_verdict_names_the_best_and_the_last_that_the_model_is_behind() -> None:
    data = load("digits")
    found = evaluate.baselines(data, limit=60)
    best, worst = (each.estimate.pointwise for each in (found.models[0], found.models[-1]))
    assert found.verdict == ""
    ahead, behind = found.against(best + 2), found.against(worst - 3)
    assert ahead.verdict == "2.0 ± 0.0 nats better than the best baseline (mixture of Bernoullis)"
    assert behind.verdict.endswith("; worse even than independent bits")
    last = behind.models[-1].difference
    assert last is not None and last.value == pytest.approx(-3) and last.standard_error == pytest.approx(0, abs=1e-6)
    again = Baselines.from_json(behind.to_json())
    assert again.verdict == behind.verdict and again.to_json() == behind.to_json()


def test_baselines_are_in_the_units_of_the_likelihood() -> None:
    """A Gaussian likelihood is a density of what the model reads, columns are in the units of the table."""
    v = np.random.default_rng(0).lognormal(2, 0.7, 400)
    data = load(pd.DataFrame({"size": v}))
    assert data.protocol.schema is not None and data.protocol.schema.features[0].treatment == "log"
    x = data.test.tensor().double()
    parts = (data.protocol.schema.decode(part.tensor().numpy()) for part in (data.train, data.test))
    train, test = (part["size"].to_numpy() for part in parts)
    normal = stats.norm(np.log(train).mean(), np.log(train).std())
    in_units = normal.logpdf(np.log(test)) - np.log(test)
    treated = stats.norm(data.train.tensor().mean(), data.train.tensor().std(correction=0)).logpdf(x.squeeze(1))
    columns = likelihoods.Columns(nn.Linear(2, likelihoods.Columns.outputs(data.protocol.schema)), data.protocol.schema)
    gaussian = build.model(data, likelihood="gaussian", latents=2)
    for model, expected in ((model_of(data, columns), in_units), (None, in_units), (gaussian, treated)):
        found = {each.name: each for each in evaluate.baselines(data, model=model).models}["independent Gaussians"]
        np.testing.assert_allclose(found.estimate.pointwise, expected, atol=1e-4)


def test_the_rows_are_those_of_the_evaluation_and_bits_drawn_anew_the_same() -> None:
    data = load("digits")  # its training rows are drawn for every batch
    model = build.model(data, latents=2, seed=0)
    found = evaluate.baselines(data, model=model, split="train", seed=3, limit=50)
    rows = evaluate.sampling.rows_and_likelihood(model, data.train, 3, limit=50)[0].double().numpy()
    again = evaluate.sampling.rows_and_likelihood(model, data.train, 3, limit=50)[0].double().numpy()
    independent = next(each for each in found.models if each.name == "independent bits")
    np.testing.assert_array_equal(rows, again)
    torch.manual_seed(3)
    fitted = data.train.batch(torch.randperm(len(data.train))).double().numpy()
    p = (fitted.sum(0) + 0.5) / (len(fitted) + 1)
    np.testing.assert_allclose(independent.estimate.pointwise, stats.bernoulli(p).logpmf(rows).sum(1), atol=1e-5)


def test_grey_levels_have_independent_levels_that_sum_to_one() -> None:
    pixels = np.random.default_rng(0).integers(0, 40, (100, 1, 4, 4)).astype(np.uint8)
    data = load(pixels, levels=255)
    found = evaluate.baselines(data, model=build.model(data, latents=2))
    assert [each.name for each in found.models] == ["independent levels"]
    px = distributions.DiscretizedLogistic(torch.zeros(1), torch.zeros(1))
    level, count = distributions.as_levels(px, (torch.arange(256) + 0.5) / 256) or (None, 0)
    assert count == 256 and torch.equal(level, torch.arange(256))
    score = evaluate.classical.densities._levels(np.arange(5.0)[:, None] % 3, 4, 1.0)
    assert np.exp(score(np.arange(4.0)[:, None])).sum() == pytest.approx(1)


class Student(Module):
    """A stranger's likelihood, by torch's own distribution."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, z: torch.Tensor) -> torch.distributions.Distribution:
        return Independent(StudentT(3.0, self.net(z)), 1)


@pytest.mark.slow
def test_what_is_comparable_is_asked_of_the_distribution() -> None:
    bits, points = load("digits"), load("two-moons")
    found = evaluate.baselines(points, model=model_of(points, Student(nn.Linear(2, 2))), limit=20)
    assert found.best.name == "Gaussian mixture"
    relaxed = load(np.random.default_rng(0).random((40, 6)).astype(np.float32), relaxed=True)
    none = evaluate.baselines(relaxed, model=build.model(relaxed, likelihood="bernoulli", latents=2, relaxed=True))
    assert none.models == () and "no draws of it" in none.missing
    with pytest.raises(ValueError, match="no baseline: "):
        _ = none.best
    words = model_of(bits, likelihoods.Multinomial(nn.Linear(2, 64)))
    assert {each.name for each in evaluate.baselines(bits, model=words, limit=20).models} == {"unigram", "topics (LDA)"}


def test_bits_per_dimension_and_perplexity_per_word() -> None:
    digits, counts = load("digits"), load(np.random.default_rng(0).poisson(2.0, (60, 5)))
    rows = counts.test.tensor().double()
    share = torch.tensor([0.1, 0.2, 0.3, 0.2, 0.2], dtype=torch.float64)
    document = estimate((rows @ share.log()).numpy())
    words = model_of(counts, likelihoods.Multinomial(nn.Linear(2, 5)))
    frequencies = (rows.sum(0) / rows.sum()).numpy()
    expected = 2 ** (-(frequencies * np.log2(share.numpy())).sum())  # two to the cross-entropy in bits
    found = evaluate.per_value(words, counts.test, log_likelihood=document)
    assert found == {"perplexity per word": pytest.approx(expected)}
    coins = estimate(np.full(len(digits.test), 64 * math.log(0.5)))
    bits = build.model(digits, latents=2)
    assert evaluate.per_value(bits, digits.test, log_likelihood=coins) == {"bits per dimension": pytest.approx(1.0)}
    assert evaluate.per_value(build.model("two-moons", latents=2), load("two-moons").test, log_likelihood=coins) == {}
