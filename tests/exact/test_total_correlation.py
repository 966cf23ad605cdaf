"""The parts of the rate against quadrature of the exact aggregate posterior."""

from __future__ import annotations

import itertools
import math
import time
from contextlib import nullcontext

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from prioria import VAE, likelihoods, nets, objectives, posteriors, priors
from prioria.distributions import factors, normal
from prioria.draw import Draw, Latent
from prioria.objectives.aggregate import aggregate_log_probs
from prioria.train import fit
from tests.contract.standins import OpaqueFlow

MEAN = torch.tensor([[-1.0, 0.5], [1.5, 1.0], [0.2, -0.8], [0.9, 1.9]], dtype=torch.float64)
SCALE = torch.tensor([[0.5, 0.7], [0.6, 0.4], [0.9, 0.5], [0.4, 0.8]], dtype=torch.float64)
N = len(MEAN)


def grid(points: int = 401, reach: float = 9.0) -> tuple[torch.Tensor, float]:
    axis = torch.linspace(-reach, reach, points, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis), float(axis[1] - axis[0]) ** 2


def exact_densities(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """log q(z) and sum_j log q(z_j) of the exact mixture, by torch's own mixture."""
    weights = torch.ones(N, dtype=torch.float64)
    joint = MixtureSameFamily(Categorical(weights), Independent(Normal(MEAN, SCALE), 1)).log_prob(z)
    marginals = [
        MixtureSameFamily(Categorical(weights), Normal(MEAN[:, j], SCALE[:, j])).log_prob(z[:, j]) for j in range(2)
    ]
    return joint, sum(marginals)


def quadrature(prior: torch.distributions.Distribution) -> dict[str, float]:
    """I, TC and D by two-dimensional quadrature."""
    z, cell = grid()
    log_q, log_product = exact_densities(z)
    components = Independent(Normal(MEAN, SCALE), 1).log_prob(z.unsqueeze(1))
    with torch.no_grad():
        log_p = prior.log_prob(z)
    q = log_q.exp()
    return {
        "mutual_information": float((components.exp() * (components - log_q.unsqueeze(1))).sum() * cell / N),
        "total_correlation": float((q * (log_q - log_product)).sum() * cell),
        "dimension_wise": float((q * (log_product - log_p)).sum() * cell),
    }


def correlated_mixture() -> torch.distributions.Distribution:
    covariance = torch.tensor([[[1.0, 0.7], [0.7, 1.0]], [[1.0, -0.5], [-0.5, 2.0]]], dtype=torch.float64)
    normals = torch.distributions.MultivariateNormal(torch.zeros(2, 2, dtype=torch.float64), covariance)
    return MixtureSameFamily(Categorical(torch.ones(2, dtype=torch.float64)), normals)


PRIORS = {
    "standard": normal(torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)),
    "not-factorized": correlated_mixture(),
}


def draw_of(p: torch.distributions.Distribution) -> Draw:
    q = normal(MEAN, SCALE)
    z = q.sample((1,))
    latent = Latent(z=z, log_q=q.log_prob(z), log_p=p.log_prob(z), q=q, p=p)
    px, x = normal(z, torch.ones_like(z)), torch.zeros(N, 2, dtype=torch.float64)
    return Draw(latents={"z": latent}, px=px, x=x, log_px=px.log_prob(x))


