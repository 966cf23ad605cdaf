"""What the parts of a model see of the data before a new training."""

from __future__ import annotations

import torch

from prioria.data import Split
from prioria.model import VAE
from prioria.train.randomness import fork

ROWS, VALUES = 1000, 2**24
"""Training rows, at most, and values in them."""


def show_rows(model: VAE, train: Split, device: torch.device) -> None:
    """Passes some training rows, at even distances, to every stage; the generators are left as they were."""
    with fork(device):
        x = train.tensor(max(1, min(ROWS, VALUES // train.protocol.dimensions))).to(device)
        for stage in model.stages.values():
            stage.begin(x)
