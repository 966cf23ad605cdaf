"""Pictures drawn pixel by pixel: every picture enumerated, masks told by gradients, draws counted."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from prioria import VAE, build, data, likelihoods, nets, objectives, posteriors, priors
from prioria.distributions import Raster

ALPHA = 1e-4  # false-alarm rate of a test on draws; the seed is fixed


def likelihood(shape: tuple[int, int], **options: int) -> likelihoods.Autoregressive:
    """On two latents, with weights large enough that pixels depend on each other."""
    torch.manual_seed(4)
    small = {"context": 3, "channels": 6, "layers": 2} | options
    net = nn.Linear(2, small["context"] * shape[0] * shape[1])
    made = likelihoods.Autoregressive(net, shape=(1, *shape), **small)
    with torch.no_grad():
        for parameter in made.pixels.parameters():
            parameter.mul_(2.0)
    return made


def pictures(shape: tuple[int, int], classes: int = 2) -> Tensor:
    return torch.tensor(list(product(range(classes), repeat=shape[0] * shape[1]))).float()


@pytest.mark.parametrize(("shape", "classes"), [((2, 2), 2), ((3, 3), 2), ((2, 3), 3)])
def test_probabilities_of_all_pictures_sum_to_one_and_follow_z(shape: tuple[int, int], classes: int) -> None:
    x, z = pictures(shape, classes), torch.randn(4, 1, 2)
    log_p = likelihood(shape, categories=classes)(z).log_prob(x).double()
    assert log_p.shape == (4, classes ** (shape[0] * shape[1]))
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(4, dtype=torch.float64), rtol=1e-5, atol=0)
    assert (log_p.std(0) > 1e-3).all()


def test_what_is_no_class_has_no_probability() -> None:
    d = likelihood((2, 2), categories=3)(torch.zeros(1, 2))
    x = torch.tensor([[0.0, 1.0, 2.0, 3.0], [0.0, 0.5, 0.0, 0.0], [0.0, torch.nan, 0.0, 0.0]])
    found = d.log_prob(x)
    assert found[:2].eq(-torch.inf).all() and found[2].isnan()
    assert likelihood((2, 2))(torch.zeros(1, 2)).log_prob(x[2:]).isnan().all()


def test_a_pixel_reads_those_before_it_and_its_own_place_of_the_context() -> None:
    shape = (4, 5)
    network = likelihood(shape, kernel=5).pixels
    x, context = torch.rand(1, 1, *shape, requires_grad=True), torch.rand(1, 3, *shape, requires_grad=True)
    logits = network(x, context).flatten()
    read = torch.stack([torch.autograd.grad(each, x, retain_graph=True)[0].flatten() for each in logits]).ne(0)
    seen = torch.ones(20, 20).tril(-1).bool()
    assert not (read & ~seen).any()
    assert read.diagonal(-1)[[d for d in range(19) if (d + 1) % 5]].all()  # the one to the left
    assert read[5:].diagonal().all() and read[10:].diagonal().all()  # those above
    of_context = torch.autograd.grad(logits[7], context)[0].abs().sum((0, 1)).flatten()
    assert of_context[7] > 0 and of_context[8:].eq(0).all()


def test_density_is_the_product_of_conditionals_that_see_nothing_of_what_follows() -> None:
    made, z = likelihood((3, 3)), torch.randn(2)
    context = made.net(z).unflatten(-1, (3, 3, 3))
    x, total = torch.bernoulli(torch.full((9,), 0.5)), torch.zeros(())
    for d in range(9):
        before = torch.cat([x[:d], torch.rand(9 - d)])  # noise in place of the rest
        p = made.pixels(before.view(1, 1, 3, 3), context[None]).flatten()[d].sigmoid()
        total = total + (p if x[d] else 1 - p).log()
    torch.testing.assert_close(made(z).log_prob(x), total)


@pytest.mark.parametrize("classes", [2, 3])
def test_draws_have_the_probabilities_of_the_density(classes: int) -> None:
    shape = (2, 2)
    x, d = pictures(shape, classes), likelihood(shape, categories=classes)(torch.randn(2))
    torch.manual_seed(0)
    drawn = d.sample((6000,))
    places = torch.tensor([classes**k for k in range(3, -1, -1)]).float()
    counts = torch.bincount((drawn @ places).long(), minlength=len(x)).double()
    expected = 6000 * d.log_prob(x).double().exp()
    rare = expected < 5  # a chi-square needs five of each: what is rare counts as one
    pooled = [torch.cat([each[~rare], each[rare].sum()[None]]) for each in (counts, expected)]
    pooled = [each[pooled[1] > 0] for each in pooled]
    assert stats.chisquare(pooled[0].numpy(), (pooled[1] * 6000 / pooled[1].sum()).detach().numpy()).pvalue > ALPHA


def test_a_draw_reads_a_window_and_finds_what_a_whole_pass_finds() -> None:
    made = likelihood((9, 8), layers=2)
    d = made(torch.randn(3, 2))
    assert isinstance(d, Raster) and made.pixels.reach == 4
    noise = torch.rand(3, 72)
    with torch.no_grad():
        x, means = d._walk(d.context, noise)
        whole = made.pixels(x.view(3, 1, 9, 8), d.context).flatten(1).sigmoid()
    torch.testing.assert_close(means, whole, rtol=1e-4, atol=1e-5)
    assert torch.equal(x, (noise < means).float())


def test_mean_of_pixels_that_do_not_depend_on_each_other_is_exact_and_repeats() -> None:
    made = likelihood((3, 3))
    z = torch.randn(5, 2)
    assert torch.equal(made(z).mean, made(z).mean) and made(z).mean.std() > 0.01
    with torch.no_grad():
        for layer in (made.pixels.first, *made.pixels.blocks):
            layer.weight.zero_()
    exact = made.pixels(torch.zeros(5, 1, 3, 3), made.net(z).unflatten(-1, (3, 3, 3))).flatten(1).sigmoid()
    torch.testing.assert_close(made(z).mean, exact)


def test_rows_do_not_depend_on_their_neighbors() -> None:
    made, z, x = likelihood((4, 4)), torch.randn(2, 7, 2), torch.bernoulli(torch.full((7, 16), 0.5))
    together = made(z).log_prob(x)
    alone = torch.stack([torch.stack([made(z[k, b]).log_prob(x[b]) for b in range(7)]) for k in range(2)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    with torch.no_grad():  # in tiles
        torch.testing.assert_close(made(z).log_prob(x), together)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (3, 4, 4)}, r"shape=\(3, 4, 4\) must be \(1, H, W\)"),
        ({"shape": (16,)}, r"shape=\(16,\) must be \(1, H, W\)"),
        ({"categories": 1}, "categories=1 leaves nothing"),
        ({"kernel": 2}, "kernel=2 positive and odd"),
        ({"layers": 0}, "layers=0.* must be positive"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_built(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        likelihoods.Autoregressive(nn.Linear(2, 64), **({"shape": (1, 4, 4)} | options))


def test_grey_values_squared_errors_and_holes_are_refused() -> None:
    grey = data.load((torch.rand(60, 16).numpy()).astype("float32"))
    with pytest.raises(ValueError, match="not legal"):
        build.model(grey, likelihood="autoregressive", latents=2)
    model = VAE(
        encoder=nets.MLP(16, 5, activate_output=True),
        posterior=posteriors.Gaussian(5, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihood((4, 4)),
    )
    with pytest.raises(ValueError, match="target='rmse=0.1' is an error of grey values.*use nats"):
        objectives.GECO(objectives.ELBO(), "rmse=0.1").check(model)
    with pytest.raises(ValueError, match="does not leave missing entries out|does not see holes"):
        model.conditional(torch.full((1, 16), torch.nan))
