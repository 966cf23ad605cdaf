"""The order of the training data: a function of (seed, epoch), so that all there is to remember is a position."""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
from torch import Tensor


def batches(examples: int, batch_size: int, *, seed: int, epoch: int, one_size: bool = False) -> tuple[Tensor, ...]:
    """Returns the batches of one epoch as row numbers: a permutation of (seed, epoch), cut as evenly as can be.

    Every row comes once. Batches have at most ``batch_size`` rows and differ by at most one, so that no small rest
    weighs as much as a whole batch. Batches of one size, which compiled steps need, leave out the rows that are over:
    fewer than there are batches, and other ones each epoch.

    Example:
        >>> [len(batch) for batch in batches(10, 4, seed=0, epoch=0)]
        [4, 3, 3]
        >>> [len(batch) for batch in batches(10, 4, seed=0, epoch=0, one_size=True)]
        [3, 3, 3]
    """
    order = torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(examples))
    steps = steps_per_epoch(examples, batch_size)
    return order[: examples // steps * steps if one_size else examples].tensor_split(steps)


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Returns the number of batches in an epoch."""
    return ceil(examples / batch_size)
