"""The evidence lower bound, with a weight on the rate, warm-up and free bits."""

from __future__ import annotations

from collections.abc import Sequence, Sized

import torch
from torch import Tensor

from prioria.distributions import has_kl, kl
from prioria.draw import Draw, Latent
from prioria.model import VAE
from prioria.objectives.base import BatchTerms, Objective, Progress, check_num_samples
from prioria.objectives.probe import probe
from prioria.objectives.schedules import Ramp


class ELBO(Objective):
    r"""-log_w + (beta - 1) rate, plus beta max(lambda - mean rate_i, 0) for each group i where there are free bits.

    That is distortion + beta sum_i max(lambda, mean rate_i).

    Every term is Monte Carlo at the one z that was drawn, as in the VampPrior paper's code. With beta other than 1 it
    is beta-VAE-H (Higgins et al., 2017). Where a posterior's draws have no gradient (bits without straight-through) the
    unbiased score-function term is added, which needs ``num_samples`` of at least 2 in training.

    Args:
        beta: weight of the rate at the end of the warm-up.
        warmup: "100 epochs" or "5000 steps" over which beta rises linearly from zero.
        free_bits: lambda, nats of rate below which a group is not pressed, on the batch mean (Kingma et al., 2016).
        closed_form_kl: differentiate the closed-form KL in place of the rate, where every group has one; what is
            reported stays the rate at z.
        balance: while beta rises, weigh the rate of group i by gamma_i in proportion to (|mean rate_i| + 0.01) / (its
            dimensions), their mean 1, so that groups with little rate are pressed less (Vahdat and Kautz, 2020, whose
            code divides by a function of the resolution instead); what is reported is without these weights.
        num_samples: K draws to average over.

    Raises:
        ValueError: a negative weight, no sample, a warm-up that cannot be read, or balance without a warm-up; before
            training, points for a posterior under a learned prior of any width, whose rate has no minimum.
    """

    def __init__(
        self,
        beta: float = 1.0,
        *,
        warmup: str | None = None,
        free_bits: float = 0.0,
        closed_form_kl: bool = False,
        balance: bool = False,
        num_samples: int = 1,
    ) -> None:
        super().__init__()
        if beta < 0 or free_bits < 0:
            raise ValueError(f"beta={beta} and free_bits={free_bits} must not be negative")
        check_num_samples(num_samples)
        if balance and warmup is None:
            raise ValueError("balance=True acts while beta rises; give a warmup such as '100 epochs'")
        self.beta, self.ramp, self.free_bits = beta, Ramp.parse(warmup), free_bits
        self.closed_form_kl, self.balance, self.num_samples = closed_form_kl, balance, num_samples

    def check(self, model: VAE, data: Sized | None = None) -> None:
        for name, latent in probe(model).latents.items() if self.closed_form_kl else ():
            if latent.q is not None and not has_kl(latent.q, latent.p):
                raise ValueError(
                    f"closed_form_kl=True needs a closed KL, but posterior and prior of {name!r} have none; leave it "
                    "False"
                )
        super().check(model, data)

    def settled(self, progress: Progress) -> bool:
        return self.ramp.ended(progress)

    def unfinished(self, last: Progress) -> str | None:
        return self.ramp.unfinished(last)

    def cost(self, draw: Draw, progress: Progress | None = None) -> Tensor:
        return -draw.log_w + (self._beta(progress) - 1) * draw.rate

    def differentiated(self, draw: Draw, cost: Tensor, progress: Progress | None = None) -> Tensor:
        pressed = torch.stack([self._pressed(latent) for latent in draw.latents.values()])
        if self.balance and self.ramp(progress) < 1:
            pressed = _balance(draw) * pressed
        return cost + self._beta(progress) * (pressed.sum(0) - draw.rate)

    def batch_terms(self, draw: Draw, progress: Progress | None = None) -> BatchTerms:
        if not self.free_bits:
            return BatchTerms()
        free = torch.stack([self._free(latent) for latent in draw.latents.values()])
        return BatchTerms(reported_only=self._beta(progress) * free.sum())

    def minimized(self, groups: Sequence[str]) -> Sequence[str]:
        return groups if self.beta and not self.free_bits else ()  # below the free bits nothing is pressed

    def weighting(self) -> str | None:
        if self.beta != 1:
            return f"beta={self.beta}"
        return "a warm-up" if self.ramp.length else None

    def _beta(self, progress: Progress | None) -> float:
        return self.beta * self.ramp(progress)

    def _free(self, latent: Latent) -> Tensor:
        # The sampled rate of a batch may be negative: without free bits it counts as it is.
        return (self.free_bits - latent.rate.mean()).clamp(min=0)

    def _pressed(self, latent: Latent) -> Tensor:
        # What is differentiated in place of the sampled rate (K, B): nothing below the free bits, else the closed-form
        # KL if asked for, which has the same expectation.
        if self.free_bits and latent.rate.mean() < self.free_bits:
            return torch.zeros_like(latent.rate)
        if self.closed_form_kl and latent.q is not None:
            return kl(latent.q, latent.p).expand_as(latent.rate)
        return latent.rate


def _balance(draw: Draw) -> Tensor:
    rates = torch.stack([latent.rate.mean() for latent in draw.latents.values()]).detach()
    dimensions = rates.new_tensor([latent.z[0, 0].numel() for latent in draw.latents.values()])
    weights = (rates.abs() + 0.01) / dimensions
    return (weights / weights.mean())[:, None, None]
