"""The hierarchical prior against closed forms, quadrature and scipy."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from prioria import VAE, likelihoods, objectives, priors
from prioria.distributions import marginal

SIGMAS = 3.9  # two-sided false-alarm rate of 1e-4 for a mean with a known standard error
SLOPE, NOISE = 1.5, 0.8  # p(zeta) = N(0, 1), p(z|zeta) = N(SLOPE zeta, NOISE^2), so p(z) = N(0, SLOPE^2 + NOISE^2)
VARIANCE = SLOPE**2 + NOISE**2


def linear_gaussian(slope: float, scale: float) -> priors.Gaussian:
    """The conditional N(slope c, scale^2) of a number c."""
    conditional = priors.Gaussian(1, 1)
    with torch.no_grad():
        conditional.heads.weight.copy_(torch.tensor([[slope], [0.0]]))
        conditional.heads.bias.copy_(torch.tensor([0.0, 2 * math.log(scale)]))
    return conditional


def exact_encoder(widening: float = 1.0) -> priors.Gaussian:
    """q(zeta|z) = p(zeta|z), or one with a standard deviation that is too wide."""
    return linear_gaussian(SLOPE / VARIANCE, widening * NOISE / math.sqrt(VARIANCE))


def prior_with(encoder: nn.Module, num_samples: int) -> priors.Hierarchical:
    return priors.Hierarchical(
        1, 1, num_samples, auxiliary_decoder=linear_gaussian(SLOPE, NOISE), auxiliary_encoder=encoder
    )


def log_density(z: Tensor) -> Tensor:
    return torch.from_numpy(stats.norm(scale=math.sqrt(VARIANCE)).logpdf(z.squeeze(-1).numpy())).float()


@pytest.mark.parametrize("grad", [True, False])
def test_exact_auxiliary_posterior_gives_the_density_with_one_sample(grad: bool) -> None:
    z = torch.linspace(-6, 6, 50).reshape(10, 5, 1)
    with torch.set_grad_enabled(grad):
        bound = prior_with(exact_encoder(), 1)().log_prob(z)
    torch.testing.assert_close(bound.detach(), log_density(z), rtol=1e-5, atol=1e-5)


def test_bound_rises_with_the_samples_from_its_closed_form_to_the_density() -> None:
    widening, z = 2.0, torch.full((40_000, 1), 1.3)
    gap = 0.5 * (widening**2 - 1) - math.log(widening)  # KL of two Gaussians with one mean
    means, errors = [], []
    for samples in (1, 2, 5, 16, 50):
        with torch.no_grad():
            bound = prior_with(exact_encoder(widening), samples)().log_prob(z).double()
        means.append(bound.mean().item())
        errors.append(bound.std().item() / math.sqrt(len(z)))
    exact = log_density(z[:1]).item()
    assert abs(means[0] - (exact - gap)) < SIGMAS * errors[0]
    for k in range(4):
        assert means[k + 1] - means[k] > SIGMAS * math.hypot(errors[k], errors[k + 1])
    assert means[-1] < exact
    assert exact - means[-1] < 0.01


class Curve(nn.Module):
    """p(z|zeta) = N((sin 2 zeta, zeta^2 / 2)[:latents], 0.3^2), whose marginal has no closed form."""

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.latents = latents

    def forward(self, zeta: Tensor) -> torch.distributions.Distribution:
        mean = torch.cat([torch.sin(2 * zeta), zeta.square() / 2], -1)[..., : self.latents]
        return torch.distributions.Independent(torch.distributions.Normal(mean, torch.full_like(mean, 0.3)), 1)


class Wide(nn.Module):
    """q(zeta|z) = N(0, 1.5^2): weights against N(0, 1) are bounded."""

    def forward(self, z: Tensor) -> torch.distributions.Distribution:
        zero = torch.zeros_like(z[..., :1])
        return torch.distributions.Independent(torch.distributions.Normal(zero, zero + 1.5), 1)


@pytest.mark.parametrize("latents", [1, 2])
def test_many_samples_agree_with_quadrature(latents: int) -> None:
    z = torch.tensor([[0.0, 0.1], [0.8, 0.4], [-0.5, 1.5], [1.2, 0.0]])[:, :latents]
    zeta = torch.linspace(-8, 8, 8001).unsqueeze(-1)
    decoder = Curve(latents)
    joint = decoder(zeta.unsqueeze(1)).log_prob(z) - 0.5 * zeta.square() - 0.5 * math.log(2 * math.pi)
    exact = torch.trapezoid(joint.double().exp(), zeta.squeeze(-1).double(), dim=0)
    prior = priors.Hierarchical(latents, 1, 5000, auxiliary_decoder=decoder, auxiliary_encoder=Wide())
    with torch.no_grad():
        density = torch.stack([prior().log_prob(z).double().exp() for _ in range(30)])
    assert ((density.mean(0) - exact).abs() < SIGMAS * density.std(0) / math.sqrt(30)).all()
    assert ((density.mean(0) / exact - 1).abs() < 0.02).all()


def test_estimate_of_the_density_is_unbiased_for_any_number_of_samples() -> None:
    grid = torch.linspace(-6, 6, 20_001).unsqueeze(-1)
    cell = (grid[1] - grid[0]).item()
    with torch.no_grad():
        prior = priors.Hierarchical(1, 1, 2, auxiliary_decoder=Curve(1), auxiliary_encoder=Wide())
        density = prior().log_prob(grid).double().exp()
    error = cell * density.std().item() * math.sqrt(len(grid))  # an upper bound: the mean varies along the grid too
    assert abs(cell * density.sum().item() - 1) < SIGMAS * error


def test_ancestral_samples_follow_the_marginal() -> None:
    sample = prior_with(exact_encoder(), 1)().sample((60, 100))
    assert sample.shape == (60, 100, 1)
    assert stats.kstest(sample.flatten().numpy(), stats.norm(scale=math.sqrt(VARIANCE)).cdf).pvalue > 1e-4


class Largest(TorchDispatchMode):
    """Records the number of elements of the largest tensor that an operation makes."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.elements = max(self.elements, result.untyped_storage().nbytes() // 4)
        return result


