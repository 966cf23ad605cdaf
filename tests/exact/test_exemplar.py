"""Exemplar priors against mixtures that are written out, all subsets of a few exemplars, and runs that go on."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Independent, MixtureSameFamily, Normal

import prioria
from prioria import VAE, likelihoods, nets, posteriors, priors
from prioria.distributions import LeaveOneOut
from prioria.objectives import ELBO
from prioria.train import fit, resume

EXEMPLARS, LATENTS, F64 = 6, 2, torch.float64


def prior(**options: object) -> priors.Exemplar:
    """Six exemplars, rows 10 to 60 of some training data, under a network that is not linear."""
    torch.manual_seed(1)
    encoder, posterior = nets.MLP(4, 5, activate_output=True).double(), posteriors.Gaussian(5, LATENTS).double()
    rows, numbers = torch.randn(EXEMPLARS, 4), 10 * torch.arange(1, EXEMPLARS + 1)
    with torch.no_grad():
        posterior.heads.weight.mul_(5)
    made = priors.Exemplar(encoder.float(), posterior.float(), exemplars=rows, numbers=numbers, variance=0.3, **options)  # pyright: ignore[reportArgumentType]
    return made


def terms(made: priors.Exemplar, z: Tensor) -> Tensor:
    """Returns the density of each component at each z, (..., N), from torch's own distributions."""
    encoder, posterior = made.shared
    means = posterior(encoder(made.exemplars)).mean
    components = Independent(Normal(means, made.log_variance.exp().sqrt()), 1)
    return components.log_prob(z.unsqueeze(-2)).double().exp()


def test_density_is_the_mixture_of_encodings_with_one_variance() -> None:
    made, z = prior().eval(), torch.randn(3, 7, LATENTS)
    encoder, posterior = made.shared
    means = posterior(encoder(made.exemplars)).mean
    components = Independent(Normal(means, 0.3**0.5), 1)
    written_out = MixtureSameFamily(Categorical(torch.ones(EXEMPLARS)), components)
    torch.testing.assert_close(made().log_prob(z), written_out.log_prob(z))
    with torch.no_grad():  # the encodings are kept while nothing changes
        torch.testing.assert_close(made().log_prob(z), written_out.log_prob(z))
        made.shared[1].heads.bias.add_(1.0)
        moved = MixtureSameFamily(Categorical(torch.ones(EXEMPLARS)), Independent(Normal(means + 1, 0.3**0.5), 1))
        torch.testing.assert_close(made().log_prob(z), moved.log_prob(z))


