"""How many nats each single latent carries."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Independent, Normal

from prioria import distributions
from prioria.distributions import has_kl_per_dimension
from prioria.draw import Draw, Latent
from prioria.evaluate.sampling import Examples, measuring, sampling_of
from prioria.model import VAE


@dataclass(frozen=True, eq=False)
class KLPerDimension:
    """Average KL of the posterior of each latent, nats.

    Attributes:
        values: (L,).
        against: what the posterior is compared with: the prior, or the Gaussian with the moments of the aggregate
            posterior where the prior does not factorize. The second is at least the information of z_j about x.
    """

    values: Float[Tensor, " L"]
    against: str


def kl_per_dimension(
    model: VAE, x: Examples, *, num_samples: int = 10, seed: int = 0, limit: int | None = None
) -> dict[str, KLPerDimension | None]:
    """Measures each latent of each group; None where there is no number for each.

    There is none where posteriors do not factorize (flows), nor for bits under a prior that does not (a harmonium).

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        num_samples: draws of the groups above, which the KL of a lower group is averaged over.
        seed: of the draws.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: no row, or no sample.
    """
    found: dict[str, list[Tensor]] = {name: [] for name in model.groups}
    with measuring(model):
        for batch in sampling_of(model, x, num_samples, seed, limit=limit).batches:
            for draw in batch.draws:
                for name, terms in _terms(draw).items():
                    found[name].append(terms[:, batch.wanted].flatten(0, 1))
    return {name: _summary(terms) for name, terms in found.items()}


def _terms(draw: Draw) -> dict[str, Tensor]:
    """Returns KL to the prior (K, B, L, 1), or mean and variance of the posterior (K, B, L, 2), by group."""
    found = {name: _of(latent) for name, latent in draw.latents.items()}
    return {name: terms.flatten(2, -2) for name, terms in found.items() if terms is not None}


def _of(latent: Latent) -> Tensor | None:
    q, shape = latent.q, latent.z.shape
    if q is not None and has_kl_per_dimension(q, latent.p):
        return distributions.kl_per_dimension(q, latent.p).expand(shape).unsqueeze(-1)
    if isinstance(q, Independent) and isinstance(q.base_dist, Normal):
        return torch.stack([q.mean.expand(shape), q.variance.expand(shape)], -1)
    return None


def _summary(terms: list[Tensor]) -> KLPerDimension | None:
    if not terms:
        return None
    every = torch.cat(terms).double().cpu()
    if every.shape[-1] == 1:
        return KLPerDimension(every[..., 0].mean(0), "the prior")
    means, variances = every.unbind(-1)
    total = variances.mean(0) + means.var(0, correction=0)
    values = 0.5 * (total.log() - variances.log().mean(0))  # the other terms of the mean KL cancel
    return KLPerDimension(values, "the Gaussian with the moments of the aggregate posterior")
