"""The log-likelihood: one door to its three estimators."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

from prioria.evaluate.estimate import Estimate
from prioria.evaluate.likelihood.ais import annealed_log_likelihood
from prioria.evaluate.likelihood.importance import importance_log_likelihood
from prioria.evaluate.likelihood.quadrature import quadrature_log_likelihood
from prioria.evaluate.sampling import Examples
from prioria.model import VAE

Method = Literal["importance", "ais", "quadrature"]

ESTIMATORS: Mapping[Method, Callable[..., Estimate]] = {
    "importance": importance_log_likelihood,
    "ais": annealed_log_likelihood,
    "quadrature": quadrature_log_likelihood,
}


def log_likelihood(
    model: VAE,
    x: Examples,
    *,
    method: Method = "importance",
    seed: int = 0,
    limit: int | None = None,
    **options: Any,
) -> Estimate:
    r"""Estimates +log p(x) in nats.

    "importance": :func:`prioria.evaluate.importance_log_likelihood`, the estimator of the tables: a lower bound in
    expectation, as good as the encoder. "ais": :func:`prioria.evaluate.annealed_log_likelihood`, a lower bound in
    expectation that the encoder has no part in. "quadrature": :func:`prioria.evaluate.quadrature_log_likelihood`, for
    one or two latents, without noise.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        method: which estimator.
        seed: of the noise.
        limit: take so many rows only, at even distances.
        options: the other arguments of that estimator, such as ``num_samples`` of importance sampling, ``num_steps``
            and ``num_chains`` of annealing, ``points`` and ``reach`` of the grid.

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
    _check(method, options)
    return ESTIMATORS[method](model, x, seed=seed, limit=limit, **options)


def _check(method: str, options: Mapping[str, Any]) -> None:
    known = {name: inspect.signature(estimator).parameters for name, estimator in ESTIMATORS.items()}
    if method not in known:
        raise ValueError(f"method={method!r} is unknown; use {', '.join(map(repr, known))}")
    for option, value in options.items():
        if option in known[method]:
            continue
        owners = [repr(name) for name, parameters in known.items() if option in parameters]
        remedy = f"leave it out or use {' or '.join(owners)}" if owners else "no method has it"
        raise ValueError(f"{option}={value!r} does not belong to method={method!r}; {remedy}")
