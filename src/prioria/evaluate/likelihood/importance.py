"""The log-likelihood by importance sampling."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from torch import Tensor

from prioria.evaluate.estimate import Estimate, join
from prioria.evaluate.likelihood.screened import screened
from prioria.evaluate.likelihood.weights import Weights
from prioria.evaluate.sampling import Batch, Examples, Sampling, measuring, require_density, sampling_of
from prioria.model import VAE, Condition

Told = Callable[[int, int], None]  # how many of how many rows are done
Precision = Literal["full", "screened"]


def importance_log_likelihood(
    model: VAE,
    x: Examples,
    *,
    num_samples: int = 5000,
    seed: int = 0,
    limit: int | None = None,
    examples: range | None = None,
    progress: Told | None = None,
    precision: Precision = "full",
) -> Estimate:
    r"""Estimates +log p(x) in nats by importance sampling from the posterior.

    log p(x) ~ log (1/S) sum_s p(x, z_s) / q(z_s | x),  z_s ~ q(z | x)  (Burda, Grosse and Salakhutdinov, 2016, eq. 8)

    It is a lower bound in expectation, tighter with S; ``bias`` says about how much is missing. Where the density of
    a prior is itself a lower bound, ``estimator`` says so. Each example is encoded once and the unconditional prior
    is computed once; the decoder sees exactly S rows for each example. An example without a finite estimate counts as
    -inf, with a warning; the others have their own.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        num_samples: S.
        seed: of the noise. The noise of an example depends on (seed, its index, S) alone.
        limit: take so many rows only, at even distances.
        examples: range of rows to evaluate, for one of several processes; ``evaluate.join`` puts parts together.
        progress: called with the number of examples done and their total.
        precision: "screened" decodes all samples in bfloat16 and the heaviest again in full precision, the others
            shifted by the mean error seen there; the Monte-Carlo error holds what rounding is left. It is quicker where
            the processor has half-precision products.

    Raises:
        ValueError: no sample or no example, examples that are not in x, a row that is not finite, or another precision.

    Example:
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> import torch
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(6, 8, gated_output=True),
        ...     posterior=posteriors.Gaussian(8, 2),
        ...     prior=priors.StandardNormal(2),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, 6)),
        ... )
        >>> importance_log_likelihood(model, torch.ones(3, 6), num_samples=10).pointwise.shape
        torch.Size([3])
    """
    require_density(model)
    if precision not in ESTIMATORS:
        raise ValueError(f"precision={precision!r} is unknown; use {' or '.join(map(repr, ESTIMATORS))}")
    with measuring(model):
        sampling = sampling_of(model, x, num_samples, seed, limit=limit, examples=examples)
        parts = []
        for batch in sampling.batches:
            parts.append(ESTIMATORS[precision](batch))
            if progress is not None:
                progress(sum(len(part.pointwise) for part in parts), len(sampling.examples))
    found = join(parts)
    sampling.warn(found.pointwise)
    return found


def expected_seconds(model: VAE, x: Examples, *, num_samples: int = 5000, limit: int | None = None) -> float:
    """Returns about how many seconds importance sampling will take, from timing three blocks.

    Args:
        model: the model.
        x: rows (N, D), or a split of a data set.
        num_samples: S.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: no sample or no example.
    """
    with measuring(model):
        sampling = sampling_of(model, x, num_samples, 0, limit=limit)
        condition = next(sampling.batches).condition
        seconds = [_seconds_of_a_block(sampling, condition) for _ in range(3)]
    batches = math.ceil(len(sampling.examples) / sampling.batch_size)
    return batches * min(seconds) * num_samples / sampling.block_sizes[0]


def importance_sampled(batch: Batch) -> Estimate:
    """Estimates log p(x) of each example of a batch from its draws."""
    return weighted(batch, log_weights(batch), batch.sampling.num_samples)


def screen_sampled(batch: Batch) -> Estimate:
    """The same with the decoder in half precision for all samples but the heaviest."""
    found = screened(batch)
    how, parts = "importance sampling, screened in half precision", [(found.log_w, found.bound)]
    return weighted(batch, parts, batch.sampling.num_samples, how=how, rounding=found.rounding.cpu())


ESTIMATORS: Mapping[Precision, Callable[[Batch], Estimate]] = {"full": importance_sampled, "screened": screen_sampled}


def log_weights(batch: Batch) -> Iterator[tuple[Tensor, bool]]:
    """Yields the log-weights (K, n) of a batch's examples block by block, and whether a density in them is a bound."""
    for draw in batch.draws:
        yield draw.log_w[:, batch.wanted], any(latent.bound for latent in draw.latents.values())


def weighted(
    batch: Batch,
    parts: Iterable[tuple[Tensor, bool]],
    num_samples: int,
    *,
    how: str = "importance sampling",
    rounding: Tensor | float = 0.0,
) -> Estimate:
    """Estimates log p(x) of each example of a batch by the log-mean of weights.

    Args:
        batch: the examples.
        parts: log-weights (K, n), and whether a density in them is a bound.
        num_samples: of all parts.
        how: the estimator in words.
        rounding: variance of each log-mean that is not of the samples (n,).
    """
    keep, bound = batch.wanted, False
    weights = Weights(num_samples, keep.stop - keep.start)
    for log_w, is_bound in parts:
        weights.add(log_w)
        bound = bound or is_bound
    return Estimate.of(
        pointwise=batch.numbers(weights.log_mean),
        monte_carlo_variance=weights.variance + rounding,
        num_samples=num_samples,
        seed=batch.sampling.seed,
        estimator=how + ", the prior's density a lower bound" * bound,
        weights=weights.quality,
    )


def _seconds_of_a_block(sampling: Sampling, condition: Condition) -> float:
    start = time.perf_counter()
    Weights(sampling.num_samples, sampling.batch_size).add(condition.draw(sampling.block_sizes[0]).log_w)
    return time.perf_counter() - start
