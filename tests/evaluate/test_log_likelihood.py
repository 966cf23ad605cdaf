"""Promises of the log-likelihood: exact counts, one encoding, and a result that only S and the seed decide."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest
import torch
from torch import nn

from prioria import VAE, evaluate, likelihoods, nets, posteriors, priors
from prioria.data import load
from prioria.evaluate import sampling
from prioria.evaluate.sampling import seed_generators
from tests.contract.variants import INPUTS, MODELS

EVERY = [name for name in MODELS if "opaque" not in name]


def rows(count: int) -> torch.Tensor:
    return torch.bernoulli(torch.full((count, INPUTS), 0.5))


def rows_seen(module: nn.Module, counts: Counter, name: str) -> None:
    module.register_forward_hook(lambda _, __, output: counts.update({name: output.shape[:-1].numel()}))


@pytest.mark.parametrize("samples", [1, 7, 1000, 1001, 2300])
def test_decoder_sees_exactly_the_samples_that_were_asked_for(samples: int) -> None:
    counts: Counter = Counter()
    network, q = nets.GatedMLP(INPUTS, 5, gated_output=True), posteriors.Gaussian(5, 2)
    decoder = nets.GatedMLP(2, 4, INPUTS)
    prior = priors.VampPrior(network, q, components=3, inputs=INPUTS)
    model = VAE(encoder=network, posterior=q, prior=prior, likelihood=likelihoods.Bernoulli(decoder))
    rows_seen(decoder, counts, "decoder")
    rows_seen(network, counts, "encoder")
    examples = sampling.EXAMPLES  # whole groups for every number of samples
    estimate = evaluate.log_likelihood(model, rows(examples), num_samples=samples)
    assert counts["decoder"] == samples * examples
    assert counts["encoder"] == examples + 3  # each example once, and the pseudo-inputs once
    assert estimate.num_samples == samples


@pytest.mark.parametrize("name", MODELS)
def test_limit_and_ranges_of_examples_are_parts_of_the_whole(name: str) -> None:
    model, x = MODELS[name](), rows(8)
    for samples in (3, 400):
        whole = evaluate.log_likelihood(model, x, num_samples=samples)
        prefix = evaluate.log_likelihood(model, x[:5], num_samples=samples)
        spread = evaluate.log_likelihood(model, x, num_samples=samples, limit=5)
        halves = [
            evaluate.log_likelihood(model, x, num_samples=samples, examples=part) for part in (range(3), range(3, 8))
        ]
        torch.testing.assert_close(prefix.pointwise, whole.pointwise[:5], atol=1e-4, rtol=0)
        chosen = evaluate.log_likelihood(model, x[[0, 1, 3, 4, 6]], num_samples=samples)
        torch.testing.assert_close(spread.pointwise, chosen.pointwise)
        joined = evaluate.join(halves)
        torch.testing.assert_close(joined.pointwise, whole.pointwise, atol=1e-4, rtol=0)
        assert joined.to_json() == pytest.approx(whole.to_json(), abs=1e-4, nan_ok=True)


def drawn(num_samples: int) -> list[torch.Tensor]:
    """The latents of each block of the only example."""
    model = MODELS["standard-prior"]()
    with sampling.measuring(model):
        (batch,) = sampling.sampling_of(model, torch.ones(1, INPUTS), num_samples, 0, limit=None).batches
        return [draw.z["z"] for draw in batch.draws]


def test_more_samples_begin_with_the_same_ones() -> None:
    torch.manual_seed(0)
    some = drawn(2000)
    torch.manual_seed(0)  # the same model
    more = drawn(2500)
    assert [len(block) for block in more] == [1000, 1000, 500]
    torch.testing.assert_close(some, more[:2])


def test_blocks_differ() -> None:
    assert len(torch.cat(drawn(2500)).unique(dim=0)) == 2500


def test_examples_and_seeds_have_noise_of_their_own() -> None:
    model = MODELS["standard-prior"]()
    same = rows(1).expand(6, INPUTS)
    first, again, other = (
        evaluate.log_likelihood(model, same, num_samples=20, seed=seed).pointwise for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert len(torch.cat([first, other]).unique()) == 12


@pytest.mark.parametrize("name", MODELS)
def test_measuring_changes_neither_the_model_nor_the_random_numbers(name: str) -> None:
    model, x = MODELS[name]().train(), rows(3)
    frozen = model.top.p
    frozen.eval()
    before, weights = torch.get_rng_state(), {key: value.clone() for key, value in model.state_dict().items()}
    evaluate.log_likelihood(model, x, num_samples=4)
    evaluate.elbo(model, x)
    evaluate.active_units(model, x)
    evaluate.expected_seconds(model, x, num_samples=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training and not frozen.training
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_failure_leaves_the_model_and_the_random_numbers_too() -> None:
    model, before = MODELS["standard-prior"]().train(), torch.get_rng_state()
    with pytest.raises(ValueError, match=r"x\[1\].*not a number"):
        evaluate.log_likelihood(
            model, torch.stack([torch.zeros(INPUTS), torch.full((INPUTS,), torch.nan)]), num_samples=3
        )
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training


@pytest.mark.parametrize("options", [{}, {"method": "ais", "num_steps": 2, "num_chains": 2}])
def test_a_row_without_a_number_is_named_by_its_place_among_all(options: dict) -> None:
    x = rows(100)
    x[90] = torch.nan
    with pytest.raises(ValueError, match=r"x\[90\].*not a number"):
        evaluate.log_likelihood(MODELS["standard-prior"](), x, limit=10, **options)


def far_model() -> VAE:
    """Its scales overflow beyond |x| = 200: what a posterior of one's own may do."""
    torch.manual_seed(0)
    return VAE(
        encoder=nn.Identity(),
        posterior=posteriors.Gaussian(INPUTS, 2, log_variance_bounds=(-1e4, 1e4)),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Gaussian(nets.GatedMLP(2, INPUTS)),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"num_samples": 20}, {"num_samples": 2000}, {"method": "ais", "num_steps": 2, "num_chains": 2}]
)
def test_a_row_without_a_finite_estimate_stops_no_other(options: dict) -> None:
    model, x = far_model(), torch.randn(5, INPUTS)
    near = evaluate.log_likelihood(model, x, **options)
    assert near.infinite == 0 and "infinite" not in near.to_json()
    bad = x.clone()
    bad[3] = 1e30 if "method" in options else 1e4 * torch.sign(model.top.q.heads.weight[2])
    with pytest.warns(UserWarning, match=r"x\[3\]: no finite log-likelihood, which counts as -inf"):
        found = evaluate.log_likelihood(model, bad, **options)
    others = [0, 1, 2, 4]
    assert torch.equal(found.pointwise[others], near.pointwise[others]) and found.pointwise[3] == -torch.inf
    assert (found.value, found.infinite, found.converged) == (-math.inf, 1, False)
    assert found.doubt == "no finite estimate of 1 of 5 examples" and found.doubt in str(found)
    again = evaluate.Estimate.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert (again.value, again.infinite, again.doubt) == (-math.inf, 1, found.doubt)