def test_no_row_is_an_exemplar_of_itself() -> None:
    made, z = prior(), torch.randn(3, 4, LATENTS)
    own = torch.tensor([20, 7, 60, 10])  # row 7 is no exemplar
    made.at_rows(own)
    each = terms(made, z)
    for row, number in enumerate(own.tolist()):
        others = [k for k in range(EXEMPLARS) if made.numbers[k] != number]
        expected = each[:, row, others].mean(-1).log()
        torch.testing.assert_close(made().log_prob(z)[:, row].double(), expected, rtol=1e-5, atol=1e-5)
    made.at_rows(None)
    torch.testing.assert_close(made().log_prob(z).double(), each.mean(-1).log(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_mean_over_all_subsets_is_the_mixture_without_the_row(size: int) -> None:
    made, z, own = prior(), torch.randn(4, LATENTS), torch.tensor([20, 7, 60, 10])
    subsets = [torch.tensor(each) for each in combinations(range(EXEMPLARS), size)]
    with torch.no_grad():
        found = torch.stack([LeaveOneOut(made, each, own).log_prob(z).double().exp() for each in subsets]).mean(0)
        weight = made.numbers != own[:, None]
        expected = (terms(made, z) * weight).sum(-1) / weight.sum(-1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("neighbors", [1, 3, 6])
def test_nearest_exemplars_are_the_largest_terms_of_the_whole_sum(neighbors: int) -> None:
    made, z, own = prior(neighbors=neighbors), torch.randn(3, 4, LATENTS), torch.tensor([20, 7, 60, 10])
    each = terms(made, z) * (made.numbers != own[:, None])
    expected = (each.topk(neighbors).values.sum(-1) / (made.numbers != own[:, None]).sum(-1)).log()
    made.at_rows(own)
    found = made().log_prob(z)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    assert (found.double() <= (each.sum(-1) / (made.numbers != own[:, None]).sum(-1)).log() + 1e-5).all()


def test_gradient_is_that_of_the_sum_over_neighbors_written_out() -> None:
    made, z, own = prior(neighbors=3), torch.randn(4, LATENTS), torch.tensor([20, 7, 60, 10])
    parameters = [made.log_variance, *made.shared[0].parameters(), *made.shared[1].parameters()]
    each = terms(made, z) * (made.numbers != own[:, None])
    expected = torch.autograd.grad(each.topk(3).values.sum(-1).log().sum(), parameters)
    made.at_rows(own)
    found = torch.autograd.grad(made().log_prob(z).sum(), parameters)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_codes_follow_the_encoder_and_neighbors_are_found_by_them() -> None:
    made, z = prior(neighbors=1), torch.zeros(1, LATENTS)
    with torch.no_grad():
        made.shared[1].heads.bias[:LATENTS] += 3.0
        made.codes.copy_(torch.arange(EXEMPLARS).float().unsqueeze(-1).expand(-1, LATENTS) + 1)
    found = LeaveOneOut(made, torch.arange(EXEMPLARS)).log_prob(z)
    torch.testing.assert_close(found.double(), (terms(made, z)[:, 0] / EXEMPLARS).log(), rtol=1e-5, atol=1e-5)
    means = made.shared[1](made.shared[0](made.exemplars)).mean
    torch.testing.assert_close(made.codes[0], means[0])  # that of the retrieved one, as it is now
    assert made.codes[1:].eq(made.codes[1:].round()).all()
    made()  # a step brings all up to date, as they are few
    torch.testing.assert_close(made.codes, means)


def test_components_of_bits_are_the_posteriors_themselves() -> None:
    encoder, posterior = nn.Linear(4, 5), posteriors.Bernoulli(5, 3)
    made = priors.Exemplar(encoder, posterior, exemplars=torch.rand(EXEMPLARS, 4))
    z = torch.bernoulli(torch.full((7, 3), 0.5))
    components = Independent(Bernoulli(logits=posterior(encoder(made.exemplars)).base_dist.logits), 1)
    expected = MixtureSameFamily(Categorical(torch.ones(EXEMPLARS)), components).log_prob(z)
    torch.testing.assert_close(made().log_prob(z), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exemplars": torch.rand(1, 4)}, r"exemplars has shape \(1, 4\).*two or more"),
        ({"numbers": torch.tensor([1, 1, 2])}, "must name 3 different rows"),
        ({"numbers": torch.arange(4)}, "must name 3 different rows"),
        ({"subset": 1}, "subset=1 must be at least 2"),
        ({"variance": 0.0}, "variance=0.0 positive"),
        ({"neighbors": 4}, "neighbors=4 must be between 1 and the 3 exemplars"),
        ({"posterior": posteriors.IAF(5, 2)}, "posterior=IAF has no closed mean.*use posteriors.Gaussian"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_built(options: dict, message: str) -> None:
    given = {"encoder": nn.Linear(4, 5), "posterior": posteriors.Gaussian(5, 2), "exemplars": torch.rand(3, 4)}
    with pytest.raises(ValueError, match=message):
        priors.Exemplar(**(given | options))


def model(rows: Tensor, **options: int) -> VAE:
    torch.manual_seed(3)
    encoder, posterior = nets.MLP(4, 6, activate_output=True), posteriors.Gaussian(6, LATENTS)
    made = priors.Exemplar(encoder, posterior, exemplars=rows[::2], numbers=torch.arange(0, len(rows), 2), **options)
    likelihood = likelihoods.Gaussian(nets.MLP(LATENTS, 4), scale=0.5)
    return VAE(encoder=encoder, posterior=posterior, prior=made, likelihood=likelihood)


@pytest.mark.filterwarnings("ignore:warmup")
def test_training_tells_its_rows_and_a_run_that_goes_on_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    data = prioria.data.load(torch.randn(60, 4, generator=torch.Generator().manual_seed(0)))
    rows, told = data.train.tensor(), []
    whole = model(rows, subset=8, neighbors=3)
    forward = whole.top.p.forward

    def watched(context: Tensor | None = None) -> torch.distributions.Distribution:
        told.append(whole.top.p.own)
        return forward(context)

    whole.top.p.forward = watched  # pyright: ignore[reportAttributeAccessIssue]
    options = {"batch_size": 7, "seed": 0, "progress": False}
    run = fit(whole, ELBO(), data, epochs=2, out=tmp_path / "whole", **options)
    steps = [each for each in told if each is not None]
    assert torch.cat(steps[: len(steps) // 2]).sort().values.equal(torch.arange(len(rows)))  # an epoch has each once
    assert whole.top.p.own is None
    fit(model(rows, subset=8, neighbors=3), ELBO(), data, epochs=1, out=tmp_path / "part", **options)
    again = resume(tmp_path / "part", epochs=2, data=data, progress=False)
    expected = run.last().state_dict()
    found = again.last().state_dict()
    assert found.keys() == expected.keys() and {"stages.z.p.codes", "stages.z.p.turn"} <= found.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_evaluation_changes_nothing_that_is_saved(tmp_path: Path) -> None:
    made = model(torch.randn(20, 4), neighbors=2).eval()
    with torch.no_grad():
        made.top.p.codes.zero_()
        before = {name: value.clone() for name, value in made.state_dict().items()}
        bound = prioria.evaluate.elbo(made, torch.randn(9, 4))
    assert all(torch.equal(before[name], value) for name, value in made.state_dict().items())
    made.save(tmp_path)
    loaded, z = prioria.load(tmp_path), torch.randn(5, LATENTS)
    assert math.isfinite(bound.value) and torch.equal(loaded.top.p.exemplars, made.top.p.exemplars)
    torch.testing.assert_close(loaded.top.p().log_prob(z), made.top.p().log_prob(z), rtol=0, atol=0)
