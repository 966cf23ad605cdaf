"""The module that is trained: it draws and scores in one ``forward``, which is what data-parallel training wraps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.draw import Draw
from prioria.model import VAE
from prioria.module import Module
from prioria.objectives import Loss, Objective, Progress


class Step(Module):
    """The loss of a batch: the objective of K latents drawn from the model for each example.

    Args:
        model: what is trained.
        objective: what scores its draws; it says how many it needs.
    """

    def __init__(self, model: VAE, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def draw(self, x: Float[Tensor, "B D"], progress: Progress | None = None) -> Draw:
        """Returns what the objective scores; the model is told where training is."""
        self.model.at_epoch(None if progress is None else progress.epoch)
        return self.objective.draw(self.model, x)

    def forward(self, x: Float[Tensor, "B D"], progress: Progress | None = None) -> Loss:
        return self.objective(self.draw(x, progress), progress)

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False) -> Any:
        """Takes weights back in the strides that they were saved with, which are those of Adam's moments."""
        for name, own in self.state_dict(keep_vars=True).items():
            if name in state_dict and own.stride() != state_dict[name].stride():
                own.data = torch.empty_like(state_dict[name], device=own.device)
        return super().load_state_dict(state_dict, strict, assign)


def means(loss: Loss) -> dict[str, Tensor]:
    """Returns the loss and its terms averaged over the batch."""
    return {"loss": loss.value.detach()} | {name: term.mean() for name, term in loss.terms.items()}
