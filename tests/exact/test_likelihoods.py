"""Every likelihood is a distribution of x: sums and integrals are one, and values are those of scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor, nn

from prioria import distributions, likelihoods, nets


class Output(nn.Module):
    """A network that gives the same output for every z."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output

    def forward(self, z: Tensor) -> Tensor:
        return self.output.expand(*z.shape[:-1], -1)


Z = torch.zeros(1, 2)


def test_bernoulli_sums_to_one_over_all_images() -> None:
    px = likelihoods.Bernoulli(Output(4 * torch.randn(6)))(Z)
    images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6)
    assert px.log_prob(images).exp().sum().item() == pytest.approx(1.0, abs=1e-5)


def test_bernoulli_is_exact_where_probabilities_round_to_zero_and_one() -> None:
    px = likelihoods.Bernoulli(Output(torch.tensor([-200.0, 50.0, 200.0])))(Z)
    assert px.log_prob(torch.tensor([[1.0, 0.0, 0.0]])).item() == pytest.approx(-450.0)
    assert px.log_prob(torch.tensor([[0.0, 1.0, 1.0]])).item() == pytest.approx(-math.exp(-50), abs=1e-20)


@pytest.mark.parametrize(("mean", "log_scale"), [(0.0, -2.0), (8.0, -4.5), (-8.0, 0.0), (0.3, -9.0), (30.0, -4.5)])
@pytest.mark.parametrize("bins", [4, 256])
def test_discretized_logistic_sums_to_one_over_its_bins(mean: float, log_scale: float, bins: int) -> None:
    network = Output(torch.tensor([mean, log_scale]))
    px = likelihoods.DiscretizedLogistic(network, bins=bins)(Z)
    for place in (0.0, 0.5):  # lower edge and middle of every bin
        grey = (torch.arange(bins)[:, None] + place) / bins
        assert px.log_prob(grey).double().exp().sum().item() == pytest.approx(1.0, abs=1e-4)


def test_discretized_logistic_is_the_difference_of_two_cumulatives() -> None:
    network = Output(torch.tensor([0.2, -1.0]))
    px = likelihoods.DiscretizedLogistic(network, bins=8)(Z)
    edges = stats.logistic.cdf(np.arange(9) / 8, loc=1 / (1 + math.exp(-0.2)), scale=math.exp(-1))
    edges[0], edges[-1] = 0.0, 1.0
    np.testing.assert_allclose(px.log_prob(torch.arange(8)[:, None] / 8), np.log(np.diff(edges)), rtol=1e-4)


@pytest.mark.parametrize("bins", [8, 49, 100, 256])
def test_draws_of_a_discretized_logistic_are_read_as_the_bin_that_they_are_of(bins: int) -> None:
    pixels = distributions.DiscretizedLogistic(torch.tensor(0.5), torch.tensor(0.0), bins)
    draws = pixels.sample((100_000,)).unique()
    middles = (torch.arange(bins) + 0.5) / bins
    torch.testing.assert_close(draws, middles)  # a lower edge such as 29 / 100 would be read as the bin below


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_lower_edge_of_a_bin_lies_in_it_whatever_the_number_of_bins(dtype: torch.dtype) -> None:
    """In single precision 53 / 100 times 100 is below 53, and so it goes for 162 of the numbers of bins up to 256."""
    for bins in (*range(2, 257), 1000, 65_535, 65_536):
        pixels = distributions.DiscretizedLogistic(torch.tensor(0.4), torch.tensor(-1.0), bins)
        grey = torch.arange(bins, dtype=dtype)
        edges, middles = (pixels.log_prob((grey + place) / bins) for place in (0.0, 0.5))
        assert torch.equal(edges, middles), bins


def test_discretized_logistic_is_sampled_as_it_is_scored() -> None:
    px = likelihoods.DiscretizedLogistic(Output(torch.tensor([0.2, -1.0])), bins=8)(Z)
    counts = (px.sample(torch.Size([20_000])) * 8).int().flatten().bincount(minlength=8)
    expected = 20_000 * px.log_prob(torch.arange(8)[:, None] / 8).double().exp().numpy()
    assert stats.chisquare(counts.numpy(), expected * 20_000 / expected.sum()).pvalue > 1e-4


@pytest.mark.parametrize("bins", [2, 4, 32, 256])
def test_discretized_logistic_has_the_mean_of_its_bins(bins: int) -> None:
    location = torch.linspace(0, 1, 41, dtype=torch.float64).requires_grad_()
    log_scale = torch.linspace(-9, 0, 19, dtype=torch.float64)[:, None].requires_grad_()
    pixels = distributions.DiscretizedLogistic(location, log_scale, bins)
    assert pixels.mean.shape == pixels.batch_shape
    grey = (torch.arange(bins, dtype=torch.float64)[:, None, None] + 0.5) / bins
    expected = (pixels.log_prob(grey).exp() * grey).sum(0)
    torch.testing.assert_close(pixels.mean, expected, atol=3e-7, rtol=0)
    gradients = [torch.autograd.grad(each.sum(), (location, log_scale)) for each in (pixels.mean, expected)]
    torch.testing.assert_close(*gradients, atol=1e-3, rtol=1e-3)


