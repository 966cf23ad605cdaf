"""What the densities of a model are, before any data is seen."""

from __future__ import annotations

import torch

from prioria.draw import Draw, Latent
from prioria.model import VAE


def probe(model: VAE) -> Draw:
    """Returns a draw for two rows that the model itself generated; the random numbers stay as they were."""
    with torch.random.fork_rng(), torch.no_grad():
        return model.draw(model.generate(2).px.sample()[0].float())


def group_of(draw: Draw, group: str | None) -> Latent:
    """Returns the latent of a group, the top one by default.

    Raises:
        ValueError: there is no such group.
    """
    name = next(iter(draw.latents)) if group is None else group
    if name not in draw.latents:
        raise ValueError(f"group={group!r} is unknown; this model has {', '.join(draw.latents)}")
    return draw.latents[name]
