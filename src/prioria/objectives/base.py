"""What an objective is.

An objective reads one :class:`prioria.draw.Draw` and is written as -log_w plus departures from it, so that no group of
latents can be left out. It says what one draw of one example costs; everything else is the base's.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prioria.draw import Draw
from prioria.model import VAE
from prioria.module import Module
from prioria.objectives.probe import check_minimum, check_separate, looking, probe
from prioria.objectives.reductions import Mean, Reduction
from prioria.objectives.score_function import check_gradients, discrete_log_q, expected_cost

COSTS = {"cost", "reduction", "differentiated", "batch_terms", "forward"}
DECLARATIONS = ("weighting", "minimized")


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
        fit: the part of the surrogate that fits parameters beside the model's own objective, such as a discriminator's,
            and that no weight of the objective touches.
    """

    value: Tensor
    surrogate: Tensor
    per_example: Tensor
    terms: dict[str, Tensor]
    fit: Tensor | float = 0.0


@dataclass(frozen=True)
class BatchTerms:
    """What an objective adds to the mean cost: terms of a whole batch, which no single draw has a share of.

    Attributes:
        added: scalars to add to the mean cost; they have no score function, so that draws must have a gradient.
        reported_only: a scalar to add to what is reported alone, where ``differentiated`` has its gradient.
        reported: parts to report, per example (B,).
        fit: a scalar to descend beside the objective and not to report, such as the cross-entropy of a discriminator.
    """

    added: Sequence[Tensor] = ()
    reported_only: Tensor | float = 0.0
    reported: dict[str, Tensor] = field(default_factory=dict)
    fit: Tensor | float = 0.0


@dataclass(frozen=True)
class Rates:
    """How Adam moves an objective's own parameters, such as a discriminator's; None: as it moves the model's."""

    learning_rate: float | None = None
    betas: tuple[float, float] | None = None
    gradient_clip: float | None = None


