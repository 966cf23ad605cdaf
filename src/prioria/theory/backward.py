r"""The backward algorithm of a chain of bits: what the encoder of a binary hierarchy approximates.

The hierarchy is a hidden Markov model whose states are the codes of its groups. From the bottom group up,

    p(x | z_{i-1}) = sum_{z_i} p(z_i | z_{i-1}) p(x | z_i),

and the exact posterior is p(z_i | z_{i-1}, x) proportional to p(z_i | z_{i-1}) p(x | z_i) (Flach, slides, page 12).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.distributions import is_binary
from prioria.draw import descend
from prioria.model import VAE
from prioria.stages import Fused
from prioria.theory.enumeration import codes


def backward_messages(model: VAE, x: Float[Tensor, "B D"]) -> dict[str, Float[Tensor, "S B"]]:
    """Returns log p(x | z_i) for each group and each of its codes, in the order of :func:`codes`, in nats.

    Raises:
        ValueError: the model is not a chain (every stage ``Fused`` with parents="last"), or a group is no bits, or over
            20 of them.
    """
    _check(model)
    below: Tensor | None = None
    messages: dict[str, Tensor] = {}
    for name in reversed(model.groups):
        z = _codes(model, name)
        if below is None:
            messages[name] = model.likelihood(z.unsqueeze(1)).log_prob(x)
        else:
            messages[name] = torch.logsumexp(transitions(model, name).unsqueeze(-1) + below, 1)
        below = messages[name]
    return {name: messages[name] for name in model.groups}


def transitions(model: VAE, above: str) -> Float[Tensor, "S T"]:
    """Returns log p(z_i | z_{i-1}) for every code of the group ``above`` (S) and of the next one (T)."""
    name = model.groups[model.groups.index(above) + 1]
    prior = model.stages[name].prior(_codes(model, above))
    return prior.log_prob(_codes(model, name).unsqueeze(1)).mT


def exact_posterior(
    model: VAE, x: Float[Tensor, "B D"], messages: dict[str, Tensor], group: str
) -> Float[Tensor, "S T B"]:
    """Returns log p(z_i | z_{i-1}, x) for every code of the group above (S; 1 for the top) and of this one (T)."""
    position = model.groups.index(group)
    if position == 0:
        prior = model.stages[group].prior(None).log_prob(_codes(model, group)).unsqueeze(0)
    else:
        prior = transitions(model, model.groups[position - 1])
    return (prior.unsqueeze(-1) + messages[group]).log_softmax(1)


def _codes(model: VAE, group: str) -> Tensor:
    with torch.random.fork_rng(), torch.no_grad():
        z = model.generate(1).z[group]
    return codes(z.shape[-1]).to(z)


def _check(model: VAE) -> None:
    for name, stage in model.stages.items():
        if not (isinstance(stage, Fused) and stage.parents == "last"):
            raise ValueError(f"group {name!r} is not part of a chain; the recursion needs stages.BinaryHierarchy")
    with torch.random.fork_rng(), torch.no_grad():
        latents, _ = descend(model.stages, (1, 1))
    for name, latent in latents.items():
        if not is_binary(latent.p):
            raise ValueError(
                f"group {name!r} has prior {latent.p}, no bits; the recursion needs stages.BinaryHierarchy"
            )
