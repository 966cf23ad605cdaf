"""Pictures of paths, graphs and multipliers, read back pixel by pixel."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from prioria import VAE, drawing, explore, likelihoods, nets, objectives, posteriors, priors
from prioria.cli import main
from prioria.data import Dataset, load
from prioria.drawing import SIDE, stick_figures
from prioria.report import constraint, graphs, report, strips, style
from prioria.train import fit
from tests.report.conftest import dataset_of, model_of

BLUE = np.array(strips.BLUE)


def grey(*levels: int) -> np.ndarray:
    return np.full((len(levels), 20, 30, 3), 0, np.uint8) + np.uint8(levels)[:, None, None, None]


def test_strip_lays_frames_in_a_row_and_boxes_both_sides_of_a_jump(tmp_path: Path) -> None:
    frames = grey(10, 60, 110, 160, 210)
    figure = strips.strips({"ours": strips.Strip(frames, [2]), "line": strips.Strip(frames[:3])})
    assert {text.get_text() for text in figure.texts} >= {"ours", "line", "5 nodes, 1 discontinuity"}
    picture = np.asarray(Image.open(style.write(figure, tmp_path / "strip.png")).convert("RGB"))
    for level, count in ((10, 2), (60, 2), (110, 2), (160, 1), (210, 1)):
        middle = (picture == level).all(-1).sum()
        boxed = level in (110, 160)
        assert count * 20 * 30 * (0.7 if boxed else 1) <= middle <= count * 20 * 30
    blue = np.argwhere((picture == BLUE).all(-1))
    height, width = blue.max(0) - blue.min(0) + 1
    assert (height, width) == (20 + 2 * strips.BOX, 2 * 30 + 4 + 2 * strips.BOX)


def test_animation_plays_all_frames_for_ever_with_blue_frames_at_jumps(tmp_path: Path) -> None:
    path = strips.animation(strips.Strip(grey(10, 60, 110, 160), [2]), tmp_path / "path.gif", frames_per_second=5.0)
    with Image.open(path) as movie:
        assert (movie.n_frames, movie.info["duration"], movie.info["loop"]) == (4, 200, 0)
        corners = []
        for number in range(4):
            movie.seek(number)
            corners.append(np.asarray(movie.convert("RGB"))[0, 0])
    assert [np.abs(corner - BLUE).max() < 30 for corner in corners] == [False, False, True, True]
    with pytest.raises(ValueError, match="use .gif"):
        strips.animation(strips.Strip(grey(10)), tmp_path / "path.png")


def test_paths_share_one_scale_and_what_cannot_be_drawn_is_refused() -> None:
    data = dataset_of(torch.rand(20, 4), (1, 2, 2))
    rows = torch.tensor([[-2.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 6.0]])
    drawn = strips.strips_of(
        [explore.Path(rows[:2], rows[:2], 0.0), explore.Path(rows[1:], rows[1:], 0.0)], data.protocol
    )
    assert drawn[0].pictures.min() == 0 and drawn[1].pictures.max() == 255
    assert set(np.unique(drawn[0].pictures)) == {0, 64} and set(np.unique(drawn[1].pictures)) == {64, 255}
    with pytest.raises(ValueError, match="pictures or poses"):
        drawing.drawn(rows, dataset_of(torch.rand(20, 4), (4,)).protocol)


@pytest.mark.slow
@pytest.mark.data
def test_poses_are_drawn_by_forward_kinematics(data_root: Path) -> None:
    data = load("cmu-mocap")
    pictures = stick_figures(data.test.tensor(5), data.protocol)
    assert pictures.shape == (5, SIDE, SIDE, 3)
    for picture in pictures:
        ink = np.argwhere((picture < 200).all(-1))
        height, width = np.ptp(ink, axis=0)
        assert 0.5 * SIDE < height < SIDE and width < height  # a body stands upright
        assert 0.005 < len(ink) / SIDE**2 < 0.2


@pytest.mark.parametrize("latents", [1, 2, 5])
def test_graph_shows_every_edge_and_path(latents: int, digits: Dataset) -> None:
    model = model_of(digits, latents=latents)
    found = explore.latent_graph(model, nodes=40, neighbors=3)
    x = digits.test.tensor(4)
    paths = explore.interpolate(model, found, x[:2], x[2:])
    figure = graphs.graph(found, paths)
    (edges,) = figure.axes[0].collections
    assert len(edges.get_segments()) == found.edges.nnz // 2
    assert len(figure.axes[0].lines) == 2
    if latents == 2:
        np.testing.assert_allclose(figure.axes[0].lines[0].get_xydata(), paths[0].z.numpy(), rtol=1e-6)


def test_surfaces_are_the_updates_and_rest_where_they_should() -> None:
    figure = constraint.update_surfaces(nu=1.0, tau=3.0)
    rewo, geco = (axes.collections[0].get_array() for axes in figure.axes[:2])
    assert rewo.shape == geco.shape == (201, 201)
    delta, beta = np.linspace(-1, 1, 201), np.linspace(0, 2, 201)
    np.testing.assert_allclose(geco, beta[:, None] * (np.exp(-delta) - 1), atol=1e-5)
    np.testing.assert_allclose(rewo[100, :100], 0, atol=1e-6)  # at beta = 1 while the constraint is met
    assert rewo[50, 0] == pytest.approx(0.736149, abs=1e-5)


def constrained_model() -> VAE:
    torch.manual_seed(0)
    return VAE(
        encoder=nets.MLP(2, 8, activate_output=True),
        posterior=posteriors.Gaussian(8, 2),
        prior=priors.Hierarchical(2, 2, num_samples=2),
        likelihood=likelihoods.Gaussian(nets.MLP(2, 8, 2), scale=0.3),
    )


@pytest.mark.slow
def test_course_of_a_run_shows_beta_and_the_target(tmp_path: Path) -> None:
    rewo = objectives.REWO(objectives.ELBO(), "rmse=0.4", initial_phase=0.5)
    rows = torch.rand(80, 2)
    with pytest.warns(UserWarning, match="main phase"):
        run = fit(
            constrained_model(),
            rewo,
            rows.numpy(),
            epochs=4,
            batch_size=20,
            log_every=1,
            progress=False,
            out=tmp_path / "run",
        )
    figure = constraint.multiplier(run.history)
    left, right = figure.axes
    assert right.get_title(loc="left") == "RMSE"
    assert right.lines[1].get_ydata()[0] == 0.4
    betas = [line["beta"] for line in run.history if line["split"] == "train"]
    assert list(left.lines[0].get_ydata()) == betas and betas[0] == pytest.approx(1e-3)
    assert len(left.patches) == 1  # the initial phase is shaded
    assert constraint.verdict(run.history).startswith("target ")
    assert run.best is not None and (run.best["constraint"] > 0.4**2) == ("not met" in constraint.verdict(run.history))
    page = report(run, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Multiplier and target" in page and constraint.verdict(run.history) in page
    with pytest.raises(ValueError, match="GECO or REWO"):
        constraint.multiplier([{"split": "train", "step": 1, "loss": 0.0}])


def test_evolution_has_the_prior_beneath_the_posterior() -> None:
    model, data = constrained_model(), dataset_of(torch.rand(30, 2), (2,))
    moments = [constraint.Moment.of(model, data, step, points=30) for step in (0, 100)]
    with torch.no_grad():
        q = model.condition(data.test.tensor()).top[1]
    torch.testing.assert_close(moments[0].means, q.mean)
    torch.testing.assert_close(moments[0].variances, q.stddev.square().mean(-1))
    figure = constraint.evolution({"REWO": moments, "GECO": moments})
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "REWO, step 0",
        "step 100",
        "prior",
        "prior",
        "GECO, step 0",
        "step 100",
        "prior",
        "prior",
    ]
    grey_levels = figure.axes[0].collections[0].get_array()
    np.testing.assert_allclose(grey_levels, moments[0].variances.numpy())


def test_command_writes_paths_numbers_and_pictures(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "paths"
    out.mkdir()
    (out / "path-3.gif").touch()  # of an earlier call with more pairs
    arguments = ["--pairs", "2", "--nodes", "60", "--neighbors", "4", "--out", str(out)]
    with pytest.raises(SystemExit) as ended:
        main(["interpolate", str(trained / "vamp"), *arguments])
    assert not ended.value.code
    said = capsys.readouterr().out
    assert re.search(r"2 paths through 60 nodes.*discontinuities", said)
    written = {path.name for path in out.iterdir()}
    assert written == {"paths.json", "paths.safetensors", "graph.png", "strip.png", "path-1.gif", "path-2.gif"}
    with pytest.raises(SystemExit) as refused:
        main(["interpolate", str(trained / "vamp"), "--nodes", "10"])
    assert refused.value.code == 2
    assert "more nodes" in capsys.readouterr().err
