"""What the decoder makes of the latents: from the posterior mean, from a draw, and compared with no latents at all."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from prioria.distributions import expected, has_length
from prioria.evaluate.sampling import Examples, device_of, measuring, sampling_of
from prioria.model import VAE

ROWS = 500  # that tell the scale of p(x|z), and how it follows the prior


@dataclass(frozen=True)
class Reconstruction:
    """Root mean squared errors over all values of all rows that are there, in the units of x.

    Counts of words are compared with those expected in a document of the row's own length, which p(x|z) is given.

    Attributes:
        from_mean: of E[x|z] at the posterior means of all groups.
        from_draws: of E[x|z] at one draw of the posterior.
        without: of the mean row (of words: the mean frequencies), what a decoder that reads nothing can reach.
        response: standard deviation over rows of E[x|z] at the posterior means, relative to that of the rows; zero for
            a decoder that ignores its latents.
        sensitivity: the same over draws of the prior; zero for a decoder that would ignore any latents.
        scale: median standard deviation of p(x|z) where it is a Gaussian, else None.
        standardized: root mean square of (x - m(z)) / s(z) at one draw of the posterior where p(x|z) = N(m, s^2), else
            None; 1 where s is the size of the errors.
        examples: rows.
    """

    from_mean: float
    from_draws: float
    without: float
    response: float
    sensitivity: float
    scale: float | None
    standardized: float | None
    examples: int


def reconstruction(model: VAE, x: Examples, *, seed: int = 0, limit: int | None = None) -> Reconstruction:
    """Reconstructs rows from the posterior means and from draws.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        seed: of the draws.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: no row.
    """
    with measuring(model):
        sampling = sampling_of(model, x, 1, seed, limit=limit)
        parts = [_reconstructed(model, batch.condition.x[batch.wanted]) for batch in sampling.batches]
        first = sampling.x[:ROWS].to(device_of(model))
        px = model.generate(ROWS).px
        # Under the prior lengths and frequencies are independent: the mean squares multiply.
        generated = expected(px, first.sum(-1).square().mean().sqrt())[0].cpu()
        scale = _scale(model.decode({name: model.encode(first, name) for name in model.groups}))
    rows, at_mean, at_draw, residuals = (torch.cat(each).double() for each in zip(*parts, strict=True))
    centered = _of_words if has_length(px) else _centered
    spread = max(_rms(centered(rows)), 1e-12)
    return Reconstruction(
        from_mean=_rms(rows - at_mean),
        from_draws=_rms(rows - at_draw),
        without=_rms(centered(rows)),
        response=_rms(centered(at_mean)) / spread,
        sensitivity=_rms(centered(generated.double())) / spread,
        scale=scale,
        standardized=None if scale is None else _rms(residuals),
        examples=len(rows),
    )


def _reconstructed(model: VAE, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    at_mean = model.decode({group: model.encode(x, group) for group in model.groups})
    at_draw = model.draw(x).px
    gaussian, length = _gaussian(at_draw), x.sum(-1, keepdim=True)
    residuals = x[:0] if gaussian is None else ((x - gaussian.loc) / gaussian.scale)[0]
    return x.cpu(), expected(at_mean, length).cpu(), expected(at_draw, length)[0].cpu(), residuals.cpu()


def _centered(values: Tensor) -> Tensor:
    return values - values.nanmean(0)


def _of_words(counts: Tensor) -> Tensor:
    """Returns counts less those of the mean frequencies in documents as long."""
    return counts - counts.sum(-1, keepdim=True) * counts.sum(0) / counts.sum()


def _scale(px: Distribution) -> float | None:
    gaussian = _gaussian(px)
    return None if gaussian is None else gaussian.scale.median().item()


def _gaussian(px: Distribution) -> Normal | None:
    return px.base_dist if isinstance(px, Independent) and isinstance(px.base_dist, Normal) else None


def _rms(difference: Tensor) -> float:
    return difference[~difference.isnan()].square().mean().sqrt().item()
