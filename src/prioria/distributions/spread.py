"""Numbers on a grid, spread over its cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prioria.distributions.spec import NUMBERS, Spec


class Spread:
    r"""Moves numbers within the cell of the grid that they lie on: v + g u, u in (-1/2, 1/2), v in original units.

    The density of a mixture on columns with ties has no upper bound, and what it gains there says nothing of the data.
    A column without a grid, and one of names, stay as they are; counts have cells of width 1.

    Args:
        schema: the columns; rows x are in their units, logarithms too.

    Example:
        >>> spread = Spread({"columns": [{"name": "age", "kind": "real", "resolution": 1.0, "scale": 10.0}]})
        >>> spread(torch.tensor([[0.3], [torch.nan]]), torch.tensor([[0.25], [0.1]]))
        tensor([[0.3250],
                [   nan]])
    """

    def __init__(self, schema: Any) -> None:
        columns = Spec.read(schema)
        numbers = [each.kind in NUMBERS for each in columns]
        widths = [each.resolution or float(each.kind == "count") for each in columns]
        self.width = torch.tensor(widths, dtype=torch.float64) * torch.tensor(numbers)
        self.center = torch.tensor([each.center for each in columns], dtype=torch.float64)
        self.scale = torch.tensor([each.scale for each in columns], dtype=torch.float64)
        self.log = torch.tensor([each.treatment == "log" for each in columns])

    def __call__(self, x: Tensor, noise: Tensor) -> Tensor:
        """Moves rows x (N, D) by a share of the cell's width, noise (N, D) from -1/2 to 1/2."""
        moved = x + noise * (self.width / self.scale)
        if not self.log.any():
            return moved.to(x.dtype)
        value = torch.exp(self.center + self.scale * x)
        shifted = value + noise * self.width
        logs = (torch.where(shifted > 0, shifted, value).log() - self.center) / self.scale
        return torch.where(self.log & (self.width > 0), logs, moved).to(x.dtype)


def dequantize(x: NDArray, schema: Any, *, seed: int = 0) -> NDArray[np.float64]:
    """Spreads rows over the cells of their columns' grids, by uniform noise; see :class:`Spread`.

    Args:
        x: rows (N, D) as ``schema.encode`` gives them.
        schema: the columns.
        seed: of the noise.
    """
    noise = torch.from_numpy(np.random.default_rng(seed).uniform(-0.5, 0.5, x.shape))
    return Spread(schema)(torch.from_numpy(np.asarray(x, np.float64)), noise).numpy()
