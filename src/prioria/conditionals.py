"""Any columns given any others: the missing entries of a row, drawn given those that are there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prioria import sizes
from prioria.draw import Draw, descend
from prioria.module import evaluation_mode

VAE = Any  # a prioria.model.VAE, whose module uses this one
FEW = 10  # effective samples below which a row is said to have few
AT_ONCE = 50_000  # samples of all rows of a block


@dataclass(frozen=True)
class Conditional:
    """Rows whose missing entries were drawn given the others.

    Attributes:
        draws: M completions of each row, in the units of x; what was observed is in all of them (M, N, D).
        missing: which entries were drawn (N, D).
        effective_samples: (sum w)^2 / sum w^2 of each row's importance weights, from 1 to S (N,).
        num_samples: S, samples of the posterior from which the M were resampled.
    """

    draws: Float[Tensor, "M N D"]
    missing: Bool[Tensor, "N D"]
    effective_samples: Float[Tensor, " N"]
    num_samples: int

    @property
    def few(self) -> Bool[Tensor, " N"]:
        """Which rows with missing entries have fewer than ten effective samples (N,)."""
        return (self.effective_samples < FEW) & self.missing.any(-1)

    @property
    def doubt(self) -> str | None:
        """One line that says where effective samples are few; None where there are enough."""
        count = int(self.few.sum())
        if not count:
            return None
        least = float(self.effective_samples[self.few].min())
        return (
            f"{count} of {int(self.missing.any(-1).sum())} rows have fewer than {FEW} effective samples of "
            f"{self.num_samples} (least {least:.1f}): their draws are too alike; take more samples, or train longer"
        )

    def __str__(self) -> str:
        rows = int(self.missing.any(-1).sum())
        text = f"{int(self.missing.sum())} missing entries of {rows} rows, {len(self.draws)} draws of each"
        return text if self.doubt is None else f"{text}; {self.doubt}"


@torch.no_grad()
def conditional(model: VAE, x: Any, num_draws: int = 10, *, num_samples: int = 1000) -> Conditional:
    r"""Draws the missing entries m of rows given the observed entries o, from p(x_m | x_o).

    z_s ~ q(z | x_o) for s = 1 to S, w_s = p(x_o | z_s) p(z_s) / q(z_s | x_o). Draws of z are taken from the S in
    proportion to w by systematic resampling, which takes none twice where all w are alike, and x_m ~ p(x_m | z)
    (sampling importance resampling; Rubin, 1987). Exact where q is the posterior; else the bias falls as 1 / S.

    Args:
        model: a model whose encoder and likelihood leave missing entries out.
        x: rows (N, D), NaN where an entry is missing; a single row (D,) is a batch of one.
        num_draws: M.
        num_samples: S, at least M.

    Raises:
        ValueError: x does not fit the model, a number is out of range, or the encoder or the likelihood cannot leave
            missing entries out.
    """
    if num_draws < 1 or num_samples < num_draws:
        raise ValueError(f"num_draws={num_draws} must be at least 1, and num_samples={num_samples} at least as many")
    x = sizes.as_rows(model, x)
    missing = x.isnan()
    with evaluation_mode(model):
        check_holes(model, x[missing.any(-1)][:1])
        parts = [_conditional(model, part, num_draws, num_samples) for part in x.split(max(1, AT_ONCE // num_samples))]
    draws = torch.cat([each for each, _ in parts], 1) if parts else x.expand(num_draws, *x.shape)
    found = torch.cat([each for _, each in parts]) if parts else x.new_zeros(0)
    return Conditional(draws, missing, found, num_samples)


def _conditional(model: VAE, x: Tensor, num_draws: int, num_samples: int) -> tuple[Tensor, Tensor]:
    draw = model.draw(x, num_samples)
    index = _systematic(draw.log_w, num_draws)
    rows = torch.arange(len(x), device=x.device)
    px = model.decode({name: z[index, rows] for name, z in draw.z.items()})
    return torch.where(x.isnan(), px.sample(), x), effective_samples(draw)


def effective_samples(draw: Draw) -> Float[Tensor, " B"]:
    """Returns (sum_s w_s)^2 / sum_s w_s^2 of each row (B,)."""
    log_w = draw.log_w.double()
    return (2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp()


def _systematic(log_w: Tensor, count: int) -> Tensor:
    """Picks indices (M, B) of samples (S, B): sample s about M w_s times, by one uniform number for each row."""
    ends = log_w.double().softmax(0).cumsum(0).mT.contiguous()
    start = torch.rand(len(ends), 1, dtype=ends.dtype, device=ends.device)
    places = (start + torch.arange(count, device=ends.device)) / count
    return torch.searchsorted(ends, places * ends[:, -1:]).clamp(max=len(log_w) - 1).mT


def hidden(x: Tensor, rate: float, generator: torch.Generator | None = None) -> Tensor:
    """Returns rows (B, ...) with entries at random made NaN: of each row a share that is uniform from 0 to 2 rate."""
    noise = {"device": x.device, "generator": generator}
    shares = 2 * rate * torch.rand(len(x), *[1] * (x.dim() - 1), **noise)
    return x.masked_fill(torch.rand(x.shape, **noise) < shares, torch.nan)


@contextmanager
def masking(model: VAE, rate: float) -> Iterator[None]:
    """Hides entries of what a model draws latents for, in training mode; see :func:`hidden`."""
    before, model.mask_rate = model.mask_rate, rate
    try:
        yield
    finally:
        model.mask_rate = before


def check_holes(model: VAE, x: Float[Tensor, "B D"]) -> None:
    """Raises ValueError where a model cannot leave out the missing entries of rows, which are NaN.

    The model is asked, whoever wrote it: it draws once, and its random numbers stay as they were.
    """
    if not len(x):
        return
    with evaluation_mode(model), torch.random.fork_rng(), torch.no_grad():
        model.condition(x.nan_to_num())  # what else does not fit is said by its own error
        above = _finite(model, x)
        try:
            scored = bool(model.likelihood(above).log_prob(x).isfinite().all())
        except ValueError:  # torch's distributions refuse values that are not numbers
            scored = False
    if not scored:
        raise ValueError(
            f"likelihood {type(model.likelihood).__name__} does not leave missing entries out: log p(x|z) is not "
            "finite; use likelihoods.Columns (prioria train FILE --preset table)"
        )


def _finite(model: VAE, x: Tensor) -> Any:
    """Returns what the likelihood reads, for one sample of rows with holes; ValueError where they are not finite."""
    try:
        condition = model.condition(x)
        latents, above = descend(model.stages, (1, len(x)), features=condition.features, top=condition.top)
    except ValueError:
        latents, above = {}, None
    if not latents or not all(bool(latent.z.isfinite().all()) for latent in latents.values()):
        raise ValueError(
            f"encoder {_names(model.encoder)} does not see holes: where x has missing entries the latents are not "
            "finite; use nets.ColumnsEncoder, or starts.build (prioria train FILE --preset table)"
        )
    return above


def _names(encoder: Any) -> str:
    return " and ".join(type(each).__name__ for each in encoder.values())
