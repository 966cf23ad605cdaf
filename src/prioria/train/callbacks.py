"""What a caller may do after every epoch: look at the model and its numbers, and stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch

from prioria.model import VAE, evaluation_mode
from prioria.train import randomness
from prioria.train.log import Line


@dataclass
class Epoch:
    """An epoch that has ended, as a callback of :func:`prioria.fit` sees it.

    Attributes:
        model: with the weights that were validated, in evaluation mode.
        number: of the epoch, from 1 on.
        train: the last line of training means, in nats: "loss", terms such as "distortion" and "rate", "gradient_norm".
        validation: means over the validation rows, in nats; ``best`` says whether they are the best so far.

    Example:
        >>> seen = Epoch(None, 3, {"loss": 2.0}, {"loss": 2.5, "best": True})
        >>> if seen.validation["loss"] > seen.train["loss"]: seen.stop()
        >>> seen.stopped
        True
    """

    model: VAE | None
    number: int
    train: Line
    validation: Line
    stopped: bool = field(default=False, init=False)

    def stop(self) -> None:
        """Ends training after this epoch; the run keeps its best weights, and can be resumed."""
        self.stopped = True


Callback = Callable[[Epoch], object]


def check(callbacks: Sequence[Any]) -> None:
    """Raises ValueError where a callback cannot be called, before anything is trained."""
    for each in callbacks:
        if not callable(each):
            raise ValueError(
                f"callbacks: {each!r} cannot be called; give functions of one argument, the prioria.train.Epoch"
            )


def call(
    callbacks: Sequence[Callback], epoch: Epoch, device: torch.device, weights: AbstractContextManager[object]
) -> bool:
    """Calls callbacks in turn, and says whether one stopped the training, on whose random numbers none has influence.

    Args:
        callbacks: any number.
        epoch: what they see.
        device: whose generator is left as it was.
        weights: in which the model has the weights that were validated.
    """
    if callbacks and epoch.model is not None:
        with weights, randomness.fork(device), evaluation_mode(epoch.model):
            for each in callbacks:
                each(epoch)
    return epoch.stopped
