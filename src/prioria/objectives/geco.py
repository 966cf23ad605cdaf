"""Generalized ELBO with constrained optimization (GECO)."""

from __future__ import annotations

import torch
from torch import Tensor

from prioria.objectives.base import Objective, Progress
from prioria.objectives.constrained import Constrained


def geco_update(beta: Tensor | float, delta: Tensor | float, nu: float = 1.0) -> Tensor:
    """Returns beta exp(-nu delta) (Rezende and Viola, 2018, written for beta = 1/lambda).

    Args:
        beta: the multiplier, of any shape.
        delta: C_t - kappa^2, of any shape that broadcasts.
        nu: learning rate of the multiplier.

    Example:
        >>> geco_update(0.5, -1.0) - 0.5
        tensor(0.8591)
    """
    return torch.as_tensor(beta) * torch.exp(-nu * torch.as_tensor(delta))


class GECO(Constrained):
    r"""distortion + beta (inner - distortion), beta <- beta exp(-nu delta) (Rezende and Viola, 2018).

    beta falls while the constraint C_t <= kappa^2 is violated and grows without end while it holds, so that training
    does not end at the evidence lower bound; see :class:`REWO`. There is no initial phase. C_t is an exponential moving
    average (the poster does not say how to average), delta the excess per dimension: see :class:`Target`.

    Args:
        inner: any objective without a weight on the rate of its own.
        target: "nats=80", "nats-per-dim=0.1", "rmse=0.05", "rmse=8/255" or "psnr=26" (for data in [0, 1]).
        nu: learning rate of the multiplier.
        beta: its starting value.
        average: decay of the moving average of C, min(average, (1 + t) / (10 + t)) at step t; 0 takes the batch's C.
        every: steps between two moves of beta.
        step_bounds: range of the factor of one move; None is the papers' form. (Ours: an average lags behind, and a
            multiplier that moves faster than it swings.)

    Raises:
        ValueError: a number out of range, a target that cannot be read, or an inner objective with a weight of its own;
            before training, a target that means nothing for the likelihood.

    Example:
        >>> from prioria.objectives import ELBO
        >>> str(GECO(ELBO(), target="psnr=26").target)
        'psnr=26'
    """

    def __init__(
        self,
        inner: Objective,
        target: str,
        *,
        nu: float = 1.0,
        beta: float = 1.0,
        average: float = 0.99,
        every: int = 1,
        step_bounds: tuple[float, float] | None = (0.99, 1.01),
    ) -> None:
        super().__init__(inner, target, nu=nu, beta=beta, average=average, every=every, step_bounds=step_bounds)

    def _advance(self, progress: Progress | None) -> None:
        self._move(geco_update(self.beta, self.excess, self.nu))
