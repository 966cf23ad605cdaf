"""An objective of a user's own meets the refusals that ours meet, and its gradient is the exact one."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from prioria import VAE, likelihoods, nets, objectives, posteriors, priors, stages
from prioria.objectives import GECO, REWO, Objective
from prioria.train import fit
from tests.strangers import objectives as own
from tests.train.small import OPTIONS, digits

INPUTS, BITS = 6, 3


def model_of(posterior: nn.Module, prior: nn.Module) -> VAE:
    torch.manual_seed(0)
    decoder = likelihoods.Bernoulli(nets.GatedMLP(BITS, INPUTS))
    return VAE(
        encoder=nets.GatedMLP(INPUTS, 8, gated_output=True), posterior=posterior, prior=prior, likelihood=decoder
    )


def bits(straight_through: bool = False) -> VAE:
    return model_of(posteriors.Bernoulli(8, BITS, straight_through=straight_through), priors.Bernoulli(BITS))


def gaussian(prior: nn.Module | None = None) -> VAE:
    return model_of(posteriors.Gaussian(8, BITS), priors.StandardNormal(BITS) if prior is None else prior)


def points(prior: nn.Module) -> VAE:
    return model_of(posteriors.Delta(8, BITS), prior)


def hierarchy() -> VAE:
    sizes = {"z2": 1, "z1": 2}
    return VAE(
        encoder=nets.BottomUp(INPUTS, sizes, activation="softplus"),
        stages=stages.BinaryHierarchy(sizes, straight_through=False),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, INPUTS)),
    )


def rows(count: int) -> Tensor:
    return torch.bernoulli(torch.full((count, INPUTS), 0.4), generator=torch.Generator().manual_seed(1)).double()


def expected_gradients(model: VAE, objective: Objective, x: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over all pairs of states of one x: the gradient of the expected objective, and the expected gradient."""
    widths = [z.shape[-1] for z in model.generate(1).z.values()]
    states = [torch.tensor(each).double() for each in itertools.product([0.0, 1.0], repeat=sum(widths))]
    parameters = [p for p in model.parameters() if p.requires_grad]
    truth, found = torch.zeros(()).double(), torch.zeros(()).double()
    condition = model.condition(x)
    for pair in itertools.product(states, repeat=2):
        parts = torch.stack(pair)[:, None].split(widths, -1)
        draw = condition.draw(2, given=dict(zip(model.groups, parts, strict=True)))
        log_q = torch.stack([latent.rate + latent.log_p for latent in draw.latents.values()]).sum()
        loss = objective(draw)
        truth = truth + log_q.exp() * loss.value
        found = found + log_q.exp().detach() * loss.surrogate
    gradients = [torch.autograd.grad(each, parameters, retain_graph=True, allow_unused=True) for each in (truth, found)]
    flat = [torch.cat([torch.zeros(1) if g is None else g.flatten() for g in each]) for each in gradients]
    return flat[0], flat[1]


COSTS = [
    own.SquaredRate(2.0, num_samples=2),
    own.CubedDistortion(num_samples=2),
    own.Renyi(0.5),
    own.Renyi(2.0),
    objectives.ELBO(beta=0.3, num_samples=2),
    objectives.IWAE(2),
]


@pytest.mark.parametrize("build", [bits, hierarchy])
@pytest.mark.parametrize("objective", COSTS, ids=lambda each: type(each).__name__)
def test_the_gradient_of_whatever_is_written_as_a_cost_is_the_exact_one(objective: Objective, build) -> None:
    torch.manual_seed(0)
    model = build().double()
    objective.check(model, rows(9))
    truth, found = expected_gradients(model, objective, rows(1))
    torch.testing.assert_close(found, truth, rtol=1e-9, atol=1e-12)
    assert truth.norm() > 0.1


@pytest.mark.parametrize("reduction", [objectives.Mean(), objectives.LogMeanExp()], ids=["mean", "log-mean-exp"])
@pytest.mark.parametrize("count", [2, 5])
def test_closed_signals_are_those_of_leaving_each_draw_out(reduction: objectives.Reduction, count: int) -> None:
    cost = torch.randn(count, 4, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(reduction.signal(cost), objectives.Reduction.signal(reduction, cost))


def test_sampled_gradients_of_an_example_agree_with_the_exact_one() -> None:
    """The one case written as a user would test it: a cosine over many draws."""
    model, objective = bits(), own.SquaredRate(2.0, num_samples=50)
    x, codes = rows(5).float(), torch.tensor(list(itertools.product([0.0, 1.0], repeat=BITS)))
    weight = next(p for name, p in model.named_parameters() if ".q." in name and p.dim() == 2)
    draw = model.condition(x).draw(8, given={"z": codes[:, None, :]})
    log_q = draw.rate + draw.latents["z"].log_p
    exact = (log_q.exp() * objective.cost(draw)).sum(0).mean()
    truth = torch.autograd.grad(exact, weight)[0].flatten()
    found = torch.stack(
        [torch.autograd.grad(objective(model.draw(x, 50)).surrogate, weight)[0].flatten() for _ in range(100)]
    )
    assert torch.cosine_similarity(found.mean(0), truth, 0) > 0.99


def test_one_draw_without_a_gradient_is_refused() -> None:
    with pytest.raises(ValueError, match="num_samples=1 leaves no other draw"):
        own.SquaredRate(2.0).check(bits())
    own.SquaredRate(2.0).check(bits(straight_through=True))
    own.SquaredRate(2.0, num_samples=2).check(bits())


def test_no_draw_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="num_samples=0 must be at least 1"):
        own.SquaredRate(2.0, num_samples=0).check(gaussian())


