"""The latent picture against an independent projection and density."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.decomposition import PCA

from prioria.data import Dataset, load
from prioria.report import latent
from prioria.report.clouds import cloud_of
from tests.report.conftest import dataset_of, model_of


def test_labels_are_those_of_the_rows_that_are_drawn():
    values = torch.arange(30.0)
    data = dataset_of(values[:, None].expand(30, 4).clone(), (4,), labels=values.long())
    found = cloud_of(model_of(data, latents=2), data, seed=0, points=7)
    assert found.labels is not None and found.labels.tolist() == data.test.tensor(7)[:, 0].long().tolist()


def test_projection_is_that_of_the_principal_components(digits: Dataset):
    wide = model_of(digits, latents=5)
    found = cloud_of(wide, digits, seed=0, points=200)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        p = wide.stages["z"].prior(None).sample((200,))
        q = wide.draw(digits.test.tensor(200)).z["z"][0]
    components = PCA(2, svd_solver="full").fit(q.numpy())
    for ours, theirs in (
        (found.posterior, components.transform(q.numpy())),
        (found.prior, components.transform(p.numpy())),
    ):
        signs = np.sign((ours.numpy() * theirs).sum(0))
        np.testing.assert_allclose(ours.numpy(), signs * theirs, atol=1e-4)
    shares = components.explained_variance_ratio_
    assert [f"({share:.0%})" in name for share, name in zip(shares, found.names, strict=True)] == [True, True]


def test_two_latents_are_drawn_on_the_density_of_the_prior():
    data = load("two-moons")
    found = cloud_of(model_of(data, latents=2), data, seed=0, points=50).density
    assert found is not None
    expected = norm.pdf(found.y.numpy())[:, None] * norm.pdf(found.x.numpy())
    np.testing.assert_allclose(found.values.numpy(), expected, rtol=1e-4)


def test_one_latent_becomes_histograms_of_all_draws(digits: Dataset):
    figure = latent(model_of(digits, latents=1), digits, points=100)
    (axes,) = figure.axes
    bars = [patch for patch in axes.patches if hasattr(patch, "get_height")]
    assert sum(bar.get_height() * bar.get_width() for bar in bars) == pytest.approx(1)


@pytest.mark.parametrize(
    ("labels", "legend", "axes"),
    [
        (torch.arange(40) % 3, ["0", "1", "2"], 1),
        (torch.arange(40), None, 2),
        (torch.rand(40, 2), None, 2),
        (None, None, 1),
    ],
    ids=["few classes", "many classes", "factors", "no labels"],
)
def test_labels_become_a_legend_or_a_scale(labels, legend, axes):
    data = dataset_of(torch.randn(40, 4), (4,), labels)
    figure = latent(model_of(data), data)
    assert [text.get_text() for box in figure.legends for text in box.get_texts()] == (legend or [])
    assert len(figure.axes) == axes


def test_random_numbers_and_mode_stay_as_they_were(digits: Dataset):
    model = model_of(digits).train()
    before = torch.get_rng_state()
    latent(model, digits)
    assert model.training
    assert torch.equal(torch.get_rng_state(), before)


def test_one_row_has_no_principal_components():
    data = dataset_of(torch.ones(1, 4), (4,))
    found = cloud_of(model_of(data, latents=5), data, seed=0, points=7)
    assert found.posterior.shape == (1, 2) and found.prior.shape == (7, 2) and found.names == ("z[0]", "z[1]")
    latent(model_of(data, latents=5), data, points=7)
