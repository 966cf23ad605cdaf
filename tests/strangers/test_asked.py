"""What evaluations ask of parts, a user's own parts are asked too: no class of ours is looked for."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Multinomial, Normal, Poisson

from prioria import VAE, evaluate, fit, likelihoods, nets, objectives, posteriors, priors
from prioria.objectives.target import Target
from prioria.stage import Stage
from prioria.train import with_prior

SCALES, MEANS = torch.full((3, 2), 0.5), torch.tensor([[-4.0, 0.0], [4.0, 0.0], [4.0, 0.0]])


class TorchMixture(nn.Module):
    """torch's mixture, of which two components are the same."""

    def forward(self, context: Tensor | None = None) -> Distribution:
        parts = Independent(Normal(MEANS, SCALES), 1)
        return MixtureSameFamily(Categorical(torch.tensor([0.5, 0.25, 0.25])), parts)


class Documents(Multinomial):
    """Counts whose number is given."""

    def of_length(self, length: Tensor | float) -> Distribution:
        return Documents(int(torch.as_tensor(length).max()), logits=self.logits)

    def expected(self, length: Tensor | float) -> Tensor:
        return length * self.probs


class Counts(nn.Module):
    """Counts below a limit, which the data are asked about before the first step."""

    def __init__(self, inputs: int, below: float = math.inf) -> None:
        super().__init__()
        self.net, self.below = nets.MLP(2, inputs), below

    def check_values(self, largest: float, name: str) -> None:
        if largest >= self.below:
            raise ValueError(f"{name} has {largest:g}, which is not below {self.below:g}")

    def forward(self, z: Tensor) -> Distribution:
        return Independent(Poisson(self.net(z).exp()), 1)


class Words(Counts):
    def forward(self, z: Tensor) -> Distribution:
        return Documents(10, logits=self.net(z), validate_args=False)


def vae(prior: nn.Module, likelihood: nn.Module) -> VAE:
    torch.manual_seed(0)
    encoder, posterior = nets.MLP(4, 5, activate_output=True), posteriors.Gaussian(5, 2)
    return VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=likelihood)


def test_components_of_a_strangers_mixture_are_counted() -> None:
    model = vae(TorchMixture(), likelihoods.Bernoulli(nets.MLP(2, 4)))
    found = evaluate.prior_components(model, torch.zeros(9, 4), num_samples=200)
    assert found is not None and found.count == 3 and found.distinct == 2
    # The encodings of zeros lie near zero: by Bayes' rule the components share them as their densities there.
    z = evaluate.aggregate_draws(model, torch.zeros(9, 4), num_samples=200)
    logs = Normal(MEANS, SCALES).log_prob(z[:, None]).sum(-1) + torch.tensor([0.5, 0.25, 0.25]).log()
    torch.testing.assert_close(found.usage, logs.double().softmax(-1).mean(0).to(found.usage), rtol=1e-4, atol=1e-6)


def test_documents_of_a_stranger_are_compared_at_their_own_length() -> None:
    model, x = vae(priors.StandardNormal(2), Words(4)), torch.tensor([[8.0, 0, 0, 0], [0, 0, 2, 0]])
    found = evaluate.reconstruction(model, x)
    shares = [model.decode(model.encode(row)).probs for row in x]
    expected = torch.stack([row - row.sum() * share for row, share in zip(x, shares, strict=True)])
    assert found.from_mean == pytest.approx(expected.square().mean().sqrt().item(), rel=1e-5)
    with pytest.raises(ValueError, match="is an error of grey values, and x is Documents here"):
        Target.parse("rmse=0.1").check(model)


def test_a_strangers_likelihood_is_asked_whether_it_holds_the_data() -> None:
    rows = torch.randint(0, 6, (40, 4), generator=torch.Generator().manual_seed(0)).float()
    rows[3, 1] = 9
    with pytest.raises(ValueError, match="has 9, which is not below 9"):
        fit(vae(priors.StandardNormal(2), Counts(4, 9)), objectives.ELBO(), rows, epochs=1, progress=False)


def test_a_posterior_that_scores_its_own_draws_only_is_refused_by_a_vamp_prior() -> None:
    class Own(posteriors.Gaussian):
        own_draws_only = True

    with pytest.raises(ValueError, match="posterior=Own cannot be a VampPrior's"):
        priors.VampPrior(nets.MLP(4, 5), Own(5, 2), components=3, inputs=4)


def test_a_stage_of_ones_own_takes_another_prior_unless_its_posterior_reads_it() -> None:
    class Doubled(Stage):
        """Another merge, the usual posterior."""

        def merge(self, above: Tensor | None, z: Tensor) -> Tensor:
            return torch.cat([z, z], -1)

    class Shifted(Stage):
        def posterior(self, features: Tensor, above: Tensor | None, prior: Distribution) -> Distribution:
            q = super().posterior(features, above, prior).base_dist
            return Independent(Normal(q.loc + prior.mean, q.scale), 1)

    def of(kind: type[Stage], width: int) -> VAE:
        stage = kind(prior=priors.StandardNormal(2), posterior=posteriors.Gaussian(5, 2))
        likelihood = likelihoods.Bernoulli(nets.MLP(width, 4))
        return VAE(encoder=nets.MLP(4, 5), stages={"z": stage}, likelihood=likelihood)

    model, x = of(Doubled, 4).eval(), torch.rand(7, 4)
    other = with_prior(model, priors.Mixture(2, 3)).eval()
    assert torch.equal(other.encode(x), model.encode(x)) and type(other.top) is Doubled
    assert other.decode(torch.zeros(5, 2)).batch_shape == (5,) and type(other.top.p) is priors.Mixture
    with pytest.raises(ValueError, match=r"prior StandardNormal is part of its posterior \(Shifted\)"):
        with_prior(of(Shifted, 2), priors.Mixture(2, 3))
