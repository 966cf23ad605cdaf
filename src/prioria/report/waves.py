"""Series as curves over their steps: data with reconstructions, samples, and the nodes of paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from prioria.data import Protocol
from prioria.explore import Path
from prioria.report import style
from prioria.report.shown import Shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CHANNELS = len(style.SERIES)
ACROSS, DOWN = 4, 2  # panels of data, and one row more of samples
NODES = 8  # of a path


def series(shown: Shown, protocol: Protocol) -> Figure:
    """Returns curves of test series with their reconstructions (dashed), and of samples with their means (dashed).

    Each channel has its color, at most six are drawn. Several channels are in the model's scale, in which their
    deviations are one, as their units may differ; a single one is in the units of the data.
    """
    figure, axes = style.panels(7.2, 1.5 * (DOWN + 1) + 0.6, rows=DOWN + 1, columns=ACROSS)
    blocks = [
        ("data (test)", shown.data, shown.reconstructions, "reconstruction", axes[: ACROSS * DOWN]),
        ("sample", shown.draws, shown.means, "mean of p(x | z)", axes[ACROSS * DOWN :]),
    ]
    for title, rows, smooth, note, places in blocks:
        values, means = (_channels(each[: len(places)], protocol) for each in (rows, smooth))
        for number, each in enumerate(places):
            each.set_visible(number < len(values))
            if number < len(values):
                style.dress(each, f"{title} {number + 1}")
                _curves(each, values[number], title)
                _curves(each, means[number], note, linestyle="--")
    style.legend_below(axes[0])
    return figure


def paths(found: Sequence[Path], protocol: Protocol) -> Figure:
    """Returns the decoded nodes of paths as curves, a row of at most eight panels for each path."""
    columns = min(NODES, max(len(path.frames) for path in found))
    figure, axes = style.panels(1.2 * columns, 1.2 * len(found) + 0.6, rows=len(found), columns=columns)
    for row, path in enumerate(found):
        chosen = np.unique(np.linspace(0, len(path.frames) - 1, columns).round().astype(int))
        values = _channels(path.frames[chosen.tolist()], protocol)
        for place, each in enumerate(axes[row * columns : (row + 1) * columns]):
            each.set_visible(place < len(values))
            if place < len(values):
                style.dress(each, f"path {row + 1}" if place == 0 else f"node {chosen[place]}")
                _curves(each, values[place], "")
                each.set_ylim(float(values.min()), float(values.max()) or 1.0)
    return figure


def _channels(rows: Tensor, protocol: Protocol) -> NDArray[np.float64]:
    """Rows (N, D) as curves (N, C, T)."""
    values = protocol.unscaled(rows) if protocol.shape[0] == 1 else rows
    return values.double().cpu().numpy().reshape(-1, *protocol.shape)[:, :MOST_CHANNELS]


def _curves(axes: Axes, channels: NDArray, label: str, *, linestyle: str = "-") -> None:
    for number, channel in enumerate(channels):
        name = label if number == 0 else None
        axes.plot(channel, color=style.SERIES[number], linestyle=linestyle, linewidth=1, label=name)