@pytest.mark.parametrize("prior", PRIORS)
def test_each_part_of_the_rate_is_that_of_the_exact_mixture(prior: str) -> None:
    # The expectation over z ~ q(z|x_n) is itself a quadrature: on grid point z, example n weighs q(z|x_n) / N.
    p, expected = PRIORS[prior], quadrature(PRIORS[prior])
    q = normal(MEAN, SCALE)
    z, cell = grid()
    log_q, log_product = aggregate_log_probs(q, z, torch.full((len(z), N), -math.log(N), dtype=torch.float64))
    posterior = q.log_prob(z.unsqueeze(1)).exp() / N  # (points, n)
    mutual_information = (posterior * (q.log_prob(z.unsqueeze(1)) - log_q.unsqueeze(1))).sum() * cell
    with torch.no_grad():
        dimension_wise = (posterior.sum(1) * (log_product - p.log_prob(z))).sum() * cell
    total_correlation = (posterior.sum(1) * (log_q - log_product)).sum() * cell
    assert mutual_information.item() == pytest.approx(expected["mutual_information"], abs=1e-6)
    assert total_correlation.item() == pytest.approx(expected["total_correlation"], abs=1e-6)
    assert dimension_wise.item() == pytest.approx(expected["dimension_wise"], abs=1e-6)
    assert min(expected.values()) > 0.05


@pytest.mark.parametrize("prior", PRIORS)
def test_reported_parts_with_the_whole_set_as_batch(prior: str) -> None:
    # Minibatch-weighted densities of the whole set are low by exactly log N; what is left is Monte-Carlo error.
    p, expected = PRIORS[prior], quadrature(PRIORS[prior])
    tc, draws = objectives.Minibatch(dataset_size=N), 500
    objective = objectives.BetaTC(alpha=2.0, beta=3.0, gamma=4.0, tc=tc)
    terms = [objective(draw_of(p)).terms for _ in range(draws)]
    offsets = {"mutual_information": math.log(N), "total_correlation": math.log(N), "dimension_wise": -2 * math.log(N)}
    for name, offset in offsets.items():
        values = torch.stack([each[name] for each in terms]).mean(1)
        # five standard errors: false alarm 6e-7 for each
        assert abs(values.mean().item() - offset - expected[name]) < 5 * values.std().item() / math.sqrt(draws)


def test_under_a_prior_that_fits_and_does_not_factorize_the_last_part_is_minus_the_total_correlation() -> None:
    fitting = MixtureSameFamily(Categorical(torch.ones(N, dtype=torch.float64)), Independent(Normal(MEAN, SCALE), 1))
    expected = quadrature(fitting)
    assert expected["dimension_wise"] == pytest.approx(-expected["total_correlation"], abs=1e-9)
    assert expected["total_correlation"] > 0.05


def test_a_weight_that_rewards_total_correlation_is_called_out() -> None:
    tc = objectives.Stratified(dataset_size=50)
    with pytest.warns(UserWarning, match=r"gamma=15.0 > beta=4.0 .* use gamma <= beta"):
        objectives.BetaTC(4.0, gamma=15.0, tc=tc).check(model())
    objectives.BetaTC(4.0, tc=tc).check(model())  # a warning would be an error here
    objectives.BetaTC(4.0, gamma=15.0, tc=tc).check(model(prior=priors.StandardNormal(3)))


@pytest.mark.parametrize(("gamma", "wrong"), [(15.0, True), (1.0, False)])
def test_training_warns_of_a_divergence_below_zero_that_it_weighs(gamma: float, wrong: bool) -> None:
    """Minibatch-weighted densities are low by log N, D therefore by up to L log N."""
    x = torch.rand(100, 6, generator=torch.Generator().manual_seed(0)).round()
    objective = objectives.BetaTC(15.0, gamma=gamma)
    with pytest.warns(UserWarning, match="no divergence is negative") if wrong else nullcontext():
        run = fit(model(prior=priors.StandardNormal(3)), objective, x, epochs=2, batch_size=24, progress=False)
    best = run.best
    assert best is not None and best["dimension_wise"] < -1  # of both: only the weight makes it worth lowering


