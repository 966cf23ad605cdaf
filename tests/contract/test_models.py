"""One contract for every model: shapes, replay, gradients, generation, saving, the reported bound."""

from __future__ import annotations

import re

import pytest
import torch

from prioria import VAE, likelihoods, load, nets, objectives, posteriors, priors, stages
from tests.contract.variants import INPUTS, MODELS, OBJECTIVES, POINTS, RANDOM, REFUSED, STRUCTURES


def rows(count: int) -> torch.Tensor:
    return torch.bernoulli(torch.full((count, INPUTS), 0.5))


BUILDERS = MODELS | POINTS


@pytest.fixture(params=BUILDERS)
def model(request: pytest.FixtureRequest) -> VAE:
    torch.manual_seed(0)
    return BUILDERS[request.param]()


@pytest.mark.parametrize(("samples", "examples"), [(3, 5), (3, 1), (1, 5), (1, 1)])
def test_every_density_is_one_number_per_sample_and_example(model: VAE, samples: int, examples: int) -> None:
    draw = model.draw(rows(examples), num_samples=samples)
    assert draw.log_w.shape == draw.rate.shape == draw.distortion.shape == (samples, examples)
    for latent in draw.latents.values():
        assert latent.z.shape[:2] == (samples, examples)
        assert latent.rate.shape == (samples, examples)
    assert all(z.shape[0] == examples for z in draw.resample().values())
    assert draw.log_w.isfinite().all()