class Objective(Module):
    r"""The mean of a cost over K draws and B examples; a subclass writes :meth:`cost`, and that is all it must.

    Where a posterior's draws have no gradient (bits without straight-through), ``forward`` adds the unbiased
    score-function term, which needs two draws or more. What an objective remembers from step to step is in buffers, to
    be saved.

    A subclass with another cost takes back what its parent has declared by :meth:`weighting` and :meth:`minimized`.

    Attributes:
        num_samples: K, how many latents the training loop draws for each example.
        reduction: how the K costs of an example become one.
        rates: how its own parameters are optimized, a group apart from the model's.

    Example:
        >>> class SquaredRate(Objective):
        ...     def cost(self, draw, progress=None):
        ...         return -draw.log_w + (draw.rate - 10.0) ** 2
    """

    num_samples: int = 1
    reduction: Reduction = Mean()
    rates: Rates = Rates()

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        for name in DECLARATIONS:
            if _place(cls, COSTS) < _place(cls, {name}):
                setattr(cls, name, getattr(Objective, name))

    def cost(self, draw: Draw, progress: Progress | None = None) -> Float[Tensor, "K B"]:
        """Returns what each draw of each example costs, by that draw and that example alone.

        Args:
            draw: K draws of B examples.
            progress: where training is; None is the end of every schedule, as in validation.
        """
        raise NotImplementedError(f"{type(self).__name__} must define cost")

    def differentiated(
        self, draw: Draw, cost: Float[Tensor, "K B"], progress: Progress | None = None
    ) -> Float[Tensor, "K B"]:
        """Returns what is differentiated in place of the cost, such as one with a closed-form KL for the rate."""
        return cost

    def batch_terms(self, draw: Draw, progress: Progress | None = None) -> BatchTerms:
        """Returns terms of the whole batch; none by default."""
        return BatchTerms()

    def forward(self, draw: Draw, progress: Progress | None = None) -> Loss:
        """Scores a draw; ``progress=None`` is the end of every schedule, as in validation.

        Raises:
            ValueError: a cost that is not (K, B); or draws without a gradient, where there is one of each example or a
                term of the whole batch.
        """
        cost = self._shaped("cost", self.cost(draw, progress), draw)
        batch = self.batch_terms(draw, progress)
        if batch.added and torch.is_grad_enabled():
            check_gradients(draw)
        descended = self._shaped("differentiated", self.differentiated(draw, cost, progress), draw)
        value, surrogate = self.reduction.over_batch(cost), expected_cost(draw, descended, self.reduction)
        for each in batch.added:
            value, surrogate = value + each, surrogate + each
        per_example, terms = self.reduction(cost).detach(), terms_of(draw) | batch.reported
        return Loss(value + batch.reported_only, surrogate + batch.fit, per_example, terms, fit=batch.fit)

    def draw(self, model: VAE, x: Tensor) -> Draw:
        """Draws what the training loop scores; ``num_samples`` latents for each example."""
        return model.draw(x, self.num_samples)

    def check(self, model: VAE, data: Sized | None = None) -> None:
        """Raises ValueError, before the first step, where this objective cannot train this model on this data.

        It scores a draw of rows that the model makes up, so that whatever ``forward`` refuses is refused here. A
        subclass that refuses more calls it too.
        """
        check_num_samples(self.num_samples)
        draw = probe(model, self.num_samples)
        check_minimum(model, self.minimized(model.groups))
        with looking(model, self):
            self(draw)
            if discrete_log_q(draw) is not None:
                self._check_scored(draw)

    def update(self, terms: dict[str, Tensor], progress: Progress | None = None) -> None:
        """Moves multipliers after a step, from terms averaged over the batch and over all processes."""

    def frozen(self, model: VAE) -> set[nn.Parameter]:
        """Returns the parameters whose gradients are dropped at this step."""
        return set()

    def weighting(self) -> str | None:
        """Returns what weighs the rate in this objective, None where its cost is distortion + rate plus other terms.

        A constraint wraps only one that leaves the rate alone. Who does not define it is not wrapped.
        """
        return "a weighting() that does not say what weighs its rate"

    def minimized(self, groups: Sequence[str]) -> Sequence[str]:
        """Returns the groups whose rate is minimized without a floor: all, where a subclass does not say otherwise.

        There points under a prior that can narrow without end are refused.
        """
        return groups

    def settled(self, progress: Progress) -> bool:
        """Whether warm-up and phases have ended where an epoch begins: patience counts the epochs after them only."""
        return True

    def unfinished(self, last: Progress) -> str | None:
        """Returns, in words, what schedule is still under way at the last step; None where there is none."""
        return None

    def status(self) -> dict[str, float | str]:
        """Returns what to show beside the terms while training, such as a multiplier."""
        return {}

    def violation(self, terms: dict[str, Tensor]) -> float:
        """Returns by how much averaged terms miss what is demanded: best weights have the least of it."""
        return 0.0

    def verdict(self, terms: dict[str, Tensor]) -> str | None:
        """Returns in one sentence whether the averaged terms of the best weights meet what is demanded."""
        return None

    def doubt(self, terms: dict[str, Tensor]) -> str | None:
        """Returns in one sentence why the averaged terms of the best weights cannot be right; training warns of it."""
        return None

    def _shaped(self, method: str, found: Tensor, draw: Draw) -> Tensor:
        if found.shape != draw.distortion.shape:
            raise ValueError(
                f"{type(self).__name__}.{method} gives shape {tuple(found.shape)}, not (K, B) = "
                f"{tuple(draw.distortion.shape)}; return what each draw of each example costs, and no mean of it"
            )
        return found

    def _check_scored(self, draw: Draw) -> None:
        if type(self).forward is not Objective.forward:
            raise ValueError(
                f"{type(self).__name__} defines forward, which has no score function, and the posterior's draws have "
                "no gradient; define cost(draw, progress) instead, or use posteriors.Bernoulli(straight_through=True)"
            )
        check_separate(draw, lambda each: self.differentiated(each, self.cost(each)), type(self).__name__)


def check_num_samples(num_samples: int) -> None:
    """Raises ValueError where no sample is asked for."""
    if num_samples < 1:
        raise ValueError(f"num_samples={num_samples} must be at least 1")


def terms_of(draw: Draw) -> dict[str, Tensor]:
    """Returns distortion, rate, and the rate of each group where there are several, averaged over K (B,)."""
    terms = {"distortion": draw.distortion.mean(0), "rate": draw.rate.mean(0)}
    if len(draw.latents) > 1:
        terms |= {f"rate/{name}": latent.rate.mean(0) for name, latent in draw.latents.items()}
    return {name: term.detach() for name, term in terms.items()}


def _place(cls: type, names: set[str]) -> int:
    """Returns the place, in the order in which methods are looked up, of the first class that defines one of them."""
    return next(place for place, each in enumerate(cls.__mro__) if names & each.__dict__.keys())