def test_points_under_a_prior_that_can_narrow_are_refused_unless_the_rate_has_a_floor() -> None:
    with pytest.raises(ValueError, match="the rate of its codes has no minimum"):
        own.SquaredRate(2.0).check(points(priors.Mixture(BITS, 4)))
    own.SquaredRate(2.0).check(points(priors.StandardNormal(BITS)))
    own.Declared(2.0).check(points(priors.Mixture(BITS, 4)))


def test_bits_under_a_density_are_refused() -> None:
    model = model_of(posteriors.Bernoulli(8, BITS, straight_through=True), priors.Mixture(BITS, 4))
    with pytest.raises(ValueError, match="over real numbers, the posterior .* over discrete values"):
        own.SquaredRate(2.0).check(model)


@pytest.mark.parametrize("wrap", [GECO, REWO])
def test_no_constraint_wraps_what_does_not_say_what_weighs_its_rate(wrap: type[GECO | REWO]) -> None:
    for inner in (own.SquaredRate(2.0), own.CubedDistortion(), own.ByHand(), own.Renyi()):
        with pytest.raises(ValueError, match=f"inner={type(inner).__name__} has a weighting.. that does not say"):
            wrap(inner, "nats=3")
    assert wrap(own.Declared(2.0), "nats=3").inner.target == 2.0


class Cubed:
    """A mixin, which comes before the objective."""

    def cost(self, draw, progress=None):
        return draw.distortion**3


def test_another_cost_takes_back_what_its_parent_declared() -> None:
    class Mixed(Cubed, objectives.Capacity):
        pass

    class Renamed(objectives.ELBO):
        pass

    assert objectives.Capacity(2.0).minimized(["z"]) == () and Mixed(2.0).minimized(["z"]) == ["z"]
    assert Mixed(2.0).weighting() == Objective().weighting()
    assert Renamed().weighting() is None and own.CubedDistortion().weighting() is not None


def test_forward_by_hand_has_no_score_function() -> None:
    with pytest.raises(ValueError, match="ByHand defines forward, which has no score function.*define cost"):
        own.ByHand().check(bits())
    own.ByHand().check(gaussian())


@pytest.mark.parametrize("objective", [own.MeanRate(), own.OtherDraws()], ids=lambda each: type(each).__name__)
def test_a_cost_of_other_draws_has_no_score_function(objective: Objective) -> None:
    with pytest.raises(
        ValueError, match=f"{type(objective).__name__}.cost of one draw depends on other draws or other"
    ):
        objective.check(bits())
    objective.check(bits(straight_through=True))
    objective.check(gaussian())


def test_a_term_of_the_batch_needs_gradients() -> None:
    with pytest.raises(ValueError, match="draws have no gradient, which a term of the whole batch needs"):
        own.Spread().check(bits())
    objective, model = own.Spread(), bits(straight_through=True)
    objective.check(model)
    draw = model.draw(rows(5).float(), 2)
    loss, spread = objective(draw), draw.rate.mean(0).std()
    torch.testing.assert_close(loss.value, -draw.log_w.mean() + spread)
    torch.testing.assert_close(loss.surrogate, loss.value)
    torch.testing.assert_close(loss.terms["spread"], spread.detach().expand(5))


def test_a_cost_that_is_averaged_already_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Averaged.cost gives shape \(2,\), not \(K, B\) = \(1, 2\)"):
        own.Averaged().check(gaussian())


def test_an_objective_without_a_cost_says_so() -> None:
    class Nothing(Objective):
        pass

    with pytest.raises(NotImplementedError, match="Nothing must define cost"):
        Nothing().check(gaussian())


def test_it_is_refused_before_the_first_step_and_trains_with_the_remedy() -> None:
    def model() -> VAE:
        torch.manual_seed(0)
        return VAE(
            encoder=nets.GatedMLP(64, 8, gated_output=True),
            posterior=posteriors.Bernoulli(8, BITS, straight_through=False),
            prior=priors.Bernoulli(BITS),
            likelihood=likelihoods.Bernoulli(nets.GatedMLP(BITS, 64)),
        )

    refused, trained = model(), model()
    before = {name: each.clone() for name, each in refused.state_dict().items()}
    with pytest.raises(ValueError, match="num_samples=1"):
        fit(refused, own.SquaredRate(1.0), digits(), **OPTIONS)
    assert all(torch.equal(each, before[name]) for name, each in refused.state_dict().items())
    history = fit(trained, own.SquaredRate(1.0, num_samples=8), digits(), **OPTIONS).history
    losses = [line["loss"] for line in history if line["split"] == "train"]
    assert losses[-1] < losses[0]
