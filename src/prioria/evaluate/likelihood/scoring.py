"""Scores of single rows: log p(x) of each, whatever the others are, and the columns that speak against it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.distributions import by_column
from prioria.evaluate.estimate import Estimate, WeightQuality
from prioria.evaluate.likelihood.importance import log_weights
from prioria.evaluate.likelihood.weights import Weights
from prioria.evaluate.sampling import ROWS, Examples, device_of, measuring, require_density, sampling_of
from prioria.model import VAE


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of rows.

    Attributes:
        log_likelihood: of each row (N,), nats, float64; -inf where it has no finite estimate.
        estimate: the mean over the other rows; None where there is none.
    """

    log_likelihood: Float[Tensor, " N"]
    estimate: Estimate | None

    @property
    def lost(self) -> list[int]:
        """Numbers of the rows without a finite estimate."""
        return self.log_likelihood.isinf().nonzero()[:, 0].tolist()


def scores(
    model: VAE,
    x: Examples,
    *,
    num_samples: int = 1000,
    seed: int = 0,
    limit: int | None = None,
    log_volume: Float[Tensor, " N"] | None = None,
) -> Scores:
    r"""Estimates log p(x) of each row in nats by importance sampling; the lower, the stranger the row.

    As :func:`prioria.evaluate.log_likelihood`, from the same draws (Burda, Grosse and Salakhutdinov, 2016, eq. 8), but
    a row without a finite estimate, of missing or huge values or of some that have no probability, is -inf and stops no
    other.

    Args:
        model: the model.
        x: rows (N, D) as it reads them, a table with the columns of its training data, or a split of a data set.
        num_samples: S.
        seed: of the noise.
        limit: take so many rows only, at even distances.
        log_volume: what is subtracted from each (N,), nats, such as ``Protocol.log_volume``: densities are then in the
            units of the data.

    Raises:
        ValueError: no sample or no row, or rows of another shape.

    Example:
        >>> from prioria import build
        >>> found = scores(build.model("two-moons", seed=0), [[0.0, 0.0], [math.nan, 0.0]], num_samples=10)
        >>> found.lost
        [1]
    """
    require_density(model)
    values, variances, qualities = [], [], []
    with measuring(model):
        sampling = sampling_of(model, x, num_samples, seed, limit=limit, lenient=True)
        for batch in sampling.batches:
            keep = batch.wanted
            weights = Weights(num_samples, keep.stop - keep.start)
            bound = False
            for log_w, is_bound in log_weights(batch):
                weights.add(log_w)
                bound = bound or is_bound
            values.append(weights.log_mean)
            variances.append(weights.variance)
            qualities.append(weights.quality)
    found = torch.cat(values) - (0.0 if log_volume is None else log_volume)
    finite = found.isfinite() if sampling.held is None else found.isfinite() & sampling.held
    scored = found.masked_fill(~finite, -math.inf)
    if not finite.any():
        return Scores(scored, None)
    quality = WeightQuality(
        **{name: torch.cat([getattr(each, name) for each in qualities])[finite] for name in ("bias", "ess", "pareto_k")}
    )
    estimate = Estimate.of(
        pointwise=found[finite],
        monte_carlo_variance=torch.cat(variances)[finite],
        num_samples=num_samples,
        seed=seed,
        estimator="importance sampling" + ", the prior's density a lower bound" * bound,
        weights=quality,
    )
    return Scores(scored, estimate)


def column_log_likelihoods(
    model: VAE, x: Examples, *, num_samples: int = 16, seed: int = 0, limit: int | None = None
) -> Float[Tensor, "N D"] | None:
    r"""Estimates E_{q(z|x)} log p(x_d | z) of each row and column in nats (N, D).

    Args:
        model: the model.
        x: rows (N, D) as it reads them, a table with the columns of its training data, or a split of a data set.
        num_samples: draws for each row.
        seed: of the noise.
        limit: take so many rows only, at even distances.

    Returns:
        None where the likelihood does not factorize over columns.

    Raises:
        ValueError: no sample or no row, or rows of another shape.
    """
    parts = []
    with measuring(model):
        sampling = sampling_of(model, x, num_samples, seed, limit=limit, lenient=True)
        rows = sampling.x.to(device_of(model))
        for tile in rows.split(max(1, ROWS // num_samples)):
            found = by_column(model.draw(tile, num_samples).px, tile)
            if found is None:
                return None
            parts.append(found.mean(0).cpu())
    found = torch.cat(parts)
    return found if sampling.held is None else found.masked_fill(~sampling.held[:, None], torch.nan)
