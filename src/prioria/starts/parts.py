"""Starts for the parts of any model: what statistics of the training rows say of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prioria.data import load as load_data
from prioria.model import VAE, evaluation_mode

ROWS, DRAWS = 2000, 500  # training rows at even distances, and draws of the prior


@torch.no_grad()
def initialize(model: VAE, data: Any, *, seed: int = 0) -> list[str]:
    """Starts those parts of a model at the training rows for which that has a meaning, and returns their paths.

    The pseudo-inputs of a VampPrior become centers of the rows by k-means; the components of a mixture the centers,
    variances and shares of the encodings; the output of a likelihood has the mean, and a variance that is learned that,
    of each column of the rows, averaged over draws of the prior. A part says itself what it begins at: a prior by
    ``start_at_rows(rows)`` or ``start_at_codes(codes)``, a likelihood by ``start_at_output(z, rows)``, each of which
    returns whether anything changed. All other parts stay as they are.

    Args:
        model: of any prior, posterior and likelihood; it is changed in place.
        data: a name, a path, an array, or a :class:`prioria.data.Dataset`.
        seed: of k-means and of the draws.

    Example:
        >>> from prioria import build
        >>> initialize(build.model("digits", prior="mixture", latents=2), "digits")
        ['stages.z.p', 'likelihood']
    """
    dataset = load_data(data)
    rows = dataset.train.tensor(ROWS)
    rows = torch.where(rows.isnan(), rows.nanmean(0).nan_to_num(), rows)
    with torch.random.fork_rng([]), evaluation_mode(model):
        torch.manual_seed(seed)
        found = [path for path, part in model.named_modules() if _begins(part, "start_at_rows", rows)]
        codes = model.draw(rows).latents  # of the encoder, as it is before training
        top = model.groups[0]
        prior, path = model.top.p, next(name for name, part in model.named_modules() if part is model.top.p)
        if _begins(prior, "start_at_codes", codes[top].z.flatten(0, -2)):
            found.append(path)
        if _begins(model.likelihood, "start_at_output", _above(model), rows):
            found.append("likelihood")
    return found


def _above(model: VAE) -> Tensor:
    """What the decoder reads for draws of the prior."""
    seen: list[Tensor] = []
    handle = model.likelihood.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    try:
        model.sample(DRAWS)
    finally:
        handle.remove()
    return seen[0]


def _begins(part: Any, hook: str, *given: Tensor) -> bool:
    start = getattr(part, hook, None)
    return start is not None and bool(start(*given))