def test_objective_weighs_each_part() -> None:
    draw = draw_of(PRIORS["standard"])
    tc = objectives.Stratified(dataset_size=50)
    parts = objectives.BetaTC(1.0, tc=tc)(draw).terms
    value = objectives.BetaTC(beta=3.0, alpha=0.0, gamma=5.0, tc=tc)(draw).value
    by_hand = draw.distortion.mean() + 0 * parts["mutual_information"].mean()
    by_hand += 3 * parts["total_correlation"].mean() + 5 * parts["dimension_wise"].mean()
    torch.testing.assert_close(value, by_hand)
    torch.testing.assert_close(objectives.BetaTC(1.0, tc=tc)(draw).value, -draw.log_w.mean())


@pytest.mark.parametrize(("batch", "size"), [(2, 5), (4, 100), (5, 5), (6, 5 + 1)])
def test_stratified_weights(batch: int, size: int) -> None:
    weights = objectives.Stratified(size).log_weights(batch).exp()
    others = batch - 1
    torch.testing.assert_close(weights.sum(1), torch.ones(batch))
    torch.testing.assert_close(weights.diag(), torch.full((batch,), 1 / size))
    strata = weights[torch.arange(batch), (torch.arange(batch) + 1) % batch]
    torch.testing.assert_close(strata, torch.full((batch,), (size - others) / (size * others)))
    if batch > 2:
        assert (weights.isclose(torch.tensor(1 / others)).sum(1) >= batch - 2).all()


def test_stratified_density_is_unbiased_over_batches() -> None:
    # The average over every ordered batch of three that starts with the example itself is the exact mixture.
    size, own = N, 2
    z = torch.tensor([[0.3, 0.4]], dtype=torch.float64)
    exact = exact_densities(z)[0].exp()
    log_weights = objectives.Stratified(size).log_weights(3)[:1].double()
    estimates = []
    for others in itertools.permutations([n for n in range(N) if n != own], 2):
        batch = [own, *others]
        estimates.append(aggregate_log_probs(normal(MEAN[batch], SCALE[batch]), z, log_weights)[0].exp())
    torch.testing.assert_close(torch.stack(estimates).mean(0), exact)
    assert torch.stack(estimates).std() > 0.01 * exact  # one ordering alone is not the mixture


def test_tiles_change_nothing() -> None:
    torch.manual_seed(1)
    batch, latents = 300, 20  # several tiles, recomputed in the backward pass
    leaves = [torch.randn(batch, latents, requires_grad=True) for _ in range(3)]
    log_weights = objectives.Stratified(1000).log_weights(batch)
    results = []
    for evaluate in (aggregate_log_probs, in_one_piece):
        mean, raw, z = leaves
        joint, product = evaluate(normal(mean, raw.exp()), z, log_weights)
        gradients = torch.autograd.grad((joint * torch.arange(batch) + product).sum() / batch, leaves)
        results.append((joint, product, *gradients))
    for tiled, whole in zip(*results, strict=True):
        torch.testing.assert_close(tiled, whole, rtol=1e-4, atol=1e-4)


def in_one_piece(q, z, log_weights):
    pairs = factors(q).log_prob(z.unsqueeze(1))
    joint = torch.logsumexp(pairs.sum(-1) + log_weights, -1)
    return joint, torch.logsumexp(pairs + log_weights.unsqueeze(-1), 1).sum(-1)


@pytest.mark.slow
def test_tiles_are_faster_than_one_piece() -> None:
    batch, latents = 700, 40
    mean, z = torch.randn(batch, latents, requires_grad=True), torch.randn(batch, latents)
    log_weights = torch.zeros(batch, batch)

    def seconds(evaluate) -> float:
        start = time.process_time()
        joint, product = evaluate(normal(mean, torch.ones(batch, latents)), z, log_weights)
        torch.autograd.grad((joint + product).sum(), mean)
        return time.process_time() - start

    tiled, whole = (min(seconds(evaluate) for _ in range(2)) for evaluate in (aggregate_log_probs, in_one_piece))
    assert tiled < whole / 1.3  # measured 3.4 at a batch of 1000, two samples of CPU time in one process


