"""Data and parts that do not fit are named at every entry, whatever kind of array the data come in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jaxtyping
import numpy as np
import pandas as pd
import pytest
import torch

from prioria import VAE, evaluate, fit, likelihoods, load, nets, objectives, posteriors, priors


@pytest.fixture(autouse=True)
def without_shape_checks() -> Iterator[None]:
    """Our own messages are what users see: they have no type checks at run time."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def vae(inputs: int = 4, latents: int = 2, *, prior: int | None = None, decoder: int | None = None) -> VAE:
    torch.manual_seed(0)
    return VAE(
        encoder=nets.GatedMLP(inputs, 5, gated_output=True),
        posterior=posteriors.Gaussian(5, latents),
        prior=priors.StandardNormal(prior or latents),
        likelihood=likelihoods.Gaussian(nets.GatedMLP(decoder or latents, 5, inputs)),
    ).eval()


ENTRIES: dict[str, Callable[[VAE, Any], Any]] = {
    "draw": lambda model, x: model.draw(x),
    "call": lambda model, x: model(x),
    "encode": lambda model, x: model.encode(x),
    "check": lambda model, x: model.check(x),
    "elbo": evaluate.elbo,
    "log_likelihood": lambda model, x: evaluate.log_likelihood(model, x, num_samples=3),
    "aggregate_posterior": evaluate.aggregate_posterior,
    "active_units": evaluate.active_units,
    "reconstruction": evaluate.reconstruction,
}
BAD: dict[str, tuple[Any, str]] = {
    "wider": (torch.zeros(3, 5), r"x has rows of shape \(5,\), and the likelihood is over rows of shape \(4,\)"),
    "pictures": (torch.zeros(3, 1, 2, 2), r"x has rows of shape \(1, 2, 2\).*x\.flatten\(1\)"),
    "words": (pd.DataFrame({"a": ["x", "y"]}), "x is a DataFrame of object values; give numbers"),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("entry", ENTRIES)
def test_data_that_do_not_fit_are_named_at_every_entry(entry: str, bad: str) -> None:
    x, message = BAD[bad]
    with pytest.raises(ValueError, match=message):
        ENTRIES[entry](vae(), x)


@pytest.mark.parametrize("entry", ["draw", "encode", "check"])
def test_another_type_of_number_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match=r"x is torch.float64.*use .to\(torch.float32\)"):
        ENTRIES[entry](vae(), torch.zeros(3, 4).double())


def test_data_that_do_not_fit_are_refused_before_the_first_step() -> None:
    with pytest.raises(ValueError, match=r"x has rows of shape \(4,\).*rows of shape \(5,\)"):
        fit(vae(5), objectives.ELBO(), np.random.default_rng(0).normal(size=(40, 4)), epochs=1, progress=False)


@pytest.mark.parametrize("entry", ["draw", "check", "elbo", "log_likelihood"])
def test_a_prior_of_another_size_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match=r"group 'z': its posterior is over .*\(2,\), its prior over \(1,\)"):
        ENTRIES[entry](vae(prior=1), torch.zeros(3, 4))


@pytest.mark.parametrize("entry", ["draw", "check", "elbo"])
def test_a_likelihood_of_another_size_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match=r"likelihood does not take \(1, \d, 2\)"):
        ENTRIES[entry](vae(decoder=3), torch.zeros(2, 4))


def test_values_that_the_likelihood_gives_no_probability_are_refused() -> None:
    model = vae()
    model.likelihood = likelihoods.Bernoulli(nets.GatedMLP(2, 5, 4))
    with pytest.raises(ValueError, match="x goes from -1 to 1, and the likelihood has probabilities from 0 to 1"):
        evaluate.elbo(model, torch.eye(4) * 2 - 1)
    assert evaluate.elbo(model, torch.full((3, 4), 0.5)).value < 0  # grey values are probabilities of bits


def test_arrays_and_frames_give_what_tensors_give() -> None:
    model, x = vae(), torch.randn(6, 4)
    for same in (x.numpy().astype(np.float64), pd.DataFrame(x.numpy()), x.tolist()):
        assert torch.equal(model.encode(same), model.encode(x))
        assert torch.equal(evaluate.elbo(model, same).pointwise, evaluate.elbo(model, x).pointwise)


def test_encode_and_decode_keep_the_axes_that_they_are_given() -> None:
    model, x = vae(), torch.randn(3, 5, 4)
    z = model.encode(x)
    assert z.shape == (3, 5, 2)
    torch.testing.assert_close(z[1, 2], model.encode(x[1, 2]))
    mean = model.decode(z).mean
    assert mean.shape == (3, 5, 4)
    torch.testing.assert_close(mean[1, 2], model.decode(z[1, 2]).mean)
    torch.testing.assert_close(mean, model.likelihood.net(z))
    with pytest.raises(ValueError, match=r"z of group 'z' has shape \(5, 3\), and must end in \(2,\)"):
        model.decode(torch.zeros(5, 3))