def test_rows_are_tiled_in_order_and_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    prior = priors.Hierarchical(4, 4, num_samples=16)
    with torch.no_grad(), Largest() as largest:
        prior().log_prob(torch.zeros(50, 100, 4))
        prior().sample((20_000,))
    assert largest.elements < 2**23  # 32 MB; at once the hidden layers would take 82 MB
    monkeypatch.setattr(marginal, "TILE", 7)
    test_exact_auxiliary_posterior_gives_the_density_with_one_sample(grad=False)


def test_two_stochastic_layers_estimate_the_marginal_likelihood() -> None:
    model = VAE(
        encoder=nn.Identity(),
        posterior=linear_gaussian(0.8, 0.9),
        prior=prior_with(exact_encoder(1.3), 1),
        likelihood=likelihoods.Gaussian(nn.Identity(), scale=0.7),
    )
    x = torch.tensor([[0.9]])
    with torch.no_grad():
        weights = model.draw(x, num_samples=200_000).log_w.double().exp()
        objective = objectives.IWAE(200_000)(model.draw(x, num_samples=200_000)).value.item()
    exact = stats.norm(scale=math.sqrt(VARIANCE + 0.7**2)).logpdf(0.9)
    error = (weights.std() / weights.mean()).item() / math.sqrt(200_000)
    assert abs(weights.mean().log().item() - exact) < SIGMAS * error
    assert abs(-objective - exact) < SIGMAS * error


def test_auxiliary_latents_are_as_many_as_latents_by_default() -> None:
    assert priors.Hierarchical(3)().zeta.event_shape == (3,)


def test_more_samples_may_be_asked_of_a_trained_prior() -> None:
    prior = priors.Hierarchical(2, 2, num_samples=2)
    prior.num_samples = 5
    assert prior().num_samples == 5


@pytest.mark.parametrize("sizes", [(0, 2, 3), (2, 0, 3), (2, 2, 0)])
def test_sizes_must_be_positive(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        priors.Hierarchical(*sizes)


def test_gradient_passes_through_the_prior_to_z() -> None:
    prior = priors.Hierarchical(2, 2, num_samples=3)
    z = torch.zeros(4, 2, requires_grad=True)
    prior().log_prob(z).sum().backward()
    assert z.grad is not None and (z.grad.abs().sum(-1) > 0).all()
