"""The sheet shows what it says, pixel by pixel, and leaves the model and the random numbers alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import pyplot, rcParams
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image
from torch.distributions import Categorical, Independent, Normal

from prioria import VAE, likelihoods, nets, posteriors, priors, stages
from prioria.data import Dataset, load
from prioria.drawing import FIELD
from prioria.report import sheet
from prioria.report.clouds import cloud_of
from prioria.report.overview import draw, sections
from prioria.report.pictures import DPI, GAP, HEADING, MARGIN, Section, page
from prioria.report.shown import Shown, mean, pseudo_inputs, show
from prioria.report.style import INK
from prioria.report.vectors import histograms, plane
from tests.contract.variants import INPUTS, MODELS
from tests.report.conftest import COMPONENTS, dataset_of, model_of

SIDE = 72  # a digit of 8 x 8, nine times enlarged


def rgb(color: str) -> np.ndarray:
    return np.array([int(color[index : index + 2], 16) for index in (1, 3, 5)])


def picture(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def tile(image: np.ndarray, column: int, *, top: int) -> np.ndarray:
    """One tile of a page of digits, back in 8 x 8 pixels, after checking that each pixel is a square of one color."""
    left = MARGIN + column * (SIDE + GAP)
    squares = image[top : top + SIDE, left : left + SIDE].reshape(8, 9, 8, 9, 3)
    assert (squares == squares[:, :1, :, :1]).all()
    return squares[:, 0, :, 0]


def inked(values: torch.Tensor) -> np.ndarray:
    """The colors of values between 0 (paper) and 1 (ink)."""
    share = values.reshape(8, 8, 1).double().numpy()
    return rgb(FIELD) + share * (rgb(INK) - rgb(FIELD))


def test_data_and_reconstructions_are_shown_pixel_by_pixel(digits: Dataset, tmp_path: Path):
    model = model_of(digits)
    image = picture(sheet(model, digits, tmp_path / "sheet.png", columns=5))
    x = digits.test.tensor(5)
    with torch.no_grad():
        z = model.stages["z"].q(model.encoder["x"](x)).mean
        means = model.likelihood.net(z).sigmoid()
    height = SIDE + HEADING + GAP
    for column in range(5):
        np.testing.assert_allclose(tile(image, column, top=HEADING), inked(x[column]), atol=1)
        np.testing.assert_allclose(tile(image, column, top=HEADING + height), inked(means[column]), atol=1)


def test_size_follows_from_the_rows_shown(digits: Dataset, tmp_path: Path):
    sizes = [
        picture(sheet(model_of(digits, vamp=vamp), digits, tmp_path / "sheet.png", columns=12)).shape[:2]
        for vamp in (False, True)
    ]
    row, heading = SIDE + GAP, HEADING
    width = 2 * MARGIN + 12 * row - GAP
    standard = MARGIN + 3 * heading + (1 + 1 + 3) * row
    assert sizes == [(standard, width), (standard + 2 * row + heading - row, width)]


def test_samples_are_means_at_draws_from_the_prior(digits: Dataset):
    model = model_of(digits)
    found = sections(model, digits, seed=3, columns=400)["Prior samples"].rows
    with torch.no_grad():
        expected = model.likelihood.net(torch.randn(20_000, 3)).sigmoid()
    # Two means of each pixel, over 1,200 and 20,000 draws; 64 pixels with false-alarm rate 1e-4 in all: 5.1 sigma.
    error = expected.std(0) * (1 / len(found) + 1 / len(expected)) ** 0.5
    assert ((found.mean(0) - expected.mean(0)).abs() < 5.1 * error).all()


def test_pseudo_inputs_come_clamped_and_in_the_order_of_their_use(digits: Dataset):
    model = model_of(digits, vamp=True)
    prior = model.stages["z"].p
    with torch.no_grad():
        prior.pseudo_inputs += 0.3 * torch.randn(COMPONENTS, 64)
        prior.bounds = (0.0, 1.0)
        clamped = prior.pseudo_inputs.clamp(0, 1)
        q = model.stages["z"].q(model.encoder["x"](clamped))
        z = model.encode(digits.test.tensor(1000))
        density = Independent(Normal(q.base_dist.loc, q.base_dist.scale), 1).log_prob(z[:, None])
        found = pseudo_inputs(model, digits)
    usage = density.softmax(1).mean(0)
    assert found is not None
    torch.testing.assert_close(found, clamped[usage.sort(descending=True).indices])


def test_seed_decides(digits: Dataset, tmp_path: Path):
    model = model_of(digits)
    first, again, other = (
        sheet(model, digits, tmp_path / f"{name}.png", seed=seed).read_bytes()
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert first == again != other


@pytest.mark.parametrize("name", ["digits", "two-moons"])
def test_model_random_numbers_and_matplotlib_stay_as_they_were(name: str, tmp_path: Path):
    data = load(name)
    model = model_of(data, vamp=True).train()
    model.likelihood.eval()
    before = [module.training for module in model.modules()], torch.get_rng_state(), dict(rcParams)
    sheet(model, data, tmp_path / "sheet.png")
    assert [module.training for module in model.modules()] == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert (dict(rcParams), pyplot.get_fignums()) == (before[2], [])


def test_colors_and_brightness_are_those_of_the_data(tmp_path: Path):
    rows = torch.linspace(0, 1, 3 * 72 * 72).reshape(1, -1)  # a tile of 72 x 72 is not enlarged
    for shape, expected in (
        ((3, 72, 72), rows.reshape(3, 72, 72)),
        ((1, 72, 216), rows.reshape(1, 72, 216).expand(3, 72, 216)),
    ):
        data = dataset_of(rows, shape)
        image = picture(sheet(model_of(data), data, tmp_path / "sheet.png", columns=1))
        top = HEADING
        found = image[top : top + 72, MARGIN : MARGIN + shape[2]]
        np.testing.assert_allclose(found, expected.permute(1, 2, 0).numpy() * 255, atol=0.51)


def test_data_beyond_zero_and_one_are_shown_from_their_least_to_their_largest_value(tmp_path: Path):
    data = dataset_of(torch.tensor([[-2.0, 0.0, 1.0, 2.0]]), (1, 2, 2))
    image = picture(sheet(model_of(data), data, tmp_path / "sheet.png", columns=1))
    corners = [image[HEADING + y, MARGIN + x, 0] for y in (0, 71) for x in (0, 71)]
    assert corners == [0, 128, 191, 255]


def test_hierarchies_are_shown(digits: Dataset, tmp_path: Path):
    groups = stages.TwoLevel(
        prior=priors.StandardNormal(2), posterior=posteriors.Gaussian(8, 2), features=8, latents=(2, 3), hidden=8
    )
    model = VAE(
        encoder=nets.GatedMLP(64, 8, gated_output=True),
        stages=groups,
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(5, 64)),
    )
    image = picture(sheet(model, digits, tmp_path / "sheet.png"))
    x = digits.test.tensor(1)
    with torch.no_grad():
        features = model.encoder["x"](x)
        top = model.stages["z2"].q(features).mean
        below = model.stages["z1"].posterior(features, top[None], model.stages["z1"].prior(top[None])).mean[0]
        means = model.likelihood.net(torch.cat([top, below], 1)).sigmoid()
    np.testing.assert_allclose(tile(image, 0, top=2 * HEADING + SIDE + GAP), inked(means), atol=1)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_be_shown(name: str):
    data = dataset_of(torch.rand(20, INPUTS).round(), (INPUTS,))
    model = MODELS[name]()
    shown = show(model, data, rows=5, samples=4, seed=0)
    assert [len(rows) for rows in (shown.data, shown.reconstructions, shown.means, shown.draws)] == [5, 5, 4, 4]
    assert all(rows.isfinite().all() for rows in (shown.reconstructions, shown.means, shown.draws))
    cloud = cloud_of(model, data, seed=0, points=6)
    assert cloud.prior.shape == cloud.posterior[:6].shape == (6, len(cloud.names))


def _share_beyond(axes: Axes) -> float:
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    x, y = np.asarray(axes.collections[0].get_offsets()).T
    return float(((x < left) | (x > right) | (y < bottom) | (y > top)).mean())


def test_points_in_the_plane_are_scattered_beside_the_latent_space():
    data = load("two-moons")
    figure = draw(model_of(data, vamp=True, latents=2), data)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    beyond = [_share_beyond(axes) for axes in figure.axes[1:3]]
    wanted = [
        f"{name}, {share:.0%} outside" for name, share in zip(("reconstructions", "samples"), beyond, strict=True)
    ]
    assert titles == ["data (test)", *wanted, "posterior over prior (grey)"] and min(beyond) > 0.01
    points = figure.axes[0].collections[0].get_offsets()
    np.testing.assert_array_equal(points, data.test.tensor(2000))
    np.testing.assert_array_equal(figure.axes[0].collections[1].get_offsets().shape, (COMPONENTS, 2))


def test_columns_that_vary_most_become_histograms():
    rows = torch.randn(500, 30) * torch.arange(1, 31)
    data = dataset_of(rows, (30,))
    figure = draw(model_of(data), data)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == [f"column {index}" for index in range(6, 30)]
    heights = [patch.get_height() for patch in shown[-1].patches if hasattr(patch, "get_height")]
    low, high = rows[:, 29].min().item(), rows[:, 29].max().item()
    edges = np.linspace(low - 0.25 * (high - low), high + 0.25 * (high - low), 40)
    np.testing.assert_allclose(heights, np.histogram(rows[:, 29].numpy(), edges, density=True)[0], rtol=1e-5)


def test_columns_with_missing_entries_or_large_numbers_have_histograms_too():
    rows = torch.randn(40, 3)
    protocol = dataset_of(rows, (3,)).protocol
    data = torch.stack([rows[:, 0].where(torch.arange(40) % 3 == 0, torch.nan), 2.0**60 + rows[:, 1], rows[:, 2]], 1)
    data[:, 2] = torch.nan
    figure = histograms(Shown(data, data, data, data.nan_to_num(), None), protocol)
    for axes, whole in zip(figure.axes, (1, 1, 0), strict=True):
        bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert sum(bar.get_height() * bar.get_width() for bar in bars) == pytest.approx(whole)


def test_documents_are_as_long_as_those_of_the_data():
    counts = np.random.default_rng(0).poisson(2.0, size=(40, 5)) + 1
    data = load(counts)
    model = VAE(
        encoder=nets.MLP(5, 4, activate_output=True),
        posterior=posteriors.Gaussian(4, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Multinomial(nets.MLP(2, 4, 5)),
    )
    shown = show(model, data, rows=4, samples=8, seed=0)
    lengths = shown.data.sum(-1)
    torch.testing.assert_close(shown.reconstructions.sum(-1), lengths)
    torch.testing.assert_close(shown.means.sum(-1), lengths.repeat(2))
    assert torch.equal(shown.draws.sum(-1), lengths.repeat(2))


def test_mean_of_categories_is_that_of_their_numbers():
    px = Independent(Categorical(probs=torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])), 1)
    torch.testing.assert_close(mean(px), torch.tensor([1.3, 0.0]))


def test_refusals_write_nothing(digits: Dataset, tmp_path: Path):
    model = model_of(digits)
    with pytest.raises(ValueError, match="columns=0"):
        sheet(model, digits, tmp_path / "sheet.png", columns=0)
    with pytest.raises(ValueError, match=r"suffix='\.jpg'"):
        sheet(model, digits, tmp_path / "sheet.jpg")
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        page(sections(model, digits), load("two-moons").protocol)
    assert list(tmp_path.iterdir()) == []


def test_page_is_written_pixel_on_pixel(digits: Dataset):
    assert draw(model_of(digits), digits).dpi == DPI


def test_points_beyond_the_axes_are_counted_in_the_title() -> None:
    data = load("two-moons")
    model = model_of(data, latents=2)
    shown = show(model, data, rows=100, samples=200, seed=0)
    draws = torch.cat([shown.data[:50], 9 + shown.data, 9 - shown.data[:50]])
    far = replace(shown, draws=draws, reconstructions=shown.data)
    titles = [
        axes.get_title("left") for axes in plane(far, cloud_of(model, data, seed=0, points=50), data.protocol).axes
    ]
    assert titles[1:3] == ["reconstructions", "samples, 75% outside"]


def test_headings_and_notes_do_not_overlap_on_narrow_pages():
    protocol = dataset_of(torch.rand(4, 16), (1, 4, 4)).protocol
    note = "lowest 20% of 500 draws, by the density of the posteriors of a mini-batch of 100 rows"
    figure = page({"low-posterior, as released samples": Section(torch.rand(2, 16), note)}, protocol, columns=2)
    heading, beside = (text.get_window_extent() for text in figure.texts)
    assert heading.x0 >= 0 and heading.x1 < beside.x0 and beside.x1 <= figure.bbox.width
