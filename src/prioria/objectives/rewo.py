"""A constrained objective that ends at the evidence lower bound (REWO)."""

from __future__ import annotations

import warnings
from collections.abc import Sized
from typing import Literal

import torch
from torch import Tensor, nn

from prioria.model import VAE
from prioria.objectives.base import Objective, Progress
from prioria.objectives.constrained import Constrained


def rewo_update(beta: Tensor | float, delta: Tensor | float, nu: float = 1.0, tau: float = 3.0) -> Tensor:
    """Returns beta exp(nu f delta), f = tanh(tau (beta - 1)) if delta < 0 else -1 (Klushyn et al., 2019, poster).

    Where the constraint is violated it is GECO's; where it is met, beta is drawn to 1 from both sides. Near 1 a step
    multiplies beta - 1 by 1 + nu tau delta: it overshoots for nu tau |delta| > 1 and cycles for > 2.

    Args:
        beta: the multiplier, of any shape.
        delta: C_t - kappa^2, of any shape that broadcasts.
        nu: learning rate of the multiplier.
        tau: slope at beta = 1.

    Example:
        >>> rewo_update(0.5, -1.0) - 0.5
        tensor(0.7361)
    """
    beta, delta = torch.as_tensor(beta), torch.as_tensor(delta)
    slope = torch.where(
        delta < 0, torch.tanh(tau * (beta - 1)), torch.tensor(-1.0, dtype=beta.dtype, device=beta.device)
    )
    return beta * torch.exp(nu * slope * delta)


class REWO(Constrained):
    r"""distortion + beta (inner - distortion), beta drawn to 1 once the target is met (Klushyn et al., 2019).

    Initial phase: beta stays at its small starting value, and the parameters that the top prior alone owns are held
    (VHP: p(z|zeta) and q(zeta|z); VampPrior: pseudo-inputs), while gradients still pass through it to z. When the
    averaged C_t falls below kappa^2 the main phase begins and never ends: everything is trained and beta follows
    :func:`rewo_update`. A target that is not met within ``initial_phase`` of all steps ends it too, with a warning,
    so that a prior is always trained (ours: the poster would wait).

    ``schedule="double-loop"`` is the poster's first method, an ablation: ``period`` steps on the prior alone, then as
    many on all else, in which beta moves, and so on. (The poster does not say how long its loops are.)

    beta moves after the step that gave C_t, the poster's moves before it: the same sequence.

    Args:
        inner: any objective without a weight on the rate of its own.
        target: "nats=80", "nats-per-dim=0.1", "rmse=0.05", "rmse=8/255" or "psnr=26" (for data in [0, 1]).
        nu: learning rate of the multiplier.
        tau: slope at beta = 1.
        beta: its starting value, well below 1.
        average: decay of the moving average of C, min(average, (1 + t) / (10 + t)) at step t; 0 takes the batch's C.
        every: steps between two moves of beta.
        step_bounds: range of the factor of one move; None is the poster's form. (Ours: an average lags behind, and a
            multiplier that moves faster than it swings.)
        initial_phase: largest share of all steps that the initial phase may take.
        schedule: "two-phase" or "double-loop".
        period: steps of each turn of the double loop.

    Raises:
        ValueError: a number out of range, a target that cannot be read, or an inner objective with a weight of its own;
            before training, a prior without parameters, or a target that means nothing for the likelihood.

    Example:
        >>> from prioria.objectives import ELBO
        >>> REWO(ELBO(), target="rmse=0.05").phase
        'initial'
    """

    main: Tensor

    def __init__(
        self,
        inner: Objective,
        target: str,
        *,
        nu: float = 1.0,
        tau: float = 3.0,
        beta: float = 1e-3,
        average: float = 0.99,
        every: int = 1,
        step_bounds: tuple[float, float] | None = (0.99, 1.01),
        initial_phase: float = 0.25,
        schedule: Literal["two-phase", "double-loop"] = "two-phase",
        period: int = 100,
    ) -> None:
        super().__init__(inner, target, nu=nu, beta=beta, average=average, every=every, step_bounds=step_bounds)
        if schedule not in ("two-phase", "double-loop"):
            raise ValueError(f"schedule={schedule!r} is unknown; use 'two-phase' or 'double-loop'")
        if tau <= 0 or not 0 <= initial_phase <= 1 or period < 1:
            raise ValueError(
                f"tau={tau} and period={period} must be positive, initial_phase={initial_phase} within 0..1"
            )
        self.tau, self.initial_phase, self.schedule, self.period = tau, initial_phase, schedule, period
        self.register_buffer("main", torch.tensor(schedule == "double-loop"))

    @property
    def phase(self) -> str:
        """What is being trained: "initial" (all but the prior) or "main"; in the double loop "prior" or "model"."""
        if not self.main:
            return "initial"
        if self.schedule == "two-phase":
            return "main"
        return "model" if self.steps // self.period % 2 else "prior"

    def settled(self, progress: Progress) -> bool:
        return bool(self.main) and super().settled(progress)

    def check(self, model: VAE, data: Sized | None = None) -> None:
        super().check(model, data)
        if not prior_parameters(model):
            raise ValueError(
                f"prior of {model.groups[0]!r} has no parameters, and REWO's phases hold and release them; use "
                "GECO, or a learned prior such as priors.Hierarchical or priors.VampPrior"
            )

    def frozen(self, model: VAE) -> set[nn.Parameter]:
        prior = prior_parameters(model)
        match self.phase:
            case "initial" | "model":
                return super().frozen(model) | prior
            case "prior":
                return super().frozen(model) | (set(model.parameters()) - prior)
            case _:
                return super().frozen(model)

    def _advance(self, progress: Progress | None) -> None:
        match self.phase:
            case "initial":
                self._leave_initial_phase(progress)
            case "main" | "model":
                self._move(rewo_update(self.beta, self.excess, self.nu, self.tau))

    def _leave_initial_phase(self, progress: Progress | None) -> None:
        if self.excess < 0:
            self.main.fill_(True)
        elif progress is not None and progress.total_steps is not None:
            if self.steps + 1 >= self.initial_phase * progress.total_steps:
                warnings.warn(self._impatience(), stacklevel=2)
                self.main.fill_(True)

    def _impatience(self) -> str:
        return (
            f"the target {self.target} was not met in the first {self.initial_phase:.0%} of the steps (now "
            f"{self.target.shown(self.constraint.item())}); the main phase begins, so that the prior is trained too"
        )


def prior_parameters(model: VAE) -> set[nn.Parameter]:
    """Returns the trainable parameters that the prior of the top group owns alone."""
    return set(model.top.prior_parameters)
