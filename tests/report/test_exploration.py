"""What ``prioria explore`` writes for pictures, for points, and where a prior or a posterior offers less."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import nn

from prioria import VAE, explore, likelihoods, posteriors, priors
from prioria.cli import main
from prioria.data import load
from prioria.evaluate.diagnosis import OPAQUE, ROWS
from prioria.report import style
from prioria.report.exploration import write_exploration
from prioria.report.lines import traversals
from prioria.report.pockets import draw_margins, margins, pockets
from tests.contract.standins import OpaqueFlow
from tests.contract.structured import conv_ladder
from tests.contract.variants import INPUTS
from tests.report.conftest import dataset_of, model_of


def test_command_writes_pictures_animations_and_numbers(trained, tmp_path, capsys) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["explore", str(trained / "standard"), "--pairs", "2", "--out", str(tmp_path)])
    found = json.loads((tmp_path / "exploration.json").read_text())
    assert found["extremes"]["low-posterior"]["fraction"] == pytest.approx(0.2)
    assert found["extremes"]["low-posterior, as released"]["fraction"] == pytest.approx(0.2)
    assert found["extremes"]["high-posterior"]["fraction"] == pytest.approx(0.1)
    assert found["lowest_density"]["lines"] == 100 and found["lowest_density"]["difference"] == 0.0  # g is the identity
    for name in ("extremes.png", "factors.png", "lines.png", "latent.png"):
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 100
    assert len(list(tmp_path.glob("*.gif"))) == 4
    assert "lowest log q(z)" in capsys.readouterr().out


@pytest.mark.slow
def test_two_latents_of_points_get_lines_over_the_density(tmp_path) -> None:
    data = load("two-moons")
    model = model_of(data, latents=2)
    model.stages["z"].p = priors.RealNVP(2, 2, hidden=4)
    found = write_exploration(model, data, tmp_path)
    assert (tmp_path / "lines-latent.png").exists() and not list(tmp_path.glob("*.gif"))
    order = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(0))[:200]
    starts, ends = data.test.batch(order[:100]), data.test.batch(order[100:200])
    expected = explore.line_densities(model, data.train, starts, ends, limit=ROWS).to_json()
    assert found["lowest_density"]["difference"] == pytest.approx(expected["difference"], abs=1e-4)


@pytest.mark.slow
def test_fewer_lines_than_asked_for_are_said(tmp_path) -> None:
    whole = load("two-moons")
    data = replace(whole, test=replace(whole.test, rows=whole.test.rows[:5], labels=None))
    model = model_of(data, latents=2)
    assert write_exploration(model, data, tmp_path, pairs=3)["left_out"] == {
        "lines beyond the first 2": "5 test rows make no more pairs."
    }
    (axes,) = traversals(model, data, pairs=3).axes
    assert sum(len(line.get_xdata()) > 2 for line in axes.lines) == 4  # two pairs, each by two lines
    assert write_exploration(model, data, tmp_path, pairs=2)["left_out"] == {}


def test_a_model_in_training_stays_as_it_was_and_is_looked_at_as_it_would_be_used(tmp_path) -> None:
    data = dataset_of(torch.rand(60, 16), (1, 4, 4))
    model = VAE(
        encoder=nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Dropout(0.5)),
        posterior=posteriors.Gaussian(8, 3),
        prior=priors.StandardNormal(3),
        likelihood=likelihoods.Gaussian(nn.Linear(3, 16)),
    ).train()
    before, state = {name: each.clone() for name, each in model.state_dict().items()}, torch.get_rng_state()
    first = write_exploration(model, data, tmp_path, pairs=1)
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state) and model.training
    assert write_exploration(model.eval(), data, tmp_path, pairs=1) == first


def test_a_mixture_has_no_generation_space(tmp_path) -> None:
    data = dataset_of(torch.rand(60, 16), (1, 4, 4))
    model = model_of(data, vamp=True)
    for earlier in ("straight-in-z-2.gif", "straight-in-the-generation-space-1.gif"):
        (tmp_path / earlier).touch()
    (tmp_path / "mine.gif").touch()
    found = write_exploration(model, data, tmp_path, pairs=1)
    assert set(found["lowest_density"]["means"]) == {"straight in z"}
    assert sorted(path.name for path in tmp_path.glob("*.gif")) == ["mine.gif", "straight-in-z-1.gif"]
    assert list(found["left_out"]) == ["lines straight in the generation space"]


def test_what_a_flow_posterior_does_not_offer_is_said(tmp_path) -> None:
    data = dataset_of(torch.randn(60, 3), (3,))
    model = VAE(
        encoder=nn.Identity(),
        posterior=OpaqueFlow(3, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Gaussian(nn.Linear(2, 3)),
    )
    found = write_exploration(model, data, tmp_path, pairs=1)
    assert found["lowest_density"] is None and list(found["extremes"]) == ["high-posterior"]
    assert found["left_out"] == {"low-posterior samples and densities along lines": OPAQUE}


def test_an_error_of_another_kind_is_not_taken_for_a_missing_density(tmp_path, monkeypatch) -> None:
    def broken(*arguments, **options):
        raise ValueError("out of range")

    monkeypatch.setattr(explore, "low_posterior", broken)
    with pytest.raises(ValueError, match="out of range"):
        write_exploration(model_of(load("two-moons")), load("two-moons"), tmp_path)


def test_between_bits_no_density_is_drawn_or_read(tmp_path) -> None:
    data = dataset_of(torch.rand(60, 4).round(), (4,))
    model = VAE(
        encoder=nn.Linear(4, 2),
        posterior=posteriors.Bernoulli(None, 2),
        prior=priors.Bernoulli(2),
        likelihood=likelihoods.Gaussian(nn.Linear(2, 4)),
    )
    edges = margins(model, data)
    assert edges.density is None and edges.low is not None and set(edges.encodings.unique().tolist()) <= {0.0, 1.0}
    found = write_exploration(model, data, tmp_path, pairs=1)
    assert found["lowest_density"] is None
    assert found["left_out"]["densities along lines"] == "Between bits there is no density."


def test_one_latent_is_drawn_on_one_axis() -> None:
    data = dataset_of(torch.randn(60, 3), (3,))
    (axes,) = pockets(model_of(data, latents=1), data).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("z[0]", "density")
    # the encodings' bars hold all of their mass
    bars = [bar.get_width() * bar.get_height() for bar in axes.containers[0]]
    assert sum(bars) == pytest.approx(1, rel=1e-6)


def test_encodings_so_wide_that_their_density_is_low_everywhere_are_drawn() -> None:
    found = margins(model_of(load("two-moons"), latents=2), load("two-moons"))
    assert found.density is not None
    figure, (axes,) = style.panels(3.0, 3.0)
    draw_margins(axes, replace(found, density=found.density - 30))
    (image,) = axes.images
    assert image.norm.vmin is not None and image.norm.vmax is not None and image.norm.vmin < image.norm.vmax
    style.render(figure)


def test_more_than_two_latents_are_drawn_on_their_first_two_principal_components() -> None:
    data = dataset_of(torch.randn(60, 3), (3,))
    (axes,) = pockets(model_of(data, latents=3), data).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("principal component 1", "principal component 2")


def test_feature_maps_have_pockets(tmp_path) -> None:
    data = dataset_of(torch.rand(60, INPUTS).round(), (INPUTS,))
    found = write_exploration(conv_ladder("free", "none", INPUTS), data, tmp_path, pairs=1)
    assert {"low-posterior", "high-posterior"} <= set(found["extremes"]) and found["left_out"] == {}
    assert found["lowest_density"]["lines"] > 0
