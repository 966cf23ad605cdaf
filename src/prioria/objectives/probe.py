"""What the densities of a model are, before any data is seen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from prioria.distributions import check_support
from prioria.draw import Draw, Latent
from prioria.model import VAE, evaluation_mode


def probe(model: VAE, num_samples: int = 1) -> Draw:
    """Returns a draw for two rows that the model itself generated; it and the random numbers stay as they were.

    Args:
        model: the model.
        num_samples: K, draws of each row.

    Raises:
        ValueError: a group's prior is over bits or classes and its posterior over real numbers, or the reverse.
    """
    with looking(model), torch.enable_grad():
        made = generated(model)
        try:
            x = made.px.sample()
        except NotImplementedError:  # a likelihood of the user's own need not draw
            x = made.px.mean
        x = x[0].to(next(iter(made.latents.values())).log_p)  # classes too are numbers to an encoder
        draw = model.draw(x, num_samples)
    for name, latent in draw.latents.items():
        if latent.q is not None:
            check_support(name, latent.p, latent.q)
    return draw


def generated(model: VAE) -> Draw:
    """Returns two rows that the model generates; it and the random numbers stay as they were."""
    with looking(model), torch.no_grad():
        return model.generate(2)


def check_minimum(model: VAE, groups: Collection[str]) -> None:
    """Raises ValueError where the rate of one of the groups, to be minimized, falls for ever.

    The rate of a point is -log p(z) alone. Under a prior that can narrow without end, codes and prior shrink together,
    the decoder enlarges what it reads, and every unit of log-scale saves a nat for each dimension.
    """
    for name in groups:
        stage = model.stages[name]
        can_narrow = bool(stage.prior_parameters) and getattr(stage.p, "can_narrow", True)  # of the unknown the worst
        if can_narrow and not getattr(stage.q, "has_density", True):
            raise ValueError(
                f"group {name!r}: posterior={type(stage.q).__name__} has no density, and under a learned "
                f"prior={type(stage.p).__name__} of any width the rate of its codes has no minimum; use ELBO(beta=0) "
                "and refit-prior, or priors.StandardNormal (a prior whose scales are limited says can_narrow = False)"
            )


@contextmanager
def looking(*modules: nn.Module) -> Iterator[None]:
    """Leaves the modules and the random numbers as they were."""
    # in evaluation mode: batch normalization would take what is only looked at for a batch of data
    with ExitStack() as stack, torch.random.fork_rng():
        for module in modules:
            stack.enter_context(evaluation_mode(module))
        yield


def check_separate(draw: Draw, cost: Callable[[Draw], Tensor], name: str) -> None:
    """Raises ValueError where the cost of a draw depends on another draw, or on another example.

    Its score function would then be that of another cost. Densities and latents of the draw are made variables of
    their own, and no cost but a draw's own may have a gradient in them.
    """
    latents, leaves = {}, []

    def variable(value: Tensor | None) -> Tensor | None:
        if value is None or not value.is_floating_point():
            return value
        leaves.append(value.detach().requires_grad_())
        return leaves[-1]

    for group, latent in draw.latents.items():
        found = {each: variable(getattr(latent, each)) for each in ("z", "log_q", "log_p")}
        latents[group] = replace(latent, **found)
    first = cost(replace(draw, latents=latents, log_px=variable(draw.log_px)))[0, 0]
    if not first.requires_grad:
        return
    for gradient in torch.autograd.grad(first, leaves, allow_unused=True):
        if gradient is not None and gradient.count_nonzero() != gradient[0, 0].count_nonzero():
            raise ValueError(
                f"{name}.cost of one draw depends on other draws or other examples, and the posterior's draws have no "
                "gradient; return (K, B) costs of their own draw and example alone, reduce K draws by a Reduction, or "
                "use posteriors.Bernoulli(straight_through=True)"
            )


def group_of(draw: Draw, group: str | None) -> Latent:
    """Returns the latent of a group, the top one by default.

    Raises:
        ValueError: there is no such group.
    """
    name = next(iter(draw.latents)) if group is None else group
    if name not in draw.latents:
        raise ValueError(f"group={group!r} is unknown; this model has {', '.join(draw.latents)}")
    return draw.latents[name]
