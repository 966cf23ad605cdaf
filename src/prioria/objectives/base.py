"""What an objective is.

An objective reads one :class:`prioria.draw.Draw` and is written as -log_w plus departures from it, so that no group of
latents can be left out.
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass

from torch import Tensor, nn

from prioria.draw import Draw
from prioria.model import VAE
from prioria.module import Module


@dataclass(frozen=True)
class Progress:
    """Where training is, counted from zero, and how long it will be. ``None``: the end of every schedule."""

    step: int
    epoch: int
    total_steps: int | None = None


@dataclass(frozen=True)
class Loss:
    """What an objective says of a batch, in nats.

    Attributes:
        value: the objective itself, a scalar: reported.
        surrogate: a scalar with the gradient to descend; the same as ``value`` unless gradients need score functions, a
            closed-form KL or the fit of a discriminator.
        per_example: the objective (B,) without terms that couple a batch: what best weights are selected by.
        terms: parts to report, per example (B,).
        fit: the part of the surrogate that fits the objective's own parameters, such as a discriminator's, and that no
            weight of the objective touches.
    """

    value: Tensor
    surrogate: Tensor
    per_example: Tensor
    terms: dict[str, Tensor]
    fit: Tensor | float = 0.0


@dataclass(frozen=True)
class Rates:
    """How Adam moves an objective's own parameters, such as a discriminator's; None: as it moves the model's."""

    learning_rate: float | None = None
    betas: tuple[float, float] | None = None
    gradient_clip: float | None = None


class Objective(Module):
    """An objective; subclasses define ``forward``. What it remembers from step to step is in buffers, to be saved.

    Attributes:
        num_samples: K, how many latents the training loop draws for each example.
        rates: how its own parameters are optimized, a group apart from the model's.
    """

    num_samples: int = 1
    rates: Rates = Rates()

    def forward(self, draw: Draw, progress: Progress | None = None) -> Loss:
        """Scores a draw; ``progress=None`` is the end of every schedule, as in validation."""
        raise NotImplementedError(f"{type(self).__name__} must define forward")

    def check(self, model: VAE, data: Sized | None = None) -> None:
        """Raises ValueError, before the first step, where this objective cannot train this model on this data."""

    def update(self, terms: dict[str, Tensor], progress: Progress | None = None) -> None:
        """Moves multipliers after a step, from terms averaged over the batch and over all processes."""

    def frozen(self, model: VAE) -> set[nn.Parameter]:
        """Returns the parameters whose gradients are dropped at this step."""
        return set()

    def weighting(self) -> str | None:
        """Returns what weighs the rate in this objective, or None: a constraint wraps only one that leaves it alone."""
        return None

    def settled(self, progress: Progress) -> bool:
        """Whether warm-up and phases have ended: early stopping loses patience only from then on."""
        return True

    def status(self) -> dict[str, float | str]:
        """Returns what to show beside the terms while training, such as a multiplier."""
        return {}

    def violation(self, terms: dict[str, Tensor]) -> float:
        """Returns by how much averaged terms miss what is demanded: best weights have the least of it."""
        return 0.0

    def verdict(self, terms: dict[str, Tensor]) -> str | None:
        """Returns in one sentence whether the averaged terms of the best weights meet what is demanded."""
        return None


def terms_of(draw: Draw) -> dict[str, Tensor]:
    """Returns distortion, rate, and the rate of each group where there are several, averaged over K (B,)."""
    terms = {"distortion": draw.distortion.mean(0), "rate": draw.rate.mean(0)}
    if len(draw.latents) > 1:
        terms |= {f"rate/{name}": latent.rate.mean(0) for name, latent in draw.latents.items()}
    return {name: term.detach() for name, term in terms.items()}
