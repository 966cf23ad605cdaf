"""Mixtures of rows with holes: EM goes on, the missing entries drawn by the mixture itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from prioria.distributions.spread import dequantize
from prioria.likelihoods import Heads
from prioria.module import evaluation_mode
from prioria.starts.factors import Array, improve
from prioria.starts.table import Reader, TableStart, build

ROUNDS, STALE = 12, 3  # of draws, and how many of these without a better mixture are the last
STEPS = 3  # of EM after each draw
AT_ONCE = 200  # rows


def observed(start: TableStart, train: NDArray, validation: NDArray, *, seed: int = 0) -> TableStart:
    r"""Returns a mixture that fits what is observed of rows with holes at least as well as a start.

    A start was fitted to rows whose holes were filled by linear regressions, which do not know the classes. Each round
    draws the missing numbers from p(missing | observed) of the mixture, which is exact, and goes on with EM: stochastic
    EM (Celeux and Diebolt, 1985), which moves around the maximum of \sum_n log p(observed_n). Of these mixtures the one
    with the largest log p(observed) of the validation rows is kept, if its paired gain exceeds its standard error.

    Args:
        start: a mixture; its number of classes and factors stay.
        train: training rows (N, D), NaN where an entry is missing.
        validation: validation rows.
        seed: of the draws.

    Returns:
        The mixture, whose ``validation`` is log p(observed) of each row; a start of rows without holes as it is.
    """
    if not np.isnan(train).any() and not np.isnan(validation).any():
        return start
    train, validation = np.asarray(train, np.float64), np.asarray(validation, np.float64)
    heads = Heads(start.schema, start.families, start.levels)
    reader = Reader(heads, train)
    reader.center, reader.scale = start.center, start.scale
    held = dequantize(validation, start.schema, seed=seed + 1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        first = best = current = replace(start, validation=_log_likelihood(start, held))
        stale = 0
        for number in range(ROUNDS):
            rows = reader(dequantize(_filled(current, train, reader.real), start.schema, seed=seed + number))
            mixture = current.mixture
            shares = softmax(mixture.log_joint(rows)[:, : mixture.settings.classes], 1)
            try:
                mixture = improve(rows, mixture.settings, reader.floor, shares, iterations=STEPS, tolerance=0.0)
            except np.linalg.LinAlgError:
                break
            current = replace(current, mixture=mixture)
            current = replace(current, validation=_log_likelihood(current, held))
            stale = 0 if current.validation.mean() > best.validation.mean() else stale + 1
            best = best if stale else current
            if stale == STALE:
                break
    gain = best.validation - first.validation
    return best if gain.mean() > gain.std() / np.sqrt(len(gain)) else first


@torch.no_grad()
def _log_likelihood(start: TableStart, x: Array) -> Array:
    """Returns log p(observed) (N,): the posterior is exact, so that one sample is enough."""
    model = build(start, hidden=1, full=True)
    with evaluation_mode(model):
        found = [model.draw(rows, 1).log_w[0] for rows in torch.from_numpy(x).float().split(AT_ONCE)]
    return torch.cat(found).double().numpy()


def _filled(start: TableStart, x: Array, real: list[int]) -> Array:
    """The rows with a draw of each missing number; other columns keep their holes, which a class's tables leave out."""
    model, filled = build(start, hidden=1, full=True), x.copy()
    rows = np.flatnonzero(np.isnan(x[:, real]).any(1))
    for part in (rows[first : first + AT_ONCE] for first in range(0, len(rows), AT_ONCE)):
        drawn = model.conditional(torch.from_numpy(x[part]).float(), 1, num_samples=1).draws[0].double().numpy()
        filled[part[:, None], real] = np.where(np.isnan(x[part]), drawn, x[part])[:, real]
    return filled
