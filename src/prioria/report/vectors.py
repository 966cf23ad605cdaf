"""Rows that are no pictures: points in the plane, and histograms of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from prioria.data import Protocol
from prioria.report import style
from prioria.report.clouds import Cloud, draw_cloud
from prioria.report.shown import Shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COLUMNS, COLUMNS_PER_ROW, BINS = 24, 4, 40


def plane(shown: Shown, cloud: Cloud, protocol: Protocol) -> Figure:
    """Returns scatter plots of data, reconstructions and samples in the plane, and the latent space."""
    figure, axes = style.panels(7.2, 6.0, rows=2, columns=2)
    data = protocol.unscaled(shown.data)
    low, high = _ends(data)
    extent = high - low
    margin = 0.15 * extent.where(extent > 0, 1.0)  # of one row, or a column that never varies
    low, high = low - margin, high + margin
    _points(axes[0], "data (test)", data, style.DATA)
    for each, title, rows, color in (
        (axes[1], "reconstructions", protocol.unscaled(shown.reconstructions), style.RECONSTRUCTION),
        (axes[2], "samples", protocol.unscaled(shown.draws), style.SAMPLE),
    ):
        outside = ((rows < low) | (rows > high)).any(1).double().mean().item()
        _points(each, title + f", {outside:.0%} outside" * (outside >= 0.005), rows, color)
    if shown.pseudo_inputs is not None:
        x, y = protocol.unscaled(shown.pseudo_inputs).T.numpy()
        axes[0].scatter(x, y, s=28, marker="x", color=style.INK, linewidths=1, label="pseudo-inputs")
        style.legend(axes[0])
    for each in axes[:3]:
        each.set(xlim=(low[0].item(), high[0].item()), ylim=(low[1].item(), high[1].item()))
    draw_cloud(axes[3], cloud, protocol)
    return figure


def histograms(shown: Shown, protocol: Protocol) -> Figure:
    """Returns a histogram of data and samples for each column, at most 24: those that vary most.

    The range is a little more than that of the data; samples beyond it are counted in the outer bins.
    """
    data, draws = protocol.unscaled(shown.data.double()), protocol.unscaled(shown.draws.double())
    spread = (data - data.nanmean(0)).square().nanmean(0).nan_to_num()
    chosen = sorted(spread.argsort(descending=True, stable=True)[:MOST_COLUMNS].tolist())
    rows = -(-len(chosen) // COLUMNS_PER_ROW)
    named = protocol.schema is not None and len(protocol.schema.features) == data.shape[1]
    names = [each.name for each in protocol.schema.features] if named and protocol.schema else None
    figure, axes = style.panels(7.2, 1.5 * rows + 0.6, rows=rows, columns=min(COLUMNS_PER_ROW, len(chosen)))
    for each, column in zip(axes, chosen, strict=False):
        _histogram(each, names[column] if names else f"column {column}", data[:, column], draws[:, column])
    for unused in axes[len(chosen) :]:
        unused.set_visible(False)
    style.legend_below(axes[0])
    return figure


def _ends(data: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the least and the largest value of each column that is there, 0 and 0 of an empty one."""
    low, high = data.nan_to_num(torch.inf), data.nan_to_num(-torch.inf)
    none = data.isnan().all(0)
    return low.amin(0).masked_fill(none, 0.0), high.amax(0).masked_fill(none, 0.0)


def _points(axes: Axes, title: str, rows: Tensor, color: str) -> None:
    style.dress(axes, title)
    x, y = rows.T.numpy()
    axes.scatter(x, y, s=6, color=color, alpha=0.5, linewidths=0, rasterized=True)


def _histogram(axes: Axes, title: str, data: Tensor, draws: Tensor) -> None:
    """Of what is known: entries may be missing, in a column of few test rows all of them."""
    style.dress(axes, title)
    data, draws = data[~data.isnan()], draws[~draws.isnan()]
    low, high = (end.item() for end in _ends(data)) if len(data) else (0.0, 0.0)
    margin = max(0.25 * (high - low), 1e-9 * abs(low)) or 1.0
    bins = np.linspace(low - margin, high + margin, BINS)
    axes.hist(data.numpy(), bins.tolist(), density=len(data) > 0, color=style.LINE, label="data (test)")
    clipped = draws.clamp(bins[0], bins[-1]).numpy()
    axes.hist(clipped, bins.tolist(), density=True, histtype="step", color=style.SAMPLE, label="samples")
    axes.set_yticks([])
