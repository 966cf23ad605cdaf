"""The importance-weighted bound over the number of samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prioria.evaluate import BoundCurve
from prioria.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def bounds(curve: BoundCurve) -> Figure:
    """Returns the bound in nats over K, on a logarithmic axis; bars are the error of the draws alone.

    Args:
        curve: what ``prioria evaluate RUN --curve`` wrote.

    Example:
        >>> from prioria.evaluate import Estimate
        >>> curve = BoundCurve((Estimate(-91.0, 1, 9, "a"), Estimate(-90.0, 10, 9, "a")), rise=1.0, tolerance=0.1)
        >>> bounds(curve).axes[0].get_xscale()
        'log'
    """
    figure, (axes,) = style.panels(4.4, 2.8)
    style.dress(axes, x="samples K", y="nats")
    axes.set_xscale("log")
    errors = [0.0 if math.isnan(each.monte_carlo_error) else each.monte_carlo_error for each in curve.estimates]
    counts, values = [each.num_samples for each in curve.estimates], [each.value for each in curve.estimates]
    axes.errorbar(counts, values, yerr=errors, color=style.DATA, lw=1.2, marker="o", ms=3, capsize=2)
    return figure
