"""prioria.build from Python: what is chosen is built, facts are filled in, and errors name the argument."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Distribution, Independent, Laplace

from prioria import VAE, build, data, likelihoods, nets, objectives, posteriors, priors


class LaplacePrior(nn.Module):
    """A stranger's: it asks for ``latents`` and has an option of its own."""

    def __init__(self, latents: int, scale: float = 1.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.full((latents,), scale).log())

    def forward(self, context: object = None) -> Distribution:
        return Independent(Laplace(torch.zeros_like(self.log_scale), self.log_scale.exp()), 1)


def by_hand() -> VAE:
    torch.manual_seed(3)
    encoder, posterior = nets.MLP(64, 9, 7, activate_output=True), posteriors.Gaussian(7, 4)
    prior = priors.VampPrior(encoder, posterior, components=5, inputs=64)
    likelihood = likelihoods.Bernoulli(nets.MLP(4, 7, 9, 64))
    return VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=likelihood)


def test_a_model_is_the_one_that_is_written_out_weight_for_weight() -> None:
    vamp, network = {"kind": "vamp", "components": 5}, {"kind": "mlp", "hidden": (9, 7)}
    state = torch.get_rng_state()
    built = build.model("digits", prior=vamp, network=network, latents=4, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    expected = by_hand().state_dict()
    found = built.state_dict()
    assert list(found) == list(expected) and all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_class_a_function_or_a_part_of_ones_own_is_taken() -> None:
    small = {"network": {"hidden": (8,)}, "latents": 3}
    for prior in (LaplacePrior, lambda latents: LaplacePrior(latents, 2.0), LaplacePrior(3)):
        built = build.model("digits", prior=prior, **small)
        assert isinstance(built.stages["z"].p, LaplacePrior) and built.generate(2).z["z"].shape == (1, 2, 3)


def test_pseudo_inputs_of_counts_lie_between_rows() -> None:
    counts = data.load(np.random.default_rng(0).poisson(3.0, (60, 4)).astype(np.int64))
    built = build.model(counts, prior="vamp", likelihood="multinomial", latents=2, network={"hidden": (8,)})
    starts, rows = built.stages["z"].p.pseudo_inputs, counts.train.tensor()
    assert (starts >= rows.min(0).values).all() and (starts <= rows.max(0).values).all()


def test_each_likelihood_gets_a_decoder_of_its_width() -> None:
    rows = data.load(np.random.default_rng(0).integers(0, 5, (60, 4)).astype(np.int64))
    choices = {20: {"kind": "categorical", "categories": 5}, 8: {"kind": "gaussian", "variance": "pixel"}}
    for width, choice in choices.items():
        built = build.model(rows, likelihood=choice, latents=2, network={"hidden": (8,)})
        assert built.likelihood.net(torch.zeros(2)).shape == (width,)
        assert built.generate(3).px.sample().shape == (1, 3, 4)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"prior": "vampp"}, r"prior vampp is unknown; did you mean vamp\?"),
        ({"prior": {"kind": "vamp", "componets": 3}}, r"prior.componets does not belong .*did you mean components\?"),
        ({"prior": {"kind": "standard", "components": 3}}, "it is an option of mixture, vamp"),
        ({"prior": {"components": 3}}, "prior.components does not belong to prior standard"),
        ({"stages": {"groups": (2,)}}, "stages.groups needs a kind; give stages one of ladder"),
        ({"stages": "ladder", "prior": "vamp"}, "prior does not go with stages ladder"),
        ({"stages": "conv-ladder", "network": "mlp"}, "network does not go with stages conv-ladder"),
        ({"latents": 0}, "latents 0 must be at least 1"),
        ({"levels": 3}, "levels 3 is not offered"),
        ({"network": {"kind": "conv", "hidden": (3,)}}, "network.hidden 3 does not fit network conv"),
        ({"likelihood": "gaussian"}, "Gaussian is not legal for"),
    ],
)
def test_what_does_not_fit_names_the_argument_and_the_remedy(choices: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build.model("digits", **choices)


def test_objectives_and_their_constraints() -> None:
    built = build.model("digits", latents=2, network={"hidden": (8,)})
    assert isinstance(build.objective(built, "beta-tc", tc="minibatch"), objectives.BetaTC)
    with pytest.raises(ValueError, match="tc minibatch does not belong to objective elbo"):
        build.objective(built, tc="minibatch")
    with pytest.raises(ValueError, match="constraint.kind is not enough"):
        build.objective(built, constraint="rewo")
