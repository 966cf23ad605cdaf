"""beta-VAE-B: hold the rate at a capacity that grows with training."""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized

import torch
from torch import Tensor, nn

from prioria.draw import Draw, Latent
from prioria.model import VAE
from prioria.objectives.base import BatchTerms, Objective, Progress, check_num_samples
from prioria.objectives.schedules import Ramp


class Capacity(Objective):
    r"""distortion + gamma |R - C|, R the batch mean of the rate; C rises to ``capacity`` (Burgess et al., 2018).

    As -log_w plus departures it is -log_w - rate + gamma |R - C|. The bars are felt by the encoder and the decoder
    only. A prior's own parameters, with the gates on its parents, minimize gamma (-log p(z)) at the z that were drawn,
    whichever side of C the rate is on: the sign of R - C would train a learned prior to be worse while R < C. For a
    fixed prior nothing changes.

    The dpVAE code (Bhalodia, Lee and Elhabian, 2020) compares the rate summed over the batch with C, and its gradient
    reaches the prior too; ``as_released=True`` is that form, divided by the batch size B as all losses here are:
    distortion + gamma |R - C/B|. (The code also drops the constant -latents/2 from the rate under a flow, which is the
    same as adding it to C/B.)

    Args:
        capacity: C at the end of the schedule, nats per example. The aggregate posterior cannot hold more than ln N.
        gamma: weight.
        warmup: "100000 steps" or "100 epochs" over which C rises linearly from zero; None for no schedule.
        as_released: the form of the public code.
        num_samples: K draws to average over.

    Raises:
        ValueError: a negative weight or capacity, no sample; before training, a capacity above ln N.
    """

    def __init__(
        self,
        capacity: float,
        gamma: float = 100.0,
        *,
        warmup: str | None = "100000 steps",
        as_released: bool = False,
        num_samples: int = 1,
    ) -> None:
        super().__init__()
        if capacity < 0 or gamma < 0:
            raise ValueError(f"capacity={capacity} and gamma={gamma} must not be negative")
        check_num_samples(num_samples)
        self.capacity, self.gamma, self.ramp = capacity, gamma, Ramp.parse(warmup)
        self.as_released, self.num_samples = as_released, num_samples
        self._own: dict[str, list[nn.Parameter]] | None = None

    def check(self, model: VAE, data: Sized | None = None) -> None:
        if data is not None and not self.as_released and self.capacity > math.log(len(data)):
            raise ValueError(
                f"capacity={self.capacity} exceeds ln N = {math.log(len(data)):.1f} nats, all that tells {len(data)} "
                "training examples apart; use a smaller one"
            )
        self._own = {name: stage.prior_parameters for name, stage in model.stages.items()}
        super().check(model, data)

    def cost(self, draw: Draw, progress: Progress | None = None) -> Tensor:
        excess = draw.rate - self._capacity(draw, progress)
        return -draw.log_w - draw.rate + self.gamma * self._sign(draw, progress) * excess

    def batch_terms(self, draw: Draw, progress: Progress | None = None) -> BatchTerms:
        if self.as_released or not torch.is_grad_enabled() or self._sign(draw, progress) > 0:
            return BatchTerms()
        return BatchTerms(fit=2 * self.gamma * self._fit_of_priors(draw))  # from -gamma to +gamma

    def minimized(self, groups: Sequence[str]) -> Sequence[str]:
        return ()  # the rate ends at C

    def settled(self, progress: Progress) -> bool:
        return self.ramp.ended(progress)

    def unfinished(self, last: Progress) -> str | None:
        return self.ramp.unfinished(last)

    def weighting(self) -> str | None:
        return "a capacity"

    def _capacity(self, draw: Draw, progress: Progress | None) -> float:
        capacity = self.capacity * self.ramp(progress)
        return capacity / draw.distortion.shape[1] if self.as_released else capacity

    def _sign(self, draw: Draw, progress: Progress | None) -> Tensor:
        return torch.where(draw.rate.mean() < self._capacity(draw, progress), -1.0, 1.0).detach()

    def _fit_of_priors(self, draw: Draw) -> Tensor:
        if self._own is None:
            raise _unknown()
        return torch.stack([_fit(latent, self._own[name]) for name, latent in draw.latents.items()]).sum()


def _fit(latent: Latent, own: list[nn.Parameter]) -> Tensor:
    """Returns zero, with the gradient of -log p(z) in the prior's own parameters and in nothing else."""
    zero = latent.log_p.new_zeros(())
    if not own:
        return zero
    fit = -latent.p.log_prob(latent.z.detach()).mean()
    gradients = torch.autograd.grad(fit, own, retain_graph=True, allow_unused=True)
    if all(g is None for g in gradients):  # the parameters of another model, such as the one that this is a copy of
        raise _unknown()
    pairs = [(p, g) for p, g in zip(own, gradients, strict=True) if g is not None]
    return torch.stack([zero, *(((p - p.detach()) * g).sum() for p, g in pairs)]).sum()


def _unknown() -> ValueError:
    return ValueError(
        "Capacity must know which parameters are the prior's; call check(model, data) before training, with the model "
        "that is trained"
    )
