"""The two-moons figure, and lines over the aggregate posterior."""

from __future__ import annotations

import pytest
import torch

from prioria import VAE, evaluate, explore, priors
from prioria.data import Dataset, load
from prioria.papers.moons import leakage_curves, moons
from prioria.report import style
from prioria.report.lines import traversals
from tests.report.conftest import model_of


@pytest.fixture(scope="module")
def plane() -> Dataset:
    return load("two-moons")


def pair(data: Dataset) -> dict[str, VAE]:
    flow = model_of(data, latents=2)
    flow.stages["z"].p = priors.RealNVP(2, 2, hidden=4)
    return {"VAE": model_of(data, latents=2), "dpVAE": flow}


def test_a_row_of_three_panels_for_each_model(plane: Dataset, tmp_path) -> None:
    models = pair(plane)
    figure = moons(models, plane)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == "VAE: samples" and titles[3] == "dpVAE: samples" and len(titles) == 6
    low, high = (each.get_offsets().data for each in figure.axes[1].collections)
    expected = explore.low_posterior(models["VAE"], plane.train, num_samples=200, limit=5000).z
    torch.testing.assert_close(torch.tensor(low).float(), expected)
    assert len(high) == 200
    style.write(figure, tmp_path / "moons.png")
    with pytest.raises(ValueError, match="0 models"):
        moons({}, plane)


def test_leakage_curves_show_what_is_measured(plane: Dataset) -> None:
    models = pair(plane)
    figure = leakage_curves(models, plane, thresholds=(-30.0, -3.0, 0.0))
    line = figure.axes[0].get_lines()[1]
    found = evaluate.leakage(models["dpVAE"], plane.train, thresholds=(-30.0, -3.0, 0.0), limit=5000)
    assert list(line.get_ydata()) == found.density.score and line.get_label() == "dpVAE"


def test_lines_over_the_aggregate_posterior(plane: Dataset) -> None:
    models = pair(plane)
    lines = traversals(models["dpVAE"], plane, pairs=3).axes[0].get_lines()
    assert [line.get_linestyle() for line in lines] == ["--"] * 3 + ["-"] * 3
    ends = [line.get_xydata()[[0, -1]] for line in lines]
    torch.testing.assert_close(torch.tensor(ends[0]), torch.tensor(ends[3]), atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="3 latents"):
        traversals(model_of(plane), plane)
