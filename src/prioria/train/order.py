"""The order of the training data: a function of (seed, epoch), so that all there is to remember is a position."""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
from torch import Tensor


def batches(examples: int, batch_size: int, *, seed: int, epoch: int) -> tuple[Tensor, ...]:
    """Returns the batches of one epoch as row numbers: a permutation of (seed, epoch), cut as evenly as can be.

    Every row comes once. Batches have at most ``batch_size`` rows and differ by at most one, so that no small rest
    weighs as much as a whole batch.

    Example:
        >>> [len(batch) for batch in batches(10, 4, seed=0, epoch=0)]
        [4, 3, 3]
    """
    order = torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(examples))
    return order.tensor_split(steps_per_epoch(examples, batch_size))


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Returns the number of batches in an epoch."""
    return ceil(examples / batch_size)
