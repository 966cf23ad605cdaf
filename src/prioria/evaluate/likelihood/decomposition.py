"""The bound, taken apart: what is reconstructed, what the latents say of x, and how the prior fits them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from prioria.distributions import Mixture
from prioria.draw import Draw
from prioria.evaluate.aggregate import mixture_of
from prioria.evaluate.estimate import Estimate
from prioria.evaluate.likelihood.bound import averages
from prioria.evaluate.sampling import Examples, measuring, sampling_of
from prioria.model import VAE


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Terms of the evidence lower bound in nats, for the top group, averaged over N examples.

    Attributes:
        elbo: E log p(x|z) - rate.
        reconstruction: E log p(x|z).
        entropy: mean entropy of q(z|x), in closed form.
        cross_entropy: -E_{q(z)} log p(z) of the aggregate posterior q(z) against the prior.
        mutual_information: E KL(q(z|x) || q(z)), between x and z; at most log N.
        marginal_kl: KL(q(z) || p(z)).
        lower_rate: rate of the groups below the top, zero without any.
        residual: reconstruction + entropy - cross_entropy - lower_rate - elbo. The entropy is in closed form and the
            bound is not: it is zero within its errors, unless a density does not belong to its sampler.
    """

    elbo: Estimate
    reconstruction: Estimate
    entropy: Estimate
    cross_entropy: Estimate
    mutual_information: Estimate
    marginal_kl: Estimate
    lower_rate: Estimate
    residual: Estimate

    def to_json(self) -> dict[str, Any]:
        """Returns every term as JSON values."""
        return {field.name: getattr(self, field.name).to_json() for field in fields(self)}

    def __str__(self) -> str:
        return "\n".join(f"{field.name.replace('_', ' '):<20}{getattr(self, field.name)}" for field in fields(self))


def decompose(
    model: VAE, x: Examples, *, num_samples: int = 1, seed: int = 0, limit: int | None = None
) -> Decomposition:
    r"""Rewrites the evidence lower bound around the aggregate posterior q(z) = (1/N) sum_n q(z|x_n).

    elbo = E log p(x|z) + E H[q(z|x)] - CE(q(z), p(z))          (Tomczak and Welling, 2018, eq. 4-6)
         = E log p(x|z) - I(x; z) - KL(q(z) || p(z))            (Hoffman and Johnson, 2016)

    for the top group; the rates of the groups below it are subtracted too. All N encodings enter q(z), the example's
    own among them, so that the terms are exact for these N examples up to the noise of z. Where the density of the
    prior is itself a lower bound, cross-entropy and marginal KL are upper bounds.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set; time grows with N^2.
        num_samples: K, draws for each example.
        seed: of the noise.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: no sample or no example, or a top posterior that is not a diagonal Gaussian or Bernoulli.

    Example:
        >>> import torch
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(6, 8, gated_output=True),
        ...     posterior=posteriors.Gaussian(8, 2),
        ...     prior=priors.StandardNormal(2),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, 6)),
        ... )
        >>> terms = decompose(model, torch.eye(6))
        >>> bound = terms.reconstruction.value - terms.mutual_information.value - terms.marginal_kl.value
        >>> abs(bound - terms.elbo.value) < 1e-5
        True
    """
    with measuring(model):
        sampling = sampling_of(model, x, num_samples, seed, limit=limit)
        aggregate = mixture_of(sampling)
        return Decomposition(**averages(sampling, lambda draw: _terms(draw, aggregate)))


def _terms(draw: Draw, aggregate: Mixture) -> dict[str, Tensor]:
    top = next(iter(draw.latents.values()))
    assert top.q is not None and top.log_q is not None
    log_aggregate = aggregate.log_prob(top.z)
    entropy, lower_rate = top.q.entropy().expand_as(top.log_q), draw.rate - top.rate
    return {
        "elbo": draw.log_w,
        "reconstruction": -draw.distortion,
        "entropy": entropy,
        "cross_entropy": -top.log_p,
        "mutual_information": top.log_q - log_aggregate,
        "marginal_kl": log_aggregate - top.log_p,
        "lower_rate": lower_rate,
        "residual": -draw.distortion + entropy + top.log_p - lower_rate - draw.log_w,
    }
