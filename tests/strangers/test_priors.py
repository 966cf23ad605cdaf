"""Priors as a user writes them, outside the package: what is refused of ours is refused of theirs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from prioria import VAE, fit, likelihoods, nets, objectives, posteriors, priors, stages

ROWS = torch.rand(40, 6, generator=torch.Generator().manual_seed(0)).round()


class Encoded(nn.Module):
    """A mixture of the posteriors of learned rows; a plain module that declares nothing."""

    def __init__(self, encoder: nn.Module, posterior: nn.Module) -> None:
        super().__init__()
        self.networks = {"encoder": encoder, "rest": [posterior]}
        self.rows = nn.Parameter(torch.rand(3, 6))

    def forward(self, context: Tensor | None = None) -> Distribution:
        q = self.networks["rest"][0](self.networks["encoder"](self.rows))
        return MixtureSameFamily(Categorical(logits=torch.zeros(3)), q)


class Narrow(nn.Module):
    """A Gaussian of any width."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(2))

    def forward(self, context: Tensor | None = None) -> Distribution:
        return Independent(Normal(torch.zeros(2), self.log_scale.exp()), 1)


class Wide(priors.Prior):
    """A Gaussian whose scales are at least 1."""

    can_narrow = False

    def __init__(self) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.zeros(2))

    def forward(self, context: Tensor | None = None) -> Distribution:
        return Independent(Normal(torch.zeros(2), 1 + self.raw.exp()), 1)


def vae(encoder: nn.Module, posterior: nn.Module, prior: nn.Module) -> VAE:
    decoder = likelihoods.Bernoulli(nets.MLP(2, 6))
    return VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=decoder)


def trained(model: VAE, objective: objectives.Objective) -> VAE:
    return fit(model, objective, ROWS, epochs=1, batch_size=16, progress=False, device="cpu").model


def test_a_strangers_mixture_of_posteriors_trains() -> None:
    encoder, posterior = nets.MLP(6, 5, activate_output=True), posteriors.Gaussian(5, 2)
    prior = Encoded(encoder, posterior)
    before = prior.rows.detach().clone()
    trained(vae(encoder, posterior, prior), objectives.ELBO())
    assert not torch.equal(before, prior.rows)


def test_a_stranger_built_on_other_networks_is_refused() -> None:
    encoder, posterior = nets.MLP(6, 5, activate_output=True), posteriors.Gaussian(5, 2)
    for other in (Encoded(nets.MLP(6, 5), posterior), Encoded(encoder, posteriors.Gaussian(5, 2))):
        with pytest.raises(ValueError, match="prior of 'z' was built on another encoder or posterior"):
            vae(encoder, posterior, other)


@pytest.mark.parametrize("part", ["encoder", "posterior"])
def test_a_stranger_that_shares_batch_normalization_is_refused_before_training(part: str) -> None:
    encoder = nets.MLP(6, 5, activate_output=True, batch_norm=part == "encoder")
    posterior = posteriors.Gaussian(8, 2, net=nets.MLP(5, 8, activate_output=True, batch_norm=part == "posterior"))
    model = vae(encoder, posterior, Encoded(encoder, posterior))
    with pytest.raises(ValueError, match="prior=Encoded shares .* batch normalization.*batch_norm=False"):
        trained(model, objectives.ELBO())


def test_a_stranger_made_of_its_posterior_cannot_be_fused() -> None:
    encoder, posterior = nets.MLP(6, 5), posteriors.Gaussian(5, 2)
    with pytest.raises(ValueError, match="prior=Encoded cannot be fused"):
        stages.Fused(Encoded(encoder, posterior), posterior)


def test_of_a_stranger_under_points_the_worst_is_assumed_unless_it_says_otherwise() -> None:
    def points(prior: nn.Module) -> VAE:
        return vae(nets.MLP(6, 5, activate_output=True), posteriors.Delta(5, 2), prior)

    with pytest.raises(ValueError, match="prior=Narrow of any width .* no minimum.*can_narrow = False"):
        trained(points(Narrow()), objectives.ELBO())
    trained(points(Narrow()), objectives.ELBO(beta=0.0))
    trained(points(Wide()), objectives.ELBO())


def test_what_a_prior_of_ones_own_refuses_is_heard() -> None:
    class Refusing(Wide):
        def bind(self, group: str, encoder: nn.Module, posterior: nn.Module) -> None:
            if group != "top":
                raise ValueError(f"made for the top, not for {group!r}")

    class Untrained(Wide):
        def check_training(self) -> None:
            raise ValueError("not to be trained")

    with pytest.raises(ValueError, match="made for the top, not for 'z'"):
        vae(nets.MLP(6, 5), posteriors.Gaussian(5, 2), Refusing())
    with pytest.raises(ValueError, match="not to be trained"):
        trained(vae(nets.MLP(6, 5), posteriors.Gaussian(5, 2), Untrained()), objectives.ELBO())
