"""The likelihood of frequencies against scipy's cosine transform and torch's Gaussian with a full covariance."""

import pytest
import torch
from scipy.fft import dctn, idctn
from torch import nn
from torch.distributions import MultivariateNormal

from prioria.distributions import Cosines, Frequencies
from prioria.likelihoods import FrequencyGaussian

SHAPES = [(1, 5), (3, 4), (1, 4, 6), (3, 2, 3)]


def rows(shape: tuple[int, ...], count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).flatten(1)


@pytest.mark.parametrize("shape", SHAPES)
def test_cosines_are_those_of_scipy(shape):
    x, cosines = rows(shape, 7), Cosines(shape)
    axes = tuple(range(2, len(shape) + 1))
    expected = dctn(x.unflatten(1, shape).numpy(), axes=axes, norm="ortho")
    assert torch.allclose(cosines.forward(x).unflatten(1, shape), torch.from_numpy(expected), atol=1e-12)
    back = idctn(x.unflatten(1, shape).numpy(), axes=axes, norm="ortho")
    assert torch.allclose(cosines.inverse(x).unflatten(1, shape), torch.from_numpy(back), atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_density_moments_and_draws_are_those_of_a_full_gaussian(shape):
    size = torch.Size(shape).numel()
    loc, center = rows(shape, 1, 1)[0], rows(shape, 1, 2)[0]
    scale = rows(shape, 1, 3)[0].exp()
    rotation = torch.linalg.qr(torch.randn(shape[0], shape[0], dtype=torch.float64)).Q
    d = Frequencies(loc, scale, Cosines(shape), rotation, center)
    to_x = torch.stack([d._back(unit) for unit in torch.eye(size, dtype=torch.float64)], 1)
    assert torch.allclose(to_x @ to_x.T, torch.eye(size, dtype=torch.float64), atol=1e-10)
    covariance = to_x @ torch.diag(scale**2) @ to_x.T
    full = MultivariateNormal(center + to_x @ loc, covariance)
    x = rows(shape, 9, 4)
    assert torch.allclose(d.log_prob(x), full.log_prob(x), atol=1e-8)
    assert torch.allclose(d.mean, full.mean) and torch.allclose(d.variance, full.variance)
    assert torch.allclose(d.entropy(), full.entropy())
    torch.manual_seed(0)
    draws = d.rsample(torch.Size([200_000]))
    error = (draws.mean(0) - full.mean) / (full.stddev / 200_000**0.5)
    assert error.abs().max() < 5  # 36 means at most: a false alarm in 50,000 seeds


@pytest.mark.parametrize("shape", SHAPES)
def test_it_starts_at_the_spectrum_of_the_rows(shape):
    size = torch.Size(shape).numel()
    net = nn.Linear(2, 2 * size).double()
    nn.init.zeros_(net.weight)
    nn.init.zeros_(net.bias)
    likelihood = FrequencyGaussian(net, shape=shape, minimum_scale=1e-6).double()
    mixing = rows((size,), size, 5)
    x = rows(shape, 5000, 6) @ mixing + 3
    likelihood.start_at(x)
    px = likelihood(torch.zeros(1, 2, dtype=torch.float64))
    assert torch.allclose(px.mean[0], x.mean(0))
    found = px.rsample(torch.Size([1])) * 0 + px.variance  # channels together: the trace is kept by rotations
    assert torch.allclose(found.sum(), x.var(0, correction=0).sum(), rtol=1e-6)
    y = likelihood.cosines.forward(x - x.mean(0)).unflatten(1, shape).movedim(1, -1) @ likelihood.rotation.T
    cross = torch.cov(y.flatten(0, -2).T).reshape(shape[0], shape[0])
    assert (cross - torch.diag(cross.diagonal())).abs().max() < 1e-8 * cross.abs().max()
    assert torch.allclose(
        px.log_prob(x).mean(), -px.entropy()[0], rtol=1e-9
    )  # fitted variances: the mean is the entropy


@pytest.mark.parametrize(
    ("options", "reason"), [({"shape": (4,)}, "must be"), ({"shape": (1, 4), "minimum_scale": 0.0}, "positive")]
)
def test_what_does_not_fit_is_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        FrequencyGaussian(nn.Linear(2, 8), **options)
