"""How smooth interpolations are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Smoothness:
    """Root mean square of second differences along paths; smaller is smoother.

    Attributes:
        pairs: for each path and part (P, G).
    """

    pairs: Float[Tensor, "P G"]

    @property
    def mean(self) -> Tensor:
        """Average over the paths (G,)."""
        return self.pairs.mean(0)

    @property
    def sd(self) -> Tensor:
        """Standard deviation over the paths (G,); nan for a single one."""
        return self.pairs.std(0) if len(self.pairs) > 1 else torch.full_like(self.pairs[0], torch.nan)

    @property
    def overall(self) -> float:
        """Average over paths and parts."""
        return self.pairs.mean().item()


def smoothness(frames: Float[Tensor, "P T D"], *, parts: Sequence[Sequence[int]] | None = None) -> Smoothness:
    """Returns sqrt(mean_t |x_(t+1) - 2 x_t + x_(t-1)|^2) of each part of the data along each path.

    (Klushyn et al., 2019: the poster reports mean and standard deviation per joint; that its measure is this one, and
    over how many pairs, is not in it.) A straight line at constant speed has 0. Sample all paths at equally many points
    first (``explore.resample``): the value depends on how many there are.

    Args:
        frames: decoded paths (P, T, D).
        parts: columns that belong together, such as the angles of a joint, whose squares are averaged; each column is a
            part by default.

    Raises:
        ValueError: fewer than three points, or no column in a part.

    Example:
        >>> smoothness(torch.arange(5.0).square().reshape(1, 5, 1)).mean
        tensor([2.])
    """
    if frames.shape[1] < 3:
        raise ValueError(f"frames has {frames.shape[1]} points on each path; second differences need at least 3")
    parts = [[column] for column in range(frames.shape[2])] if parts is None else parts
    if not all(len(part) for part in parts):
        raise ValueError("parts has one without columns; leave it out")
    squares = frames.diff(n=2, dim=1).square().mean(1)
    return Smoothness(torch.stack([squares[:, list(part)].mean(-1) for part in parts], -1).sqrt())
