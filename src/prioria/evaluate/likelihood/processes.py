"""The log-likelihood over several processes, each of which evaluates its share of the examples."""

from __future__ import annotations

import torch
from torch import Tensor, distributed

from prioria.evaluate.estimate import Estimate, WeightQuality, join
from prioria.evaluate.likelihood.importance import Precision, importance_log_likelihood
from prioria.evaluate.sampling import Examples, Rows
from prioria.model import VAE
from prioria.sizes import as_rows


def divided_log_likelihood(
    model: VAE,
    x: Examples,
    *,
    num_samples: int = 5000,
    seed: int = 0,
    limit: int | None = None,
    precision: Precision = "full",
) -> Estimate:
    """Estimates log p(x) as :func:`prioria.evaluate.log_likelihood` does, by all processes of the default group.

    Each takes consecutive examples, and every process returns the whole: the numbers are those of one process, as the
    noise of an example does not depend on who draws it. Without a process group there is one share.

    Args:
        model: the same in every process.
        x: all rows (N, D), or a split of a data set, the same in every process.
        num_samples: S.
        seed: of the noise.
        limit: take so many rows only, at even distances.
        precision: as for :func:`prioria.evaluate.importance_log_likelihood`.

    Raises:
        ValueError: there are fewer examples than processes.
    """
    count = distributed.get_world_size() if distributed.is_initialized() else 1
    if count == 1:
        return importance_log_likelihood(model, x, num_samples=num_samples, seed=seed, limit=limit, precision=precision)
    x = x if isinstance(x, Rows) else as_rows(model, x)
    size = len(x) if limit is None else min(limit, len(x))
    if size < count:
        raise ValueError(f"x has {size} rows for {count} processes; use fewer processes")
    bounds = [size * rank // count for rank in range(count + 1)]
    mine = range(bounds[distributed.get_rank()], bounds[distributed.get_rank() + 1])
    part = importance_log_likelihood(
        model, x, num_samples=num_samples, seed=seed, limit=limit, examples=mine, precision=precision
    )
    most = max(stop - start for start, stop in zip(bounds[:-1], bounds[1:], strict=True))
    gathered = [torch.zeros(5, most, dtype=torch.float64) for _ in range(count)]
    distributed.all_gather(gathered, _columns(part, most))
    sizes = [stop - start for start, stop in zip(bounds[:-1], bounds[1:], strict=True)]
    return join([_estimate(rows[:, :size], part) for rows, size in zip(gathered, sizes, strict=True)])


def _columns(part: Estimate, width: int) -> Tensor:
    assert part.weights is not None
    rows = (part.pointwise, part.monte_carlo_variance, part.weights.bias, part.weights.ess, part.weights.pareto_k)
    packed = torch.zeros(5, width, dtype=torch.float64)
    packed[:, : len(part.pointwise)] = torch.stack([row.double() for row in rows])
    return packed


def _estimate(rows: Tensor, like: Estimate) -> Estimate:
    pointwise, variance, bias, ess, pareto_k = rows
    quality = WeightQuality(bias=bias, ess=ess, pareto_k=pareto_k)
    return Estimate.of(pointwise, variance, like.num_samples, like.seed, like.estimator, weights=quality)
