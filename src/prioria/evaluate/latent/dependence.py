"""How far the latents are from independent, over the data as a whole."""

from __future__ import annotations

import torch
from torch import Tensor

from prioria import sizes
from prioria.distributions import Mixture
from prioria.distributions.families import marginals
from prioria.evaluate.aggregate import aggregate_posterior
from prioria.evaluate.estimate import Estimate
from prioria.evaluate.sampling import Examples, device_of, measuring, seed_generators
from prioria.model import VAE


def total_correlation(
    model: VAE,
    x: Examples,
    *,
    num_samples: int = 5000,
    seed: int = 0,
    group: str | None = None,
    limit: int | None = None,
) -> Estimate:
    r"""Estimates TC = E_q(z) [log q(z) - sum_j log q(z_j)], nats, with the exact density of the aggregate posterior.

    q(z) and its marginals q(z_j) are mixtures of the posteriors of all rows given (Hoffman and Johnson, 2016; Chen et
    al., 2018, eq. 2): unbiased for these rows, where the estimates from mini-batches that objectives use are not.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        num_samples: draws of q(z); time grows with their product with N and with the number of latents.
        seed: of the draws.
        group: name of the group, the top one by default.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: no sample; a posterior that is not a diagonal Gaussian or Bernoulli; there is no such group.

    Example:
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(6, 8, gated_output=True),
        ...     posterior=posteriors.Gaussian(8, 1),
        ...     prior=priors.StandardNormal(1),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(1, 8, 6)),
        ... )
        >>> abs(total_correlation(model, torch.eye(6), num_samples=10).value) < 1e-5  # a single latent has none
        True
    """
    sizes.check_count("num_samples", num_samples)
    q = aggregate_posterior(model, x, group=group, limit=limit, seed=seed)
    with measuring(model):
        seed_generators(device_of(model), (seed, num_samples))
        z = q.sample((num_samples,))
        terms = (q.log_prob(z) - _log_marginals(q, z)).double().cpu()
    error = torch.full_like(terms, terms.var().item() if num_samples > 1 else torch.nan)
    estimator = "draws of the aggregate posterior, its exact density"
    return Estimate.of(terms, error, num_samples, seed, estimator, examples=len(q.log_weights))


def _log_marginals(q: Mixture, z: Tensor) -> Tensor:
    """Returns the sum of log q(z_j) for each row of z (S, L): (S,)."""
    mixtures = [Mixture(each) for each in marginals(q.components)]
    return torch.stack([p.log_prob(z_j) for p, z_j in zip(mixtures, z.flatten(1).split(1, -1), strict=True)]).sum(0)
