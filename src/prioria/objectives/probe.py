"""What the densities of a model are, before any data is seen."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from prioria import priors
from prioria.distributions import check_support
from prioria.draw import Draw, Latent
from prioria.model import VAE, evaluation_mode


def probe(model: VAE) -> Draw:
    """Returns a draw for two rows that the model itself generated; it and the random numbers stay as they were.

    Raises:
        ValueError: a group's prior is over bits or classes and its posterior over real numbers, or the reverse.
    """
    with _looking(model):
        made = generated(model)
        try:
            x = made.px.sample()
        except NotImplementedError:  # a likelihood of the user's own need not draw
            x = made.px.mean
        draw = model.draw(x[0].to(next(iter(made.latents.values())).log_p))  # classes too are numbers to an encoder
    for name, latent in draw.latents.items():
        if latent.q is not None:
            check_support(name, latent.p, latent.q)
    return draw


def generated(model: VAE) -> Draw:
    """Returns two rows that the model generates; it and the random numbers stay as they were."""
    with _looking(model), torch.no_grad():
        return model.generate(2)


def check_minimum(model: VAE, groups: Collection[str]) -> None:
    """Raises ValueError where the rate of one of the groups, to be minimized, falls for ever.

    The rate of a point is -log p(z) alone. Under a prior that can narrow without end, codes and prior shrink together,
    the decoder enlarges what it reads, and every unit of log-scale saves a nat for each dimension.
    """
    for name in groups:
        stage = model.stages_[name]
        if not getattr(stage.q, "has_density", True) and stage.prior_parameters and _can_narrow(stage.p):
            raise ValueError(
                f"group {name!r}: posterior={type(stage.q).__name__} has no density, and under a learned "
                f"prior={type(stage.p).__name__} of any width the rate of its codes has no minimum; use ELBO(beta=0) "
                "and refit-prior, or priors.StandardNormal"
            )


def _can_narrow(prior: nn.Module) -> bool:
    # the scales of a RealNVP, of a zuko flow and of a Gaussian with bounds are limited; of other classes nobody knows
    match prior:
        case priors.Hierarchical():
            return _can_narrow(prior.decoder)
        case priors.Gaussian():
            return prior.bounds is None
        case _:
            return isinstance(prior, priors.Mixture)


@contextmanager
def _looking(model: VAE) -> Iterator[None]:
    # in evaluation mode: batch normalization would take what is only looked at for a batch of data
    with evaluation_mode(model), torch.random.fork_rng():
        yield


def group_of(draw: Draw, group: str | None) -> Latent:
    """Returns the latent of a group, the top one by default.

    Raises:
        ValueError: there is no such group.
    """
    name = next(iter(draw.latents)) if group is None else group
    if name not in draw.latents:
        raise ValueError(f"group={group!r} is unknown; this model has {', '.join(draw.latents)}")
    return draw.latents[name]
