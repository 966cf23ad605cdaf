"""The log-likelihood: one door to its three estimators."""

from __future__ import annotations

from typing import Any, Literal

from prioria.evaluate.estimate import Estimate
from prioria.evaluate.likelihood.ais import annealed_log_likelihood
from prioria.evaluate.likelihood.importance import Progress, importance_log_likelihood
from prioria.evaluate.likelihood.quadrature import quadrature_log_likelihood
from prioria.evaluate.sampling import Examples
from prioria.model import VAE

Method = Literal["importance", "ais", "quadrature"]

OPTIONS: dict[str, list[str]] = {
    "importance": ["num_samples", "examples", "progress"],
    "ais": ["num_steps", "num_chains"],
    "quadrature": ["points", "reach"],
}


def log_likelihood(
    model: VAE,
    x: Examples,
    num_samples: int | None = None,
    seed: int = 0,
    *,
    method: Method = "importance",
    num_steps: int | None = None,
    num_chains: int | None = None,
    points: int | None = None,
    reach: float | None = None,
    limit: int | None = None,
    examples: range | None = None,
    progress: Progress | None = None,
) -> Estimate:
    r"""Estimates +log p(x) in nats.

    "importance": :func:`prioria.evaluate.importance_log_likelihood`, the estimator of the tables: a lower bound in
    expectation, as good as the encoder. "ais": :func:`prioria.evaluate.annealed_log_likelihood`, a lower bound in
    expectation that the encoder has no part in. "quadrature": :func:`prioria.evaluate.quadrature_log_likelihood`, for
    one or two latents, without noise.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        num_samples: S, of importance sampling; 5,000 by default.
        seed: of the noise.
        method: which estimator.
        num_steps: temperatures of annealing; 500 by default.
        num_chains: of annealing, for each example; 16 by default.
        points: of the grid along each latent; 81 by default.
        reach: of the grid, in posterior standard deviations; 8 by default.
        limit: take so many rows only, at even distances.
        examples: range of rows, of importance sampling; ``evaluate.join`` puts parts together.
        progress: of importance sampling, called with the number of examples done and their total.

    Raises:
        ValueError: an unknown method, an option that belongs to another one, or what the estimator itself refuses.

    Example:
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> import torch
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(6, 8, gated_output=True),
        ...     posterior=posteriors.Gaussian(8, 2),
        ...     prior=priors.StandardNormal(2),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, 6)),
        ... )
        >>> log_likelihood(model, torch.ones(3, 6), num_samples=10).estimator
        'importance sampling'
        >>> log_likelihood(model, torch.ones(3, 6), method="ais", num_steps=5).estimator
        'annealed importance sampling'
    """
    options: dict[str, Any] = {
        "num_samples": num_samples,
        "num_steps": num_steps,
        "num_chains": num_chains,
        "points": points,
        "reach": reach,
        "examples": examples,
        "progress": progress,
    }
    chosen = {name: value for name, value in options.items() if value is not None}
    _check(method, chosen)
    match method:
        case "importance":
            return importance_log_likelihood(model, x, seed=seed, limit=limit, **chosen)
        case "ais":
            return annealed_log_likelihood(model, x, seed=seed, limit=limit, **chosen)
        case "quadrature":
            return quadrature_log_likelihood(model, x, limit=limit, **chosen)


def _check(method: str, chosen: dict[str, Any]) -> None:
    if method not in OPTIONS:
        raise ValueError(f"method={method!r} is unknown; use {', '.join(map(repr, OPTIONS))}")
    for name, value in chosen.items():
        if name not in OPTIONS[method]:
            owner = next(other for other, names in OPTIONS.items() if name in names)
            raise ValueError(f"{name}={value!r} does not belong to method={method!r}; leave it out or use {owner!r}")
