"""The importance-weighted bound over the number of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prioria.report import style
from prioria.report.evaluation import Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def bounds(curve: Curve) -> Figure:
    """Returns the bound in nats over K, on a logarithmic axis; bars are the error of the draws alone.

    Args:
        curve: what ``prioria evaluate RUN --curve`` wrote.

    Example:
        >>> from prioria.report.evaluation import Number
        >>> curve = Curve([Number(-91.0, 1, 9, "a"), Number(-90.0, 10, 9, "a")], 1.0, 0.1, False)
        >>> bounds(curve).axes[0].get_xscale()
        'log'
    """
    figure, (axes,) = style.panels(4.4, 2.8)
    style.dress(axes, x="samples K", y="nats")
    axes.set_xscale("log")
    errors = [each.monte_carlo_error or 0.0 for each in curve.estimates]
    counts, values = [each.num_samples for each in curve.estimates], [each.value for each in curve.estimates]
    axes.errorbar(counts, values, yerr=errors, color=style.DATA, lw=1.2, marker="o", ms=3, capsize=2)
    return figure
