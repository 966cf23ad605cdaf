"""The log-likelihood by quadrature, for one or two real latents, and by a sum over classes and bits beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.evaluate.estimate import ACCURATE, Estimate, join
from prioria.evaluate.likelihood.importance import importance_sampled
from prioria.evaluate.likelihood.joint import Joint, Summed
from prioria.evaluate.likelihood.modes import ROWS, box_of, peaks_of, widened
from prioria.evaluate.likelihood.regions import LogDensity, Regions, at_the_border, integrate
from prioria.evaluate.sampling import Batch, Examples, has_density, measuring, sampling_of
from prioria.model import VAE

EXAMPLES_TOGETHER = 10  # samples for which the sampler takes a hundred examples together
ENCODED = 16  # draws from the encoder that the search for modes knows
SAMPLES = 1000  # of the encoder, to compare with
REGION_SAMPLES = 256  # of the regions, to compare with
ERRORS = 4.0  # standard errors that importance sampling may be off by
NORMAL = 0.3  # standard error up to which it is about normal
CERTAIN = 10.0  # nats: an average of positive weights exceeds its mean e^t-fold with probability e^-t at most
UNFINISHED = 1.0  # nats, of error at least where an example has run out of evaluations
EVALUATIONS = 40  # of an example, in those of a square grid of points


def quadrature_log_likelihood(
    model: VAE, x: Examples, *, points: int = 81, reach: float = 8.0, seed: int = 0, limit: int | None = None
) -> Estimate:
    r"""Computes log p(x) = log of the integral of p(x|z) p(z) dz on regions that are refined where it changes.

    Bits and classes are summed over at every z: p(x, z) = sum_c p(x, z, c), of 256 values of c at most.

    Modes are sought first: from the highest of 5,000 draws from the prior, of a scan of their range (32,001 points of
    one latent, 201 x 201 of two) and of draws from the encoder, uphill along the gradient. The box is cut into regions.
    Those near a mode are halved until they are no larger than it, and those whose integral changes when they are halved
    are halved again (adaptive cubature; Genz and Malik, 1980). zeta of a hierarchical prior counts as a latent, and its
    density is exact then.

    ``error`` of each example adds up how far the last halving changed its regions, the share of those at the border of
    the box, and what importance sampling contradicts by more than its own error: samples in the regions, to either
    side, and samples of the encoder where they say more (they are a lower bound, and say less where the encoder misses
    a mode). An example that runs out of evaluations has an error of a nat at least, and of what its highest peak
    promises beyond. Where the error is 0.01 nats or more for over 5 % of the examples, ``converged`` is false and
    ``reason`` says why. No rule on points sees a needle between all of them that no gradient leads to and the encoder
    does not know.

    Args:
        model: one or two of the latents in all its groups are real; its mode and the global random numbers are left as
            they were.
        x: rows (N, D), or a split of a data set.
        points: an example is worth as many evaluations as forty grids of points x points have.
        reach: of the box, in standard deviations of the prior to either side; it holds all draws and modes besides.
        seed: of all draws, and of dynamic binarization.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: more than two real latents or none, too many codes, too few points, no reach, or a row whose
            density is not a number.

    Example:
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(6, 8, gated_output=True),
        ...     posterior=posteriors.Gaussian(8, 1),
        ...     prior=priors.StandardNormal(1),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(1, 8, 6)),
        ... )
        >>> quadrature_log_likelihood(model, torch.ones(3, 6)).converged
        True
    """
    if points < 5 or reach <= 0:
        raise ValueError(f"points={points} must be at least 5, and reach={reach} positive")
    with measuring(model):
        joint = Summed(Joint(model))
        _check(joint)
        sampled = _sampled(model, x, seed, limit)
        found = []
        for batch in sampling_of(model, x, EXAMPLES_TOGETHER, seed, limit=limit).batches:
            found.append(_of_batch(joint, batch, reach, EVALUATIONS * points**2))
    values = Integrals.of(found)
    if sampled is not None:
        values = values.against(sampled)
    error = values.error
    return Estimate.of(
        values.log_mass,
        torch.zeros_like(error),
        round(values.evaluations.double().mean().item()),
        seed,
        "quadrature, adaptive regions",
        error=error,
        reason=values.reason(points),
    )


@dataclass(frozen=True)
class Integrals:
    """The logs of N integrals, and what speaks against each, in nats: all (N,).

    Attributes:
        log_mass: the values.
        halving: what the last halving of the regions changed.
        border: the share of regions at the border.
        contradicted: by importance sampling, so far.
        evaluations: of p(x, z), for each.
    """

    log_mass: Float[Tensor, " N"]
    halving: Float[Tensor, " N"]
    border: Float[Tensor, " N"]
    contradicted: Float[Tensor, " N"]
    evaluations: Tensor

    @classmethod
    def of(cls, batches: Sequence[Integrals]) -> Integrals:
        """Returns those of several batches of examples, on the CPU."""
        return cls(*(torch.cat([getattr(batch, each.name) for batch in batches]).cpu().clone() for each in fields(cls)))

    @property
    def error(self) -> Float[Tensor, " N"]:
        """Their sum."""
        return self.halving + self.border + self.contradicted

    def against(self, sampled: Estimate) -> Integrals:
        """Returns them with what importance sampling from the encoder finds beyond."""
        more = sampled.pointwise - self.log_mass
        error = sampled.monte_carlo_variance.sqrt()
        credible = more > torch.where(error < NORMAL, ERRORS * error + ACCURATE, CERTAIN)
        contradicted = torch.where(credible, torch.maximum(self.contradicted, more), self.contradicted)
        return replace(self, contradicted=contradicted)

    def reason(self, points: int) -> str | None:
        """Returns what most of the errors come from; None where there are none that count."""
        bad = self.error >= ACCURATE
        if not bad.any():
            return None
        kinds = {
            f"regions still change when they are halved; raise points={points}": self.halving,
            "mass lies at the border of the box; raise reach": self.border,
            "importance sampling finds other values: a mode was missed, or passed between": self.contradicted,
        }
        most = torch.stack(list(kinds.values()))[:, bad].argmax(0).mode().values.item()
        return f"{int(bad.sum()):,} of {len(bad):,} examples: {list(kinds)[int(most)]}"


def _check(joint: Summed) -> None:
    latents = int(joint.real.sum())
    if latents > 2:
        raise ValueError(f"{latents} real latents, zeta included: a grid takes one or two; use method='ais'")


def _sampled(model: VAE, x: Examples, seed: int, limit: int | None) -> Estimate | None:
    if not has_density(model):
        return None
    sampling = sampling_of(model, x, SAMPLES, seed, limit=limit)
    return join([importance_sampled(batch) for batch in sampling.batches])


def _of_batch(joint: Summed, batch: Batch, reach: float, evaluations: int) -> Integrals:
    encoded = _encoded(joint, batch)
    x = batch.condition.x[batch.wanted]
    box, draws = box_of(joint, len(x), reach)
    peaks, scan = peaks_of(joint, x, box, draws, encoded)
    box = widened(box, peaks)

    def log_density(z: Tensor, owner: Tensor) -> Tensor:
        return torch.cat(
            [_each(joint, x[rows], part) for part, rows in zip(z.split(ROWS), owner.split(ROWS), strict=True)]
        )

    regions, spent, unfinished = integrate(log_density, box, peaks, scan, evaluations)
    log_mass = regions.total(len(x))
    halving, border = (
        (regions.total(len(x), values) - log_mass).exp()
        for values in (regions.change, regions.log_mass.masked_fill(~at_the_border(regions, box), -math.inf))
    )
    unseen = UNFINISHED + (peaks.promise - log_mass).clamp(min=0)
    halving = torch.where(unfinished, torch.maximum(halving, unseen), halving)
    contradicted = _contradiction(log_density, regions, log_mass)
    return Integrals(log_mass, halving, border, contradicted, spent)


def _encoded(joint: Summed, batch: Batch) -> Float[Tensor, "E B L"]:
    """Returns draws from the encoder; none where zeta, of which it knows nothing, is one of the latents."""
    z = torch.cat([values.flatten(2) for values in batch.condition.draw(ENCODED).z.values()], -1)[:, batch.wanted]
    if z.shape[-1] != len(joint.real):
        return z.new_empty(0, z.shape[1], int(joint.real.sum()))
    return z[..., joint.real].double()


def _each(joint: Summed, x: Float[Tensor, "P D"], z: Float[Tensor, "P L"]) -> Float[Tensor, " P"]:
    return joint.log_densities(z.to(x).unsqueeze(0), x)[1].double().squeeze(0)


def _contradiction(log_density: LogDensity, regions: Regions, log_mass: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Returns how far samples within the regions, drawn by their masses, are from their sum, beyond their own error."""
    found = []
    for number, whole in enumerate(log_mass):
        own = regions[regions.owner == number]
        shares = (own.log_mass - whole).softmax(0)
        drawn = own[torch.multinomial(shares, REGION_SAMPLES, replacement=True)]
        z = drawn.middle + drawn.half * (2 * torch.rand_like(drawn.half) - 1)
        log_volume = (2 * drawn.half).log().sum(-1)
        ratio = (log_density(z, drawn.owner) + log_volume - drawn.log_mass).exp()
        off = ratio.mean().log().abs()
        error = ratio.std() / ratio.mean() / math.sqrt(REGION_SAMPLES)
        found.append(torch.where(off > ERRORS * error + ACCURATE, off, 0.0))
    return torch.stack(found)