def test_the_mean_of_a_wide_discretized_logistic_is_not_its_location() -> None:
    px = likelihoods.DiscretizedLogistic(Output(torch.tensor([3.0, -1.0])))(Z)
    edges = stats.logistic.cdf(np.arange(1, 256) / 256, loc=1 / (1 + math.exp(-3)), scale=math.exp(-1))
    assert px.mean.item() == pytest.approx((0.5 + (1 - edges).sum()) / 256, abs=1e-6)


def test_categorical_sums_to_one_over_all_rows() -> None:
    px = likelihoods.Categorical(Output(2 * torch.randn(6)), categories=3)(Z)
    rows = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    assert px.log_prob(rows).exp().sum().item() == pytest.approx(1.0, abs=1e-5)


def test_categorical_is_that_of_logits_written_category_by_category() -> None:
    logits = torch.tensor([[0.0, -1.0], [1.0, 0.0], [2.0, 3.0]])  # of three categories, each for both dimensions
    px = likelihoods.Categorical(Output(logits.flatten()), categories=3)(Z)
    expected = logits.log_softmax(0)[2, 0] + logits.log_softmax(0)[0, 1]
    torch.testing.assert_close(px.log_prob(torch.tensor([[2, 0]])), expected[None])


@pytest.mark.parametrize(
    "decoder",
    [
        nets.GatedConvDecoder(2, (1, 4, 4), channels=3, depth=1, outputs_per_pixel=3),
        nets.ConvDecoder(2, (1, 4, 4), channels=(3,), outputs_per_pixel=3),
        nets.ResidualDecoder(2, (1, 4, 4), channels=(3,), blocks=1, outputs_per_pixel=3),
        nets.PyramidHead((1, 4, 4), channels=2, outputs_per_pixel=3),
    ],
    ids=lambda decoder: type(decoder).__name__,
)
def test_map_c_of_a_convolutional_decoder_is_the_logit_of_category_c_at_each_pixel(decoder: nn.Module) -> None:
    maps: list[Tensor] = []
    last = [each for each in decoder.modules() if isinstance(each, nn.Conv2d | nn.ConvTranspose2d)][-1]
    last.register_forward_hook(lambda _module, _inputs, output: maps.append(output))
    z = torch.randn((5, 2, 4, 4) if isinstance(decoder, nets.PyramidHead) else (5, 2))
    probabilities = likelihoods.Categorical(decoder, categories=3)(z).base_dist.probs
    expected = maps[0].softmax(1)  # (5, 3, 4, 4)
    torch.testing.assert_close(probabilities.mT.unflatten(-1, (4, 4)), expected)


@pytest.mark.parametrize(
    ("variance", "output", "scales"),
    [
        ("fixed", [1.0, -2.0], [0.3, 0.3]),
        ("global", [1.0, -2.0], [0.3, 0.3]),
        ("pixel", [1.0, -2.0, 2 * math.log(0.5), 2 * math.log(2.0)], [0.5, 2.0]),
    ],
)
def test_gaussian_is_that_of_scipy(variance, output: list[float], scales: list[float]) -> None:
    own = {} if variance == "pixel" else {"scale": 0.3}
    likelihood = likelihoods.Gaussian(Output(torch.tensor(output)), variance=variance, **own)
    px = likelihood(Z)
    x = torch.randn(5, 2)
    expected = stats.norm.logpdf(x.numpy(), output[:2], scales).sum(1)
    np.testing.assert_allclose(px.log_prob(x).detach(), expected, rtol=1e-5)


def test_gaussian_integrates_to_one() -> None:
    px = likelihoods.Gaussian(Output(torch.tensor([1.0, -2.0])), scale=0.3)(Z)
    mass, _ = integrate.dblquad(
        lambda b, a: px.log_prob(torch.tensor([[a, b]])).exp().item(), -2, 4, -5, 1, epsabs=1e-4
    )
    assert mass == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("variance", ["global", "pixel"])
def test_a_scale_below_its_bound_comes_back(variance: str) -> None:
    """Where errors are large the density wants a larger scale; a clamp would hold it at the bound for ever."""
    net = nn.Linear(1, 2 if variance == "pixel" else 1)
    likelihood = likelihoods.Gaussian(net, variance=variance, minimum_scale=0.1)
    parameter = net.bias if variance == "pixel" else likelihood.log_scale
    with torch.no_grad():
        parameter.fill_(-10.0)

    def slope(error: float) -> float:
        px = likelihood(torch.zeros(1, 1))
        assert px.stddev.item() == pytest.approx(0.1)
        gradient = torch.autograd.grad(-px.log_prob(px.mean.detach() + error).sum(), parameter)[0]
        return gradient.flatten()[-1].item()

    assert slope(1.0) < 0  # descending raises the scale
    assert slope(0.0) == 0  # and does not lower it further
    with pytest.raises(ValueError, match="starts below minimum_scale"):
        likelihoods.Gaussian(net, variance="global", scale=5e-4)