def model(posterior=None, latents: int = 3, prior=None) -> VAE:
    return VAE(
        encoder=nets.GatedMLP(6, 7, gated_output=True),
        posterior=posteriors.Gaussian(7, latents) if posterior is None else posterior,
        prior=priors.RealNVP(latents, hidden=8) if prior is None else prior,
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(latents, 8, 6)),
    )


class TestRefusals:
    def test_a_flow_posterior_needs_the_density_ratio(self) -> None:
        vae = model(OpaqueFlow(7, 3))
        with pytest.raises(ValueError, match=r"no per-dimension marginals; use .* tc=DensityRatio\(\)"):
            objectives.BetaTC(tc=objectives.Minibatch()).check(vae, range(10))
        objective = objectives.BetaTC(tc=objectives.DensityRatio(3, hidden=8))
        objective.check(vae, range(10))
        objective(vae.draw(torch.rand(5, 6).round())).surrogate.backward()
        with pytest.raises(ValueError, match="alpha=0.5"):
            objectives.BetaTC(alpha=0.5, tc=objectives.DensityRatio(3))

    def test_weights_that_seek_what_they_should_suppress(self) -> None:
        with pytest.raises(ValueError, match="beta=-1.0 and gamma=1.0 must not be negative"):
            objectives.BetaTC(beta=-1.0)
        with pytest.raises(ValueError, match="beta=6.0 and gamma=-0.5 must not be negative"):
            objectives.BetaTC(gamma=-0.5)
        with pytest.raises(ValueError, match="gamma=-0.5 would reward the total correlation"):
            objectives.FactorVAE(-0.5, 3)

    def test_a_learned_prior_that_nothing_would_train(self) -> None:
        objective = objectives.BetaTC(gamma=0.0)
        with pytest.raises(ValueError, match="gamma=0 leaves out the part D.*RealNVP; use gamma=1, or"):
            objective.check(model(), range(10))
        objective.check(model(prior=priors.StandardNormal(3)), range(10))

    def test_dataset_size_is_known_to_fit_only(self) -> None:
        objective = objectives.BetaTC()
        with pytest.raises(ValueError, match=r"dataset_size=None.*tc=Minibatch\(dataset_size"):
            objective(model().draw(torch.rand(5, 6).round()))
        with pytest.raises(ValueError, match="dataset_size=None"):
            objective.check(model())
        objective.check(model(), range(20))
        assert objective.tc.size == 20
        with pytest.raises(ValueError, match="dataset_size=30, but there are 20"):
            objectives.BetaTC(tc=objectives.Minibatch(30)).check(model(), range(20))
        with pytest.raises(ValueError, match="dataset_size=3 is smaller than a batch of 5"):
            objectives.Stratified(3).log_weights(5)

    def test_bits_without_gradients(self) -> None:
        bits = VAE(
            encoder=nets.GatedMLP(6, 7, gated_output=True),
            posterior=posteriors.Bernoulli(7, 3, straight_through=False),
            prior=priors.Bernoulli(3),
            likelihood=likelihoods.Bernoulli(nets.GatedMLP(3, 8, 6)),
        )
        for objective in (objectives.BetaTC(), objectives.FactorVAE(2.0, 3), objectives.InfoVAE()):
            with pytest.raises(ValueError, match="straight_through=True"):
                objective.check(bits, range(10))

    def test_sizes_and_groups(self) -> None:
        with pytest.raises(ValueError, match=r"latents=5 but the group has 3; use tc=DensityRatio\(latents=3\)"):
            objectives.FactorVAE(2.0, 5).check(model(), range(10))
        with pytest.raises(ValueError, match="group='z1' is unknown"):
            objectives.BetaTC(group="z1").check(model(), range(10))
        objective = objectives.BetaTC(tc=objectives.Minibatch(10))
        with pytest.raises(ValueError, match="num_samples=2"):
            objective(model().draw(torch.rand(5, 6).round(), num_samples=2))
