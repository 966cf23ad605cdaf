"""The two-moons figure of the dpVAE paper: samples, the latent space with its pockets and leaks, and these decoded."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from prioria.data import Dataset
from prioria.distributions import mean
from prioria.evaluate import LeakageCurve, leakage
from prioria.evaluate.diagnosis import ROWS
from prioria.evaluate.sampling import device_of, measuring, seed_device
from prioria.model import VAE
from prioria.report import style
from prioria.report.pockets import decoded_margins, draw_margins, draw_plane, margins

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES = 1000
TITLE = 36  # characters that a panel is wide
THRESHOLDS = tuple(float(tau) for tau in range(-90, 1, 3))


def moons(models: Mapping[str, VAE], data: Dataset, *, across: int = 1, seed: int = 0) -> Figure:
    """Returns three panels for each model: generated samples, the aggregate posterior, and the extremes decoded.

    Low-posterior samples are the fifth of the prior draws with the lowest aggregate density, high-posterior samples the
    tenth of the encodings with the lowest prior density (Bhalodia, Lee and Elhabian, 2020, figure 3).

    Args:
        models: title -> model of points in the plane.
        data: the points.
        across: models side by side.
        seed: of all draws.

    Raises:
        ValueError: no model, or data that are no points in the plane.
    """
    if not models or data.dimensions != 2:
        raise ValueError(
            f"{len(models)} models of data with {data.dimensions} columns: give models of points in the plane"
        )
    rows = math.ceil(len(models) / across)
    figure, axes = style.panels(9.6 * across, 2.9 * rows, rows=rows, columns=3 * across)
    test = data.test.tensor(2000)
    for place, (title, model) in enumerate(models.items()):
        samples, latent, extremes = axes[3 * place : 3 * place + 3]
        with measuring(model):
            seed_device(device_of(model), seed)
            generated = mean(model.generate(SAMPLES).px)[0].cpu()
        edges = margins(model, data, seed=seed)
        draw_plane(samples, test, {"samples": (generated, style.DATA)}, textwrap.fill(f"{title}: samples", TITLE))
        draw_margins(latent, edges, "aggregate posterior")
        draw_plane(extremes, test, decoded_margins(model, edges), "pockets and leaks, decoded")
    for spare in axes[3 * len(models) :]:
        spare.set_axis_off()
    style.legend_below(axes[1])
    return figure


def leakage_curves(
    models: Mapping[str, VAE], data: Dataset, *, thresholds: Sequence[float] = THRESHOLDS, seed: int = 0
) -> Figure:
    """Returns the leakage score against the threshold, with and without log-determinant, per draw and per leaked draw.

    Args:
        models: title -> model.
        data: their data.
        thresholds: tau, nats.
        seed: of the draws.
    """
    figure, axes = style.panels(9.6, 6.0, rows=2, columns=2)
    found = {
        name: leakage(model, data.train, thresholds=thresholds, seed=seed, limit=ROWS) for name, model in models.items()
    }
    panels = (
        ("log p(z)", lambda each: each.density, False),
        ("log p(g(z)), no log-determinant", lambda each: each.base, False),
        ("log p(z), per leaked draw", lambda each: each.density, True),
        ("log p(g(z)), per leaked draw", lambda each: each.base, True),
    )
    for each, (title, curve_of, conditional) in zip(axes, panels, strict=True):
        style.dress(each, f"leakage score by {title}", x="threshold, nats", y="nats")
        for index, (name, measured) in enumerate(found.items()):
            x, y = _points(curve_of(measured), conditional)
            each.plot(x, y, label=name, lw=1.2, color=style.SERIES[index // 2 % 6], ls="-" if index % 2 else "--")
    style.legend_below(axes[0], columns=4)
    return figure


def _points(curve: LeakageCurve, conditional: bool) -> tuple[list[float], list[float]]:
    """Returns thresholds, from the last one at which nothing leaks on, and scores."""
    values = curve.conditional if conditional else curve.score
    first = max(sum(share == 0 for share in curve.share) - 1, 0)
    pairs = zip(curve.thresholds[first:], values[first:], strict=True)
    shown = [(tau, value) for tau, value in pairs if value is not None]
    return [tau for tau, _ in shown], [value for _, value in shown]
