"""InfoVAE with the maximum mean discrepancy."""

from __future__ import annotations

from collections.abc import Sequence, Sized

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.distributions import at_least_float32
from prioria.draw import Draw, Latent
from prioria.model import VAE
from prioria.module import Module
from prioria.objectives.aggregate import only_sample
from prioria.objectives.base import BatchTerms, Objective, Progress
from prioria.objectives.probe import group_of, probe


class RBF(Module):
    r"""k(a, b) = mean over widths w of exp(-|a - b|^2 / (2 w^2)).

    Args:
        widths: w; None for 2 w^2 = latents^2, the kernel of the dpVAE and InfoVAE codes.
    """

    def __init__(self, widths: Sequence[float] | None = None) -> None:
        super().__init__()
        self.widths = widths

    def forward(self, squared_distance: Tensor, latents: int) -> Tensor:
        scales = [float(latents**2)] if self.widths is None else [2 * width**2 for width in self.widths]
        return torch.stack([(-squared_distance / scale).exp() for scale in scales]).mean(0)


class InverseMultiquadratic(Module):
    r"""k(a, b) = mean over scales s of c/(c + |a - b|^2), c = 2 latents s (Tolstikhin et al., 2018, section 4).

    Its tails are heavy, so that an outlier still feels a gradient.

    Args:
        scales: s; by default those of the paper's code.
    """

    def __init__(self, scales: Sequence[float] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)) -> None:
        super().__init__()
        self.scales = scales

    def forward(self, squared_distance: Tensor, latents: int) -> Tensor:
        constants = [2 * latents * scale for scale in self.scales]
        return torch.stack([c / (c + squared_distance) for c in constants]).mean(0)


class RationalQuadratic(Module):
    r"""k(a, b) = (1 + |a - b|^2 / (2 power width^2))^(-power): a mixture of RBF kernels of all widths.

    Args:
        width: the width at which it bends.
        power: how fast its tails fall.
    """

    def __init__(self, width: float = 1.0, *, power: float = 1.0) -> None:
        super().__init__()
        self.width, self.power = width, power

    def forward(self, squared_distance: Tensor, latents: int) -> Tensor:
        return (1 + squared_distance / (2 * self.power * self.width**2)).pow(-self.power)


def mmd(
    a: Float[Tensor, "A L"],
    b: Float[Tensor, "B L"],
    kernel: RBF | InverseMultiquadratic | RationalQuadratic,
    *,
    unbiased: bool,
) -> Tensor:
    r"""Squared maximum mean discrepancy, E k(a, a') + E k(b, b') - 2 E k(a, b) (Gretton et al., 2012, eq. 3 and 5).

    Args:
        a: draws of one distribution.
        b: draws of the other.
        kernel: k.
        unbiased: leave out k(a, a) and k(b, b) (U-statistic); else the V-statistic, which is never negative.

    Raises:
        ValueError: unbiased, from a single draw.
    """
    latents = a.shape[1]
    if unbiased and min(len(a), len(b)) < 2:
        raise ValueError(
            "unbiased=True needs two draws to compare with each other; use unbiased=False or larger batches"
        )

    def average(u: Tensor, v: Tensor) -> Tensor:
        return kernel(_squared_distances(u, v), latents).mean()

    def within(u: Tensor) -> Tensor:
        count = len(u)
        return (average(u, u) * count - 1) / (count - 1) if unbiased else average(u, u)  # k(u, u) = 1

    return within(a) + within(b) - 2 * average(a, b)


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    # One product, (A, B) and never (A, B, L); centered, so that little cancels; in half precision much would.
    center = b.mean(0).detach()
    a, b = at_least_float32(a - center), at_least_float32(b - center)
    with torch.autocast(a.device.type, enabled=False):
        return (a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.mT).clamp(min=0)


class InfoVAE(Objective):
    r"""-log_w - alpha rate + (alpha + weight - 1) MMD(q(z), p(z)) (Zhao, Song and Ermon, 2019; dpVAE, eq. 32).

    Everything is per example: the codes add batch sums of distortion and rate to one MMD of the batch, so that their
    weight is B times this one. As many draws of the prior as examples are compared; under a flow they carry a gradient
    through g^-1 into the prior, while draws of a mixture, such as a VampPrior, have none: there the rate alone trains
    it. Of a group below the top, prior draws are those of p(z|above) given draws of the posterior above, so that the
    discrepancy is that of one step of the hierarchy. The adversarial and the Stein form of the paper are not built.

    Args:
        alpha: 1 - alpha weighs the rate of the group; at most 1.
        weight: lambda.
        kernel: of the discrepancy; ``RBF()`` by default.
        unbiased: the U-statistic instead of the V-statistic; it may be negative, and needs two examples.
        group: name of the group of latents, the top one by default.

    Raises:
        ValueError: alpha above 1, or alpha + weight below it; before training, a posterior whose draws have no
            gradient, points for one under a learned prior of any width, or alpha = 1 with a learned prior whose draws
            have no gradient, which nothing would train.
    """

    def __init__(
        self,
        alpha: float = 0.0,
        weight: float = 1000.0,
        *,
        kernel: RBF | InverseMultiquadratic | RationalQuadratic | None = None,
        unbiased: bool = False,
        group: str | None = None,
    ) -> None:
        super().__init__()
        if alpha > 1:
            raise ValueError(
                f"alpha={alpha} weighs the rate by 1 - alpha, and below 0 it would be sought; use alpha <= 1"
            )
        if alpha + weight < 1:
            raise ValueError(
                f"alpha={alpha} and weight={weight} must add up to 1 or more, else the discrepancy is sought"
            )
        self.alpha, self.weight, self.unbiased, self.group = alpha, weight, unbiased, group
        self.kernel = RBF() if kernel is None else kernel

    def check(self, model: VAE, data: Sized | None = None) -> None:
        latent = group_of(probe(model), self.group)
        super().check(model, data)
        learned = model.stages[model.groups[0] if self.group is None else self.group].prior_parameters
        if self.alpha == 1 and learned and not latent.p.has_rsample:
            raise ValueError(
                f"alpha=1 leaves out the rate, and draws of {type(latent.p).__name__} have no gradient: nothing would "
                "train the prior; use alpha=0, or a prior such as priors.RealNVP"
            )

    def cost(self, draw: Draw, progress: Progress | None = None) -> Tensor:
        return -draw.log_w - self.alpha * group_of(draw, self.group).rate

    def batch_terms(self, draw: Draw, progress: Progress | None = None) -> BatchTerms:
        latent = group_of(draw, self.group)
        z = only_sample(latent).flatten(1)
        discrepancy = mmd(z, _prior_draws(latent, len(z)).flatten(1), self.kernel, unbiased=self.unbiased)
        return BatchTerms(
            added=[(self.alpha + self.weight - 1) * discrepancy],
            reported={"mmd": discrepancy.detach().expand(len(z))},
        )

    def minimized(self, groups: Sequence[str]) -> Sequence[str]:
        name = groups[0] if self.group is None else self.group
        return [each for each in groups if each != name or self.alpha < 1]

    def weighting(self) -> str | None:
        return f"alpha={self.alpha}" if self.alpha else None


def _prior_draws(latent: Latent, count: int) -> Tensor:
    p = latent.p
    shape = torch.Size([count]) if not p.batch_shape else torch.Size()
    return (p.rsample(shape) if p.has_rsample else p.sample(shape)).reshape(-1, *p.event_shape)
