"""What may go wrong while training: a signal to stop, and a loss that is not finite."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch
from torch import Tensor, nn

from prioria.draw import Draw
from prioria.train.step import Step

REMEDIES = (
    "try data of smaller scale (standardize), a lower learning_rate, gradient_clip=1.0, a warm-up, "
    "log_variance_bounds, or precision='float32'"
)


class NonFiniteLoss(ArithmeticError):
    """The loss or a gradient became infinite or not a number; the message names the term and says what to try."""


class Signals:
    """Notes Ctrl-C or a request to terminate, so that training stops between two steps; a second one acts at once."""

    def __init__(self) -> None:
        self.received: int | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Notes signals for a while; signals can only be handled in a program's main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        # what is ignored, as by nohup, stays ignored
        heeded = [number for number, handler in handlers.items() if handler is not signal.SIG_IGN]
        self._previous = {number: signal.signal(number, self._note) for number in heeded}
        try:
            yield
        finally:
            self._release()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._release()

    def _release(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


@torch.no_grad()
def culprit(step: Step, x: Tensor, *, loss_is_finite: bool) -> str:
    """Draws again and says what is not finite first: the data, a parameter, a density of a group, the likelihood, a
    gradient, or the norm of all gradients.
    """
    if not x.isfinite().all():
        return f"{_first(x)} of the batch x"
    for name, parameter in step.named_parameters():
        if not parameter.isfinite().all():
            return f"{_first(parameter)} of the parameter {name}"
    found = next(_terms(step.model.draw(x, step.objective.num_samples)), None)
    rest = "the norm of the gradient" if loss_is_finite else "the objective"
    return found or _gradient(step) or f"{rest}, though every density of the draw is finite"


def _terms(draw: Draw) -> Iterator[str]:
    for group, latent in draw.latents.items():
        for term, value in {"z": latent.z, "log_q": latent.log_q, "log_p": latent.log_p}.items():
            if value is not None and not value.isfinite().all():
                yield f"{_first(value)} of {term} of the group {group!r}"
    if draw.log_px is not None and not draw.log_px.isfinite().all():
        yield f"{_first(draw.log_px)} of log_px, the likelihood"


def _gradient(step: nn.Module) -> str | None:
    for name, parameter in step.named_parameters():
        if parameter.grad is not None and not parameter.grad.isfinite().all():
            return f"{_first(parameter.grad)} of the gradient of {name}"
    return None


def _first(value: Tensor) -> str:
    index = (~value.isfinite()).nonzero()[0].tolist()
    return f"{value[tuple(index)].item()} at {index}"