def test_dropout_is_off_and_batches_do_not_mix() -> None:
    network = nn.Sequential(nn.Linear(INPUTS, 5), nn.BatchNorm1d(5), nn.Dropout(0.5))
    decoder = likelihoods.Bernoulli(nets.GatedMLP(2, INPUTS))
    model = VAE(
        encoder=network, posterior=posteriors.Gaussian(5, 2), prior=priors.StandardNormal(2), likelihood=decoder
    )
    x = rows(4)
    together = evaluate.log_likelihood(model, x, num_samples=10).pointwise
    torch.testing.assert_close(
        evaluate.log_likelihood(model, x[:1], num_samples=10).pointwise, together[:1], atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("num_samples", [3, 400])
def test_the_score_of_a_row_does_not_depend_on_its_neighbors(name: str, num_samples: int) -> None:
    """The row keeps its place, which its noise follows; all the others are exchanged."""
    torch.manual_seed(0)
    model, x = MODELS[name](), rows(4)
    other = 1 - x
    other[2] = x[2]
    scores = [evaluate.log_likelihood(model, each, num_samples=num_samples).pointwise for each in (x, other)]
    assert scores[0][2] == pytest.approx(scores[1][2].item(), abs=2e-4)
    assert (scores[0] - scores[1]).abs().max() > 1e-3  # the others do change


def test_a_split_is_read_up_to_the_limit() -> None:
    data = load("digits")
    model = VAE(
        encoder=nets.GatedMLP(64, 8, gated_output=True),
        posterior=posteriors.Gaussian(8, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, 64)),
    )
    from_split = evaluate.log_likelihood(model, data.test, num_samples=10, limit=5)
    from_rows = evaluate.log_likelihood(model, data.test.tensor(5), num_samples=10)
    assert torch.equal(from_split.pointwise, from_rows.pointwise)
    drawn = evaluate.log_likelihood(
        model, data.train, num_samples=10, limit=5
    )  # binarized afresh, but from the seed of the estimate
    assert torch.equal(drawn.pointwise, evaluate.log_likelihood(model, data.train, num_samples=10, limit=5).pointwise)


def test_progress_reaches_the_total() -> None:
    calls = []
    evaluate.log_likelihood(
        MODELS["standard-prior"](), rows(3), num_samples=1000, progress=lambda *call: calls.append(call)
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_samples": 0}, "num_samples=0"),
        ({"seed": -1}, "seed=-1"),
        ({"limit": 0}, "limit=0 must be at least 1"),
        ({"examples": range(2, 9)}, r"examples=range\(2, 9\) of x with 3 rows"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate.log_likelihood(MODELS["standard-prior"](), rows(3), **options)


def test_noise_of_one_purpose_is_not_that_of_another() -> None:
    keys = [(0,), (0, 0), (0, 0, 0), (1,), (0, 1), (0, 1, 0), (0, 0, 1)]
    drawn = []
    with torch.random.fork_rng():
        for key in keys:
            seed_generators(torch.device("cpu"), key)
            drawn.append(torch.randn(100))
    assert len({tuple(each.tolist()) for each in drawn}) == len(keys)


def test_what_is_simulated_is_not_sampled_again() -> None:
    """Under a posterior that has collapsed one sample gives log p(x|z') of another z', never of the z that made x."""
    torch.manual_seed(0)
    model = VAE(
        encoder=nn.Linear(8, 4),
        posterior=posteriors.Gaussian(4, 8),
        prior=priors.StandardNormal(8),
        likelihood=likelihoods.Gaussian(nn.Identity(), scale=0.01),
    )
    with torch.no_grad():
        for parameter in model.stages["z"].q.parameters():
            parameter.zero_()
    certificate = evaluate.certify(model, num_examples=20, num_steps=10, num_chains=10, num_samples=1)
    # |z - z'|^2 / 0.01^2 / 2 with z - z' ~ N(0, 2 I): 80,000 nats on average, and below 1,000 in one of 10^7
    assert (certificate.importance.pointwise < -1000).all()
    draws = (
        evaluate.aggregate_draws(model, torch.rand(50, 8), num_samples=500),
        evaluate.prior_draws(model, num_samples=500),
    )
    assert (torch.cdist(*draws) > 1e-3).all()
    assert evaluate.nearest_neighbor_kl(model, torch.rand(50, 8), num_samples=500).value < 1.0
