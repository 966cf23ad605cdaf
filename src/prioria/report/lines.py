"""Lines between encodings, drawn over the aggregate posterior of two latents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from prioria.data import Dataset
from prioria.explore import Path, generation_lines, straight
from prioria.model import VAE
from prioria.report import style
from prioria.report.pockets import draw_margins, margins

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def traversals(model: VAE, data: Dataset, *, pairs: int = 4, seed: int = 0) -> Figure:
    """Returns lines between encodings over the aggregate posterior: straight in z (dashed) and in the generation space.

    Args:
        model: a model with two latents whose prior has a generation space.
        data: its data.
        pairs: of test rows to connect, at most half as many as there are.
        seed: of the rows.

    Raises:
        ValueError: another number of latents, or a prior without a generation space.
    """
    edges = margins(model, data, seed=seed)
    if edges.density is None:
        raise ValueError(f"{edges.encodings.shape[1]} latents: lines are drawn over two latents with a density")
    order = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(seed))
    order = order[: 2 * min(pairs, len(order) // 2)]
    starts, ends = data.test.batch(order).chunk(2)
    figure, (axes,) = style.panels(5.4, 4.6)
    draw_margins(axes, edges, "straight in z (dashed), straight in the generation space")
    for lines, look in ((straight(model, starts, ends), "--"), (generation_lines(model, starts, ends), "-")):
        for line in lines:
            _draw(axes, line, look)
    style.legend_below(axes)
    return figure


def _draw(axes, line: Path, look: str) -> None:  # noqa: ANN001 - matplotlib's axes, imported for types only
    axes.plot(*line.z.T.numpy(), look, color=style.DATA, lw=1.4)
