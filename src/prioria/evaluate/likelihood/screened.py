"""Importance weights whose decoder runs in half precision, and in full where it counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prioria.draw import Draw
from prioria.evaluate.sampling import ROWS, Batch

FIRST = 256  # samples that are scored again at first
SHARE = 0.1  # of the weight that may stay unscored


@dataclass(frozen=True)
class Screened:
    """Log-weights of a batch.

    Attributes:
        log_w: log-weights (S, n), the heaviest in full precision, the others shifted by the mean error seen there.
        bound: whether a density in them is a lower bound.
        rounding: variance of the log-mean weight that is left by rounding (n,).
    """

    log_w: Float[Tensor, "S n"]
    bound: bool
    rounding: Float[Tensor, " n"]


def screened(batch: Batch) -> Screened:
    r"""Decodes all S samples in bfloat16 and the heaviest again in full precision.

    With e_s the error of log p(x|z_s) seen where it was scored again, the others are shifted by the mean of e, and what
    is left moves the log-mean weight by at most sd(e) times their share of the weight. Samples are scored again, twice
    as many each time, until that share is below a tenth for every example. All S latents are held in memory.
    """
    with halved(batch.sampling.model.likelihood, batch.condition.x.device.type):
        draws = list(map(_kept, batch.draws))
    log_w = torch.cat([each.log_w for each in draws])
    log_px = torch.cat([each.log_px for each in draws])
    z = {name: torch.cat([each.z[name] for each in draws]) for name in draws[0].z}
    order = log_w.argsort(0, descending=True)
    errors, count = log_w.new_zeros(0, log_w.shape[1]), min(FIRST, len(log_w))
    while True:
        chosen = order[len(errors) : count]
        errors = torch.cat([errors, _exact(batch, z, chosen) - log_px.gather(0, chosen)])
        share = _share_of_others(log_w, order[:count], errors)
        if count == len(log_w) or (share < SHARE).all():
            break
        count = min(2 * count, len(log_w))
    found = (log_w + errors.mean(0)).scatter(0, order[:count], log_w.gather(0, order[:count]) + errors)
    keep = batch.wanted
    return Screened(found[:, keep], any(each.bound for each in draws), (errors.var(0) * share.square())[keep])


@dataclass(frozen=True)
class _Kept:
    z: dict[str, Tensor]
    log_w: Tensor
    log_px: Tensor
    bound: bool


def _kept(draw: Draw) -> _Kept:
    """What is held of a block, in double precision; its distributions go."""
    bound = any(latent.bound for latent in draw.latents.values())
    return _Kept(draw.z, draw.log_w.double(), -draw.distortion.double(), bound)


def _exact(batch: Batch, z: dict[str, Tensor], chosen: Tensor) -> Tensor:
    """Returns log p(x|z) in full precision of the samples (T, n) that were chosen for each example."""
    examples = torch.arange(chosen.shape[1], device=chosen.device)
    parts = []
    for rows in chosen.split(max(1, ROWS // chosen.shape[1])):
        px = batch.sampling.model.decode({name: value[rows, examples] for name, value in z.items()})
        parts.append(px.log_prob(batch.condition.x).double())
    return torch.cat(parts)


def _share_of_others(log_w: Tensor, scored: Tensor, errors: Tensor) -> Tensor:
    """The share of the weight (n,) of those samples that were not scored again."""
    others = (log_w + errors.mean(0)).scatter(0, scored, -torch.inf).logsumexp(0)
    known = (log_w.gather(0, scored) + errors).logsumexp(0)
    return (others - torch.logaddexp(others, known)).exp()


@contextmanager
def halved(likelihood: nn.Module, device: str) -> Iterator[None]:
    """Runs the networks of a likelihood in bfloat16, and nothing else."""
    autocast = torch.autocast(device, torch.bfloat16)

    def begin(*_: object) -> None:
        autocast.__enter__()

    def end(*_: object) -> None:
        autocast.__exit__(None, None, None)

    hooks = likelihood.register_forward_pre_hook(begin), likelihood.register_forward_hook(end, always_call=True)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
