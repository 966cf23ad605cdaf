"""Log-likelihoods as other fields quote them: bits per dimension of pictures, perplexity per word of documents."""

from __future__ import annotations

import math

from prioria.distributions import as_levels, is_ordered
from prioria.evaluate.estimate import Estimate
from prioria.evaluate.sampling import Examples, rows_and_likelihood
from prioria.model import VAE


def per_value(model: VAE, x: Examples, *, log_likelihood: Estimate, limit: int | None = None) -> dict[str, float]:
    r"""Returns a log-likelihood in bits per dimension or as perplexity per word, where that makes sense.

    bits per dimension = -\sum_n log p(x_n) / (N D log 2) of bits and grey levels, D values in a row;
    perplexity per word = exp(-\sum_n log p(x_n) / \sum_n W_n) of documents of W_n words. Lower is better. A density
    has neither, and the answer is empty.

    Args:
        model: the model.
        x: the rows (N, D), or the split, that were evaluated.
        log_likelihood: their log p(x), in nats.
        limit: as it was evaluated.

    Example:
        >>> import torch
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> model = VAE(encoder=nets.MLP(4, 3), posterior=posteriors.Gaussian(3, 2), prior=priors.StandardNormal(2),
        ...             likelihood=likelihoods.Bernoulli(nets.MLP(2, 3, 4)))
        >>> fair = Estimate.of(torch.full((5,), 4 * math.log(0.5)), torch.zeros(5), 1, 0, "four fair coins")
        >>> {name: round(value, 6) for name, value in per_value(model, torch.ones(5, 4), log_likelihood=fair).items()}
        {'bits per dimension': 1.0}
    """
    rows, px = rows_and_likelihood(model, x, log_likelihood.seed, limit=limit)
    if is_ordered(px):
        words = rows.double().sum().item() / len(rows)
        return {"perplexity per word": math.exp(-log_likelihood.value / words)} if words else {}
    if as_levels(px, rows) is None:
        return {}
    return {"bits per dimension": -log_likelihood.value / (rows.shape[1] * math.log(2))}
