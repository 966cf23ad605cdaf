"""What cannot be built says which argument is wrong, its value, and what to do."""

from __future__ import annotations

import inspect
import resource
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch
from torch import nn

from prioria import VAE, likelihoods, load, nets, objectives, posteriors, priors, stages, storage
from prioria.rebuilding import loadable, rebuild
from tests.contract.variants import FEATURES, INPUTS, LATENTS, encoder, single


@pytest.fixture(autouse=True)
def without_shape_checks() -> Iterator[None]:
    """Our own messages are what users see: they have no type checks at run time."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nets.GatedMLP(5), "sizes=\\(5,\\)"),
        (lambda: nets.MLP(5, 3, activation="gelu"), "activation='gelu'.*relu"),  # pyright: ignore
        (lambda: nets.Parallel((1, 2), (nn.Identity(),)), "2 parts.*1"),
        (lambda: nets.GatedConvEncoder((1, 1, 1), layers=((4, 3, 1, 0),)), "nothing of the image"),
        (lambda: posteriors.Gaussian(3, 2, log_variance_bounds=(2.0, -6.0)), "log_variance_bounds"),
        (lambda: priors.StandardNormal(0), "latents=0"),
        (lambda: priors.Mixture(2, 0), "components=0"),
        (lambda: priors.VampPrior(nn.Identity(), nn.Identity()), "exactly one"),
        (
            lambda: priors.VampPrior(nn.Identity(), nn.Identity(), components=3, pseudo_inputs=torch.zeros(2, 6)),
            "components=3",
        ),
        (lambda: likelihoods.Gaussian(nn.Identity(), variance="learned"), "'fixed', 'global' or 'pixel'"),  # pyright: ignore
        (lambda: likelihoods.Gaussian(nn.Identity(), scale=0.0), "scale=0.0"),
        (lambda: likelihoods.Gaussian(nn.Identity(), variance="pixel", scale=0.1), "scale=0.1 is not used.*leave it"),
        (lambda: likelihoods.Gaussian(nn.Identity(), minimum_scale=0.1), "minimum_scale=0.1 is not used.*leave it out"),
        (lambda: likelihoods.Categorical(nn.Identity(), categories=1), "categories=1"),
        (lambda: objectives.ELBO(beta=-1.0), "beta=-1.0"),
        (lambda: objectives.ELBO(warmup="soon"), "warmup='soon'.*100 epochs"),
        (lambda: objectives.ELBO(num_samples=0), "num_samples=0"),
        (lambda: objectives.IWAE(0), "num_samples=0"),
        (lambda: objectives.REWO(objectives.ELBO(), "nats=3", schedule="three-phase"), "'two-phase' or"),  # pyright: ignore
    ],
)
def test_bad_arguments_are_named(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_an_option_that_does_not_exist_raises() -> None:
    with pytest.raises(TypeError, match="unused"):
        objectives.ELBO(unused=1)  # pyright: ignore[reportCallIssue]


def test_vamp_prior_must_share_the_models_own_parts() -> None:
    network, q = encoder(), posteriors.Gaussian(FEATURES, LATENTS)
    stranger = priors.VampPrior(encoder(), q, components=3, inputs=INPUTS)
    with pytest.raises(ValueError, match="own objects"):
        VAE(
            encoder=network,
            posterior=q,
            prior=stranger,
            likelihood=likelihoods.Bernoulli(nn.Linear(LATENTS, INPUTS)),
        )


def test_vamp_prior_must_name_the_group_that_it_is_the_prior_of() -> None:
    network, q = nets.BottomUp(INPUTS, {"z": 5}), posteriors.Gaussian(5, LATENTS)
    other = priors.VampPrior(network, q, components=3, inputs=INPUTS, group="z2")
    decoder = likelihoods.Bernoulli(nn.Linear(LATENTS, INPUTS))
    with pytest.raises(ValueError, match="group='z2' of the VampPrior names another than its own; use group='z'"):
        VAE(encoder=network, posterior=q, prior=other, likelihood=decoder)


def test_a_prior_of_a_users_own_may_have_a_part_called_shared() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shared = nn.Linear(LATENTS, LATENTS)

    decoder = likelihoods.Bernoulli(nn.Linear(LATENTS, INPUTS))
    VAE(encoder=encoder(), posterior=posteriors.Gaussian(FEATURES, LATENTS), prior=Own(), likelihood=decoder)


def test_groups_need_encoders_and_encoders_need_groups() -> None:
    levels = stages.TwoLevel(
        prior=priors.StandardNormal(2), posterior=posteriors.Gaussian(4, 2), features=4, latents=(2, 3)
    )
    with pytest.raises(ValueError, match=r"\['z2'\].*\['z2', 'z1'\]"):
        VAE(encoder={"z2": nn.Identity()}, stages=levels, likelihood=nn.Identity())
    with pytest.raises(ValueError, match="posterior and prior"):
        VAE(encoder=nn.Identity(), likelihood=nn.Identity())


@pytest.mark.parametrize("name", ["z.1", "train", ""])
def test_a_group_has_a_name_that_a_module_can_have(name: str) -> None:
    stage = single().top
    with pytest.raises(ValueError, match=f"called '{name}'"):
        VAE(encoder=encoder(), stages={name: stage}, likelihood=single().likelihood)


def test_a_group_without_features_is_named() -> None:
    chain = stages.BinaryHierarchy({"z2": 2, "z1": 3})
    model = VAE(encoder=nets.BottomUp(6, {"z2": 2}), stages=chain, likelihood=likelihoods.Bernoulli(nets.MLP(3, 6)))
    with pytest.raises(ValueError, match=r"features of \['z2'\] and none of the group 'z1'"):
        model.draw(torch.zeros(2, 6))


def test_event_axes_that_are_not_declared_are_found_before_training() -> None:
    class Loose(nn.Module):
        def forward(self, z: torch.Tensor) -> torch.distributions.Distribution:
            return torch.distributions.Bernoulli(logits=z.sum(-1, keepdim=True).expand(*z.shape[:-1], INPUTS))

    model = single()
    model.likelihood = Loose()
    with pytest.raises(ValueError, match="likelihood.*event axes"):
        model.check(torch.zeros(2, INPUTS))


def test_a_network_with_no_group_to_read_is_refused() -> None:
    with pytest.raises(ValueError, match="above=None says there is none"):
        priors.Bernoulli(3, net=nn.Linear(2, 4))


def test_closed_form_kl_is_refused_where_there_is_none() -> None:
    objectives.ELBO(closed_form_kl=True).check(single("standard"))
    with pytest.raises(ValueError, match="closed_form_kl"):
        objectives.ELBO(closed_form_kl=True).check(single("vamp"))
    with pytest.raises(ValueError, match="posterior and prior of 'z'"):
        objectives.ELBO(closed_form_kl=True).check(single(posterior="opaque-flow"))


def reseal(folder: Path, architecture: object) -> None:
    """Puts another architecture into a saved model, with the digests that belong to it."""
    saved = {"format": storage.FORMAT, "architecture": architecture}
    tensors = storage.read_tensors(folder / "model.safetensors")
    storage.write_sealed(folder / "model.json", saved)
    texts = {"architecture": storage.digest_of_json(saved)}
    storage.write_tensors(folder / "model.safetensors", tensors, texts)


def crafted() -> dict[str, object]:
    linear = {"class": "nets.MLP", "args": {"sizes": {"tuple": [4, 10**5, 10**5, 4]}}}
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    return {
        "a function": {"class": "os.system", "args": {"command": "true"}},
        "the command line": {"class": "__main__.VAE", "args": {}},
        "a path": {"class": "evaluate.InceptionFeatures", "args": {"weights": "/etc/passwd"}},
        "an attribute": {"class": "module.Module.__init__", "args": {}},
        "a base": {"class": "nets.nn", "args": {}},
        "a class that is none": {"class": "storage.json", "args": {}},
        "a huge tensor": {"tensor": [10**6, 10**6], "dtype": "float32"},
        "a huge network": linear,
        "many layers": {"class": "nets.MLP", "args": {"sizes": {"tuple": [4] * 100_000}}},
        "a huge number": {"class": "priors.StandardNormal", "args": {"latents": 10**13}},
        "depth": deep,
        "a reference ahead": {"ref": 99},
        "another module": {"class": "priors.StandardNormal", "args": {"latents": 2}},
        "another type": {"class": "priors.StandardNormal", "args": {"latents": "x"}},
        "none": None,
    }


@pytest.mark.parametrize("name", crafted())
def test_crafted_architectures_are_one_line_and_cost_nothing(name: str, tmp_path: Path) -> None:
    single().save(tmp_path)
    reseal(tmp_path, crafted()[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError) as refused:
        load(tmp_path)
    assert len(str(refused.value).splitlines()) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_no_class_that_is_loaded_takes_a_path() -> None:
    for name, cls in loadable().items():
        hints = inspect.signature(cls.__init__).parameters.values()
        assert not [each for each in hints if "Path" in str(each.annotation)], name


@pytest.mark.parametrize("damage", ["missing", "truncated", "other-format", "weights"])
def test_a_damaged_model_is_named(tmp_path, damage: str) -> None:
    single().save(tmp_path)
    if damage == "missing":
        (tmp_path / "model.json").unlink()
    elif damage == "truncated":
        (tmp_path / "model.json").write_text('{"format": 1,')
    elif damage == "other-format":
        (tmp_path / "model.json").write_text('{"format": 99}')
    else:
        (tmp_path / "model.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(ValueError, match="path="):
        load(tmp_path)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_named(tmp_path, value: float) -> None:
    model = single()
    next(model.likelihood.parameters()).data[0] = value
    model.save(tmp_path)
    with pytest.raises(ValueError, match="parameter likelihood.* is not finite; resume the run.*learning rate"):
        load(tmp_path)


def test_foreign_modules_are_asked_for_by_path(tmp_path) -> None:
    network = nn.Linear(INPUTS, FEATURES)
    model = VAE(
        encoder=network,
        posterior=posteriors.Gaussian(FEATURES, LATENTS),
        prior=priors.StandardNormal(LATENTS),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(LATENTS, INPUTS)),
    )
    model.save(tmp_path)
    with pytest.raises(ValueError, match="'encoder'"):
        load(tmp_path)
    again = load(tmp_path, modules={"encoder": nn.Linear(INPUTS, FEATURES)})
    x = torch.rand(5, INPUTS)
    assert torch.equal(again.encode(x), model.encode(x))


def test_a_class_outside_prioria_is_never_resolved() -> None:
    with pytest.raises(ValueError, match="not exported"):
        rebuild({"class": "torch.Mine", "args": {"width": 3}})