@pytest.mark.parametrize("name", [name for name in BUILDERS if not any(part in name for part in RANDOM)])
def test_each_sample_of_each_example_is_scored_as_if_it_were_alone(name: str) -> None:
    model, x = BUILDERS[name](), rows(5)
    draw = model.draw(x, num_samples=3)
    for k in range(3):
        for b in range(5):
            given = {name: z[k, b] for name, z in draw.z.items()}
            alone = model.condition(x[b : b + 1]).draw(1, given=given)
            torch.testing.assert_close(alone.log_w[0, 0], draw.log_w[k, b], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_samples_and_examples_differ(name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    for z in model.draw(rows(5), num_samples=3).z.values():
        if z.is_floating_point() and not torch.equal(z, z.round()):
            assert z.reshape(15, -1).unique(dim=0).shape[0] == 15


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gradient_reaches_every_parameter(model: VAE, objective: str, request: pytest.FixtureRequest) -> None:
    loss = OBJECTIVES[objective](next(iter(model.generate(1).z.values()))[0, 0].numel())
    if (objective, request.node.callspec.params["model"]) in REFUSED:
        with pytest.raises(ValueError, match="use "):
            loss.check(model, rows(64))
        return
    loss.check(model, rows(64))
    loss(loss.draw(model, rows(16))).surrogate.backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name


def test_reported_objective_is_the_bound_recomputed_from_the_weights(model: VAE) -> None:
    draw = model.draw(rows(5), num_samples=4)
    log_w = draw.log_w.double()
    elbo, iwae = objectives.ELBO(num_samples=4)(draw), objectives.IWAE(num_samples=4)(draw)
    torch.testing.assert_close(elbo.value.double(), -log_w.mean(), rtol=1e-5, atol=1e-5)
    bound = (
        log_w.exp().mean(0).log() if log_w.abs().max() < 500 else torch.logsumexp(log_w, 0) - torch.tensor(4.0).log()
    )
    torch.testing.assert_close(iwae.value.double(), -bound.mean(), rtol=1e-5, atol=1e-5)
    assert iwae.value <= elbo.value + 1e-5


def test_generation_fills_and_holds_groups(model: VAE) -> None:
    draw = model.generate(5)
    assert draw.px.sample().shape == (1, 5, INPUTS)
    top = model.groups[0]
    held = model.generate(5, **{top: draw.z[top]})
    assert torch.equal(held.z[top], draw.z[top])
    with pytest.raises(ValueError, match="model.draw"):
        _ = draw.rate
    with pytest.raises(ValueError, match="unknown"):
        model.generate(5, elsewhere=torch.zeros(1))


def test_encode_is_deterministic_and_decode_reads_it(model: VAE) -> None:
    x = rows(5)
    for group in model.groups:
        assert torch.equal(model.encode(x, group), model.encode(x, group))
        assert model.encode(x, group).shape[0] == 5
    assert model.decode(model.encode(x)).sample().shape == (5, INPUTS)


def test_check_leaves_the_random_numbers_alone(model: VAE) -> None:
    x, before = rows(2), torch.get_rng_state()
    assert all(group in model.check(x) for group in model.groups)
    assert torch.equal(torch.get_rng_state(), before)


LIBRARY = [name for name in BUILDERS if "standin" not in name and "opaque" not in name]


@pytest.mark.parametrize("name", LIBRARY)
def test_saved_and_loaded_model_draws_the_same_bits(name: str, tmp_path) -> None:
    model, x = BUILDERS[name](), rows(5)
    model.save(tmp_path)
    again = load(tmp_path)
    draws = []
    for each in (model, again):
        torch.manual_seed(1)
        draws.append(each.draw(x, num_samples=3).log_w)
    assert torch.equal(*draws)
    assert [p.requires_grad for p in model.parameters()] == [p.requires_grad for p in again.parameters()]


@pytest.mark.parametrize("name", ["standard-prior", "vamp-prior-two-level", "dependency-graph-iaf", "bits"])
def test_a_model_in_double_precision_is_loaded_in_it(name: str, tmp_path) -> None:
    torch.manual_seed(0)
    model, x = MODELS[name]().double(), rows(5).double()
    model.save(tmp_path)
    again = load(tmp_path)
    assert {p.dtype for p in again.parameters()} == {torch.float64}
    draws = []
    for each in (model, again):
        torch.manual_seed(1)
        draws.append(torch.cat([each.draw(x, num_samples=3).log_w, each.generate(5).latents[each.groups[0]].log_p]))
    assert torch.equal(*draws)


def test_one_encoder_may_serve_several_groups(tmp_path) -> None:
    """It runs once for all of them, and is one network again when it is loaded."""
    torch.manual_seed(0)
    network, q = nets.GatedMLP(INPUTS, 5, gated_output=True), posteriors.Gaussian(5, 2)
    model = VAE(
        encoder={"z2": network, "z1": network},
        stages=stages.TwoLevel(prior=priors.StandardNormal(2), posterior=q, features=5, latents=(2, 4), hidden=9),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(6, INPUTS)),
    )
    model.save(tmp_path)
    again = load(tmp_path)
    assert again.encoder["z2"] is again.encoder["z1"]
    x = rows(5)
    assert torch.equal(again.encode(x, "z1"), model.encode(x, "z1"))


@pytest.mark.parametrize("name", [name for name in STRUCTURES if "standin" in name])
def test_stages_that_are_not_ours_are_asked_for_by_their_paths(name: str, tmp_path) -> None:
    model, x = STRUCTURES[name](), rows(5)
    model.save(tmp_path)
    with pytest.raises(ValueError, match="modules lacks") as refused:
        load(tmp_path)
    paths = re.findall(r"(?:stages|likelihood)[\w.]*\b", str(refused.value).split(":")[0])
    assert [path for path in paths if path.startswith("stages.")] == [f"stages.{group}" for group in model.groups]
    others = STRUCTURES[name]()
    again = load(tmp_path, modules={path: others.get_submodule(path) for path in paths})
    assert torch.equal(again.encode(x), model.encode(x))


def test_a_loaded_model_is_in_evaluation_mode(tmp_path) -> None:
    model = VAE(
        encoder=nets.MLP(4, 5, activate_output=True, batch_norm=True),
        posterior=posteriors.Gaussian(5, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(nets.MLP(2, 8, 4, batch_norm=True)),
    )
    model.draw(torch.rand(50, 4).round())  # in training mode: moves what batch normalization remembers
    model.save(tmp_path)
    opened, x = load(tmp_path), torch.rand(6, 4)
    codes = opened.encode(x)
    torch.testing.assert_close(opened.encode(x[:1]), codes[:1])
    assert opened.generate(1).px.event_shape == (4,)
    assert all(torch.equal(a, b) for a, b in zip(opened.buffers(), model.buffers(), strict=True))