def test_calling_a_model_draws_and_sampling_gives_rows(tmp_path) -> None:
    model, x = vae(), torch.randn(3, 4)
    torch.manual_seed(1)
    drawn = model(x).log_w
    torch.manual_seed(1)
    assert torch.equal(drawn, model.draw(x).log_w)
    assert model(x[0]).log_w.shape == (1, 1)
    assert model.sample(7).shape == (7, 4)
    model.save(tmp_path / "best")
    assert torch.equal(load(tmp_path).encode(x), model.encode(x))
    assert model.top is model.stages["z"] and model.stages.names == ["z"]


def bits(*, decoder: int = 2) -> VAE:
    model = vae(decoder=decoder)
    model.likelihood = likelihoods.Bernoulli(nets.GatedMLP(decoder, 5, 4))
    return model


@pytest.mark.parametrize("count", [0, -1, 1.5, "3"])
def test_a_number_of_draws_that_is_none_is_named(count: Any) -> None:
    x = torch.zeros(3, 4)
    for entry in (vae().sample, vae().generate, lambda each: vae().draw(x, each)):
        with pytest.raises(ValueError, match=r"num_samples=.* must be at least 1, a whole number"):
            entry(count)
    for measure in (evaluate.elbo, evaluate.kl_per_dimension, evaluate.aggregate_draws, evaluate.scores):
        with pytest.raises(ValueError, match=r"num_samples=.* must be at least 1, a whole number"):
            measure(vae(), x, num_samples=count)
    with pytest.raises(ValueError, match=r"limit=.* must be at least 1, a whole number"):
        evaluate.reconstruction(vae(), x, limit=count)


def test_no_row_is_named() -> None:
    with pytest.raises(ValueError, match=r"x of shape \(0, 4\) holds no row"):
        vae().draw(torch.zeros(0, 4))


def test_latents_of_another_shape_or_type_are_named() -> None:
    model = vae()
    with pytest.raises(ValueError, match=r"z of group 'z' is torch.int64.*use .to\(torch.float32\)"):
        model.decode(torch.zeros(3, 2, dtype=torch.long))
    for z in (torch.zeros(3, 3), torch.zeros(5, 2)):
        with pytest.raises(
            ValueError, match=r"group 'z': values of shape .* do not stand for draws of shape \(1, 3, 2"
        ):
            model.generate(3, z=z)
    torch.testing.assert_close(model.generate(3, z=np.ones((3, 2))).px.mean[0], model.decode(torch.ones(3, 2)).mean)


def test_parts_that_do_not_fit_are_named_where_nothing_is_encoded() -> None:
    model = bits(decoder=3)
    entries = (
        lambda: model.generate(2),
        lambda: model.decode(torch.zeros(5, 2)),
        lambda: objectives.ELBO().check(model),
    )
    for entry in entries:
        with pytest.raises(ValueError, match=r"likelihood does not take \(1, 1, 2\).*make the sizes of the two agree"):
            entry()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_values_that_are_no_numbers_are_named(value: float) -> None:
    x = torch.zeros(9, 4).index_fill(0, torch.tensor([6]), value)
    measures = (evaluate.elbo, evaluate.active_units, evaluate.kl_per_dimension, evaluate.total_correlation)
    for measure in measures:
        with pytest.raises(ValueError, match=r"x\[6\] has a value that is not a number or infinite"):
            measure(bits(), x)
    assert evaluate.scores(bits(), x, num_samples=5).lost == [6]
    assert evaluate.scores(bits(), x[6:7], num_samples=5).estimate is None


def test_scores_of_codes_need_factors() -> None:
    with pytest.raises(ValueError, match="x of Tensor has no factors"):
        evaluate.disentanglement(vae(), torch.zeros(9, 4))


def test_a_prior_without_event_axes_is_named() -> None:
    class Laplaces(torch.nn.Module):
        def forward(self, context: torch.Tensor | None = None) -> torch.distributions.Distribution:
            return torch.distributions.Laplace(torch.zeros(2), torch.ones(2))

    model = vae()
    model.stages["z"].p = Laplaces()
    with pytest.raises(ValueError, match="prior of group 'z' is over single numbers.*declares its event axes"):
        objectives.ELBO().check(model)
    with pytest.raises(ValueError, match=r"its prior over \(\); .*declares its event axes"):
        model.check(torch.zeros(3, 4))
