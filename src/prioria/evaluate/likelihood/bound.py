"""The evidence lower bound and its parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from jaxtyping import Float
from torch import Tensor

from prioria.draw import Draw
from prioria.evaluate.estimate import Estimate, join
from prioria.evaluate.moments import Moments
from prioria.evaluate.sampling import Batch, Examples, Sampling, measuring, require_density, sampling_of
from prioria.model import VAE


def elbo(model: VAE, x: Examples, *, num_samples: int = 1, seed: int = 0, limit: int | None = None) -> Estimate:
    """Estimates the evidence lower bound, E_q[log p(x|z) - log q(z|x) + log p(z)], in nats.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        num_samples: K, draws for each example.
        seed: of the noise.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: no sample or no example.

    Example:
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(6, 8, gated_output=True),
        ...     posterior=posteriors.Gaussian(8, 2),
        ...     prior=priors.StandardNormal(2),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, 6)),
        ... )
        >>> import torch
        >>> elbo(model, torch.ones(3, 6)).estimator
        'average of elbo'
    """
    return parts(model, x, num_samples=num_samples, seed=seed, limit=limit)["elbo"]


def parts(
    model: VAE, x: Examples, *, num_samples: int = 1, seed: int = 0, limit: int | None = None
) -> dict[str, Estimate]:
    """Estimates the evidence lower bound, the distortion, the rate, and the rate of each group of a hierarchy, in nats.

    elbo = -(distortion + rate), and rate is the sum of the groups' ``rate/<group>``; all are read from the same draws.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        num_samples: K, draws for each example.
        seed: of the noise.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: no sample or no example.
    """
    require_density(model)
    with measuring(model):
        return averages(sampling_of(model, x, num_samples, seed, limit=limit), _terms)


def averages(sampling: Sampling, terms_of: Callable[[Draw], Mapping[str, Tensor]]) -> dict[str, Estimate]:
    """Averages terms (K, B) of every Draw over its K samples: name -> an estimate over the examples."""
    found = [batch_averages(batch, terms_of) for batch in sampling.batches]
    return {name: join([each[name] for each in found]) for name in found[0]}


def batch_averages(batch: Batch, terms_of: Callable[[Draw], Mapping[str, Tensor]]) -> dict[str, Estimate]:
    """The same for one batch of examples."""
    moments: defaultdict[str, Moments] = defaultdict(Moments)
    for draw in batch.draws:
        for name, term in terms_of(draw).items():
            moments[name].add(term[:, batch.wanted])
    sampling = batch.sampling
    return {
        name: Estimate.of(each.mean, each.variance_of_mean, sampling.num_samples, sampling.seed, f"average of {name}")
        for name, each in moments.items()
    }


def _terms(draw: Draw) -> dict[str, Float[Tensor, "K B"]]:
    rates = {f"rate/{name}": latent.rate for name, latent in draw.latents.items()} if len(draw.latents) > 1 else {}
    return {"elbo": draw.log_w, "distortion": draw.distortion, "rate": draw.rate, **rates}
