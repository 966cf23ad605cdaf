"""Errors, bias and tails of importance weights against brute force and known distributions."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from arviz_stats.base import array_stats
from scipy import stats

from prioria.evaluate import Estimate, WeightQuality, doubt, join
from prioria.evaluate.estimate import tail_length
from prioria.evaluate.likelihood.pareto import generalized_pareto_shape, pareto_k
from prioria.evaluate.likelihood.weights import Weights
from prioria.evaluate.moments import Moments

F64 = torch.float64


def added(log_w: torch.Tensor, blocks: int = 3) -> Weights:
    weights = Weights(*log_w.shape)
    for block in log_w.chunk(blocks):
        weights.add(block)
    return weights


@pytest.mark.parametrize("spread", [1e-4, 0.01, 0.3, 1.5, 4.0])
@pytest.mark.parametrize(("samples", "tolerance"), [(2, 1e-9), (10, 1e-9), (64, 1e-9), (2000, 1e-5)])
def test_weights_agree_with_brute_force(samples: int, tolerance: float, spread: float) -> None:
    """Up to 64 samples exactly, and beyond to the bound that the series has; weights that are all but equal, too."""
    log_w = spread * torch.randn(samples, 4, dtype=F64) - 500
    weights = added(log_w)
    exact = np.exp(log_w.numpy().astype(np.longdouble) + 500)
    total = exact.sum(0)
    left_out = np.log1p(-(exact / total - 1 / np.longdouble(samples)) * samples / (samples - 1))  # less log mean w
    np.testing.assert_allclose(weights.log_mean, np.log(exact.mean(0)) - 500, rtol=1e-12)
    np.testing.assert_allclose(weights.quality.ess, total**2 / (exact**2).sum(0), rtol=1e-9)
    rounding = 1e-11 / samples  # of double precision near e^-500
    variance = (samples - 1) / samples * ((left_out - left_out.mean(0)) ** 2).sum(0)
    np.testing.assert_allclose(weights.variance, variance.astype(float), rtol=tolerance, atol=rounding)
    bias = (samples - 1) * left_out.mean(0)
    np.testing.assert_allclose(weights.quality.bias, bias.astype(float), rtol=tolerance, atol=samples * rounding)


@pytest.mark.slow
def test_the_jackknife_predicts_error_and_bias_of_many_repetitions() -> None:
    repetitions, samples, sigma = 4000, 100, 0.7
    weights = added(sigma * torch.randn(samples, repetitions, dtype=F64) - sigma**2 / 2)  # E w = 1
    errors = weights.log_mean
    assert weights.variance.mean().sqrt().item() == pytest.approx(errors.std().item(), rel=0.05)
    # The mean of 4000 errors is itself known to sd / sqrt(4000); 4 of these, a false alarm once in 1e4.
    assert abs(errors.mean().item() - weights.quality.bias.mean().item()) < 4 * errors.std().item() / repetitions**0.5
    assert weights.quality.bias.mean().item() < -0.001


def test_one_weight_that_is_everything_gives_finite_numbers() -> None:
    weights = added(torch.tensor([[0.0], [-1000.0], [-1000.0]]))
    assert weights.quality.ess.item() == 1.0
    assert weights.quality.bias.item() < -10
    assert weights.variance.item() > 100  # not one nat, as the delta method has it


def test_memory_does_not_grow_with_the_samples() -> None:
    weights = Weights(10**6, 2)
    weights.add(torch.randn(1000, 2))
    assert sum(value.numel() for value in vars(weights).values() if isinstance(value, torch.Tensor)) < 2 * 3100


@pytest.mark.parametrize("shape", [-0.3, 0.1, 0.5, 0.9, 1.5])
def test_shape_of_known_tails_is_found(shape: float) -> None:
    samples = stats.genpareto.rvs(shape, scale=3.0, size=(200, 500), random_state=0)
    found = [generalized_pareto_shape(torch.from_numpy(np.sort(sample))).item() for sample in samples]
    error = max(1 + shape, 0.7) / math.sqrt(500)  # of the maximum-likelihood shape, by its Fisher information
    assert np.mean(found) == pytest.approx(shape, abs=4 * error / math.sqrt(200) + 0.02)
    assert np.std(found) < 1.5 * error


def test_shape_is_near_the_maximum_likelihood_fit() -> None:
    for sample in stats.genpareto.rvs(0.6, size=(5, 300), random_state=1):
        fitted, *_ = stats.genpareto.fit(sample, floc=0)
        assert generalized_pareto_shape(torch.from_numpy(np.sort(sample))).item() == pytest.approx(fitted, abs=0.06)


def test_tail_of_weights_is_told_from_their_logarithms() -> None:
    samples = 5000
    for shape in (0.2, 1.2):
        uniform = torch.rand(samples, 40, dtype=F64)
        log_w = -shape * uniform.log() + 700  # a Pareto distribution: P(w > t) = t^(-1/shape)
        k = added(log_w).quality.pareto_k
        length = tail_length(samples)
        shrunk = (length * shape + 5) / (length + 10)
        assert k.mean().item() == pytest.approx(shrunk, abs=4 * (1 + shape) / math.sqrt(length * 40) + 0.02)


@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("samples", [100, 2500])  # as many in the tail there as here: both 3 sqrt S and S/5 are whole
def test_tails_are_those_of_another_library(samples: int, spread: float) -> None:
    log_w = spread * torch.randn(samples, 10, dtype=F64)
    expected = [array_stats.psislw(-column.numpy())[1].item() for column in log_w.mT]
    assert added(log_w).quality.pareto_k.tolist() == pytest.approx(expected, abs=1e-10)


def test_equal_weights_have_the_lightest_tail_and_few_weights_none() -> None:
    assert pareto_k(torch.zeros(7, 2, dtype=F64)).tolist() == [-math.inf] * 2
    assert added(torch.randn(20, 2)).quality.pareto_k.isnan().all()
    assert added(1e-6 * torch.randn(400, 2)).quality.pareto_k.tolist() == [-math.inf] * 2  # rounding in float32


def test_weights_that_repeat_have_a_tail_all_the_same() -> None:
    """Those of bits take few values, and many of them equal the threshold that the tail exceeds."""
    values = torch.randn(60, dtype=F64).sort().values
    assert added(values[torch.randint(60, (2000, 20))]).quality.pareto_k.isfinite().all()


def estimate(pointwise: list[float], *, k: float = 0.1, samples: int = 100) -> Estimate:
    values = torch.tensor(pointwise, dtype=F64)
    quality = WeightQuality(bias=values * 0 - 0.5, ess=torch.arange(len(values)).double(), pareto_k=values * 0 + k)
    return Estimate.of(values, values * 0 + 0.04, samples, seed=3, estimator="importance sampling", weights=quality)


def test_summary_of_an_estimate() -> None:
    of_four = estimate([-1.0, -2.0, -3.0, -6.0])
    assert of_four.value == -3.0
    assert of_four.standard_error == pytest.approx(np.std([1, 2, 3, 6], ddof=1) / 2)
    assert of_four.monte_carlo_error == pytest.approx(0.1)  # sqrt(0.04 / 4)
    assert (of_four.bias, of_four.converged) == (-0.5, True)
    assert str(of_four) == "-3.00 ± 1.08 (100 samples, ESS 1)"
    assert str(estimate([-3.0], k=0.8)) == "at least -6.00 (100 samples, ESS 0, not converged)"  # log 20 less
    assert str(estimate([-3.0001, -3.0])) == "-3.00005 ± 0.00005 (100 samples, ESS 0)"


def test_converged_needs_light_tails_for_95_percent_of_the_examples() -> None:
    k = torch.full((100,), 0.1)
    k[:5] = 0.9
    good = Estimate.of(k, k, 1, 0, "", weights=WeightQuality(bias=k, ess=k, pareto_k=k))
    assert good.converged
    k = k.clone()
    k[5] = math.nan  # what cannot be told has not converged
    assert not Estimate.of(k, k, 1, 0, "", weights=WeightQuality(bias=k, ess=k, pareto_k=k)).converged


def test_what_is_doubted_is_what_the_estimator_can_lack() -> None:
    for samples, told in ((24, False), (25, True)):
        weights = torch.linspace(0.0, -3.0, samples)[:, None]
        assert pareto_k(weights[: tail_length(samples) + 1]).isfinite().item() is told
        assert ("too few to tell" not in doubt(samples, 3.0)) is told
        assert ("heavy-tailed" in doubt(samples, 3.0)) is told
    assert "error of the grid" in doubt(6561, None)
    assert estimate([-3.0], k=0.8).doubt == doubt(100, 0.0) and estimate([-3.0]).doubt is None


def test_json_has_no_number_that_json_lacks() -> None:
    written = json.loads(json.dumps(estimate([-3.0]).to_json(), allow_nan=False))
    assert written["standard_error"] is None
    assert written["value"] == -3.0
    assert {"num_samples", "examples", "seed", "estimator", "ess", "converged", "bias", "unit"} < set(written)


WRITTEN = {
    "estimate": estimate([-1.0, -2.5]),
    "one example": estimate([-1.0]),
    "heavy tails": estimate([-1.0, -2.5], k=0.8),
    "one draw": Estimate.of(torch.tensor([-1.0, -2.0]), torch.full((2,), math.nan), 1, 0, "average of elbo"),
    "grid": Estimate.of(torch.ones(2), torch.zeros(2), 81, 0, "grid", error=torch.tensor([1e-5, 1.0])),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_an_estimate_is_read_back_as_itself(name: str) -> None:
    written = WRITTEN[name]
    read = Estimate.from_json(json.loads(json.dumps(written.to_json(), allow_nan=False)))
    assert type(read) is Estimate and read.to_json() == written.to_json()
    assert (str(read), repr(read), read.doubt) == (str(written), repr(written), written.doubt)
    with pytest.raises(ValueError, match="estimate anew"):
        _ = read.pointwise
    with pytest.raises(ValueError, match="estimate anew"):
        join([read, written])


def test_an_estimate_of_before_its_errors_were_written_is_read() -> None:
    read = Estimate.from_json({"value": -3, "num_samples": 10, "examples": 2, "estimator": "ELBO"})
    assert str(read) == "-3.00 (10 samples)" and math.isnan(read.bias) and read.ess is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": math.nan}, "estimate.value: input should be a finite number"),
        ({"value": True}, "estimate.value: input should be a valid number"),
        ({"num_samples": 1.5}, "estimate.num_samples: input should be a valid integer"),
        ({"num_samples": 1e308}, "estimate.num_samples: input should be a valid integer"),
        ({"examples": 0}, "estimate.examples: input should be greater than or equal to 1"),
        ({"standard_error": -1}, "estimate.standard_error: input should be greater than or equal to 0"),
        ({"ess": -1e-9}, "estimate.ess: input should be greater than or equal to 0"),
        ({"estimator": 3}, "estimate.estimator: input should be a valid string"),
        ({"converged": 1}, "estimate.converged: input should be a valid boolean"),
        ({"unit": "bits"}, "estimate.unit: unit='bits' is not 'nats'"),
        ({"median": 1.0}, "estimate.median: no such field"),
    ],
)
def test_other_values_are_no_estimate(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        Estimate.from_json(estimate([-1.0]).to_json() | change)


def test_a_notebook_shows_the_number_and_no_markup_of_the_estimator() -> None:
    shown = Estimate.of(torch.ones(2), torch.zeros(2), 5, 0, "a < b")._repr_html_()
    assert shown == "<b>1.00 ± 0.00</b> nats <small>(a &lt; b, 5 samples)</small>"


def test_join_puts_examples_in_order_and_refuses_other_kinds() -> None:
    joined = join([estimate([-1.0, -2.0]), estimate([-3.0])])
    assert joined.pointwise.tolist() == [-1.0, -2.0, -3.0]
    with pytest.raises(ValueError, match="one kind"):
        join([estimate([-1.0]), estimate([-2.0], samples=5)])
    with pytest.raises(ValueError, match="one kind"):
        join([])
    with pytest.raises(ValueError, match="mean over draws of all rows"):
        join([Estimate.of(torch.zeros(2), torch.zeros(2), 2, 0, "draws", examples=50)])


def test_joined_grids_keep_the_error_of_their_rule() -> None:
    one = torch.tensor([-1.0], dtype=F64)
    joined = join([Estimate.of(one, one * 0, 81, 0, "grid", error=one * -error) for error in (1e-4, 1.0)])
    assert joined.error.tolist() == [1e-4, 1.0] and not joined.converged


def test_moments_of_blocks_are_those_of_the_whole() -> None:
    values = torch.randn(100, 3, dtype=F64) + 1e6
    moments = Moments()
    for block in values.split(33):
        moments.add(block)
    np.testing.assert_allclose(moments.mean, values.numpy().mean(0), rtol=1e-14)
    np.testing.assert_allclose(moments.variance_of_mean, values.numpy().var(0, ddof=1) / 100, rtol=1e-6)
