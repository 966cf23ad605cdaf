"""The aggregate posterior q(z) = (1/N) sum_n q(z | x_n) of a group: its density, its draws, and those of the prior."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from prioria import sizes
from prioria.distributions import Mixture, concatenate, is_diagonal, take
from prioria.draw import descend
from prioria.evaluate.sampling import Batch, Examples, Sampling, device_of, measuring, sampling_of, seed_generators
from prioria.model import VAE


def aggregate_posterior(
    model: VAE, x: Examples, *, group: str | None = None, limit: int | None = None, seed: int = 0
) -> Mixture:
    """Returns the mixture of the posteriors of all rows; its ``log_prob`` runs in tiles.

    Below the top group it is over draws of the groups above too, one for each row.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        group: name of the group, the top one by default.
        limit: take so many rows only, at even distances.
        seed: of dynamic binarization, and of the draws above a lower group.

    Raises:
        ValueError: the posterior has no density at a z that it did not draw, or one that is not a diagonal Gaussian or
            Bernoulli; there is no such group.
    """
    with measuring(model):
        mixture = mixture_of(sampling_of(model, x, 1, seed, limit=limit), group)
    return Mixture(concatenate([mixture.components]))  # outside of inference mode: ordinary tensors


def mixture_of(sampling: Sampling, group: str | None = None) -> Mixture:
    """Returns the mixture of the posteriors of all examples; to be called while measuring.

    Raises:
        ValueError: as for :func:`aggregate_posterior`.
    """
    name = known_group(sampling.model, group)
    return Mixture(concatenate([_posteriors(each, name) for each in sampling.batches]))


def top_posterior(model: VAE, x: Examples) -> Distribution:
    """Returns q(z | x_0) of the top group, to ask what kind of distribution it is."""
    with measuring(model):
        return next(sampling_of(model, x, 1, 0, limit=1).batches).condition.top[1]


def has_aggregate_density(model: VAE, x: Examples) -> bool:
    """Says whether the posterior of the top group has a density at every z, not only at its own draws, as a flow has.

    :func:`aggregate_posterior` exists where it has.
    """
    return is_diagonal(top_posterior(model, x))


def aggregate_draws(
    model: VAE,
    x: Examples,
    *,
    num_samples: int = 5000,
    seed: int = 0,
    group: str | None = None,
    limit: int | None = None,
) -> Float[Tensor, " S *event"]:
    """Draws z ~ q(z): rows of x at random, with replacement, and one z from the posterior of each.

    Args:
        model: the model, with any posterior; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        num_samples: S.
        seed: of the rows and the noise.
        group: name of the group, the top one by default.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: no sample, or no such group.
    """
    name = known_group(model, group)
    sizes.check_count("num_samples", num_samples)
    with measuring(model):
        rows = sampling_of(model, x, 1, seed, limit=limit).x
        sampling = sampling_of(model, rows[torch.randint(len(rows), (num_samples,))], 1, seed, limit=None)
        z = torch.cat([next(each.draws).z[name][0, each.wanted] for each in sampling.batches])
    return z.clone()


def prior_draws(
    model: VAE, *, num_samples: int = 5000, seed: int = 0, group: str | None = None
) -> Float[Tensor, " S *event"]:
    """Draws z ~ p(z) of a group, the groups above drawn with it.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        num_samples: S.
        seed: of the noise.
        group: name of the group, the top one by default.

    Raises:
        ValueError: no sample, or no such group.
    """
    name = known_group(model, group)
    sizes.check_count("num_samples", num_samples)
    with measuring(model):
        seed_generators(device_of(model), (seed, num_samples))  # not the noise that rows of q(z) are chosen with
        latents, _ = descend(model.stages, (1, num_samples))  # not decoded: that would cost more than all else
    return latents[name].z[0].clone()


def known_group(model: VAE, group: str | None) -> str:
    """Returns the name of a group, the top one by default.

    Raises:
        ValueError: there is no such group.
    """
    if group is not None and group not in model.groups:
        raise ValueError(f"group={group!r} is unknown; this model has {', '.join(model.groups)}")
    return model.groups[0] if group is None else group


def _posteriors(batch: Batch, name: str) -> Distribution:
    members = torch.arange(batch.sampling.batch_size)[batch.wanted]
    if name == batch.sampling.model.groups[0]:
        q = _diagonal(batch.condition.top[1], name)
        return take(q.expand(torch.Size([batch.sampling.batch_size])), members)
    draw = next(batch.draws)
    q = draw.latents[name].q
    assert q is not None
    return take(take(_diagonal(q, name).expand(draw.log_w.shape), torch.tensor(0)), members)


def _diagonal(q: Distribution, name: str) -> Distribution:
    if is_diagonal(q):
        return q
    raise ValueError(
        f"posterior of {name!r}: an aggregate posterior needs log q(z | x_n) of every example at every z; "
        "use a diagonal one, posteriors.Gaussian or posteriors.Bernoulli"
    )
