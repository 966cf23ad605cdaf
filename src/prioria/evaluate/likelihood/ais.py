"""The log-likelihood by annealed importance sampling."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from prioria.evaluate.estimate import Estimate, WeightQuality, join
from prioria.evaluate.likelihood.annealing import Annealing
from prioria.evaluate.likelihood.joint import Joint
from prioria.evaluate.likelihood.weights import Weights
from prioria.evaluate.sampling import ROWS, Batch, Examples, device_of, measuring, sampling_of, seed_generators
from prioria.model import VAE


def annealed_log_likelihood(
    model: VAE,
    x: Examples,
    *,
    num_steps: int = 500,
    num_chains: int = 16,
    seed: int = 0,
    limit: int | None = None,
) -> Estimate:
    r"""Estimates +log p(x) in nats by annealing from the prior to the posterior; the encoder has no part in it.

    Chains start at z ~ p(z) and move by Hamiltonian Monte Carlo through f_t(z) = p(z) p(x|z)^t, t from 0 to 1; with
    log w = sum_i (t_i - t_(i-1)) log p(x|z_(i-1)), the mean of w is p(x) in expectation, so the log-mean is a lower
    bound in expectation (Neal, 2001; Wu, Burda, Salakhutdinov and Grosse, 2017). Step sizes are tuned on chains of
    their own and then held. All groups move together, and so does zeta of a hierarchical prior, whose density need not
    be bounded then. Bits, in any group, are drawn in turn from f_t given all other latents (Gibbs sampling).

    Args:
        model: the model, its latents real or bits; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        num_steps: T, temperatures; each costs ten gradients of log p(x, z) for each chain, and one value for each bit.
        num_chains: chains for each example, at most 1,000; from 25 on, ``converged`` can be told from their weights.
        seed: of the noise.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: a group is discrete and has no list of values, fewer than two steps, too many chains, or no example.

    Example:
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(6, 8, gated_output=True),
        ...     posterior=posteriors.Gaussian(8, 2),
        ...     prior=priors.StandardNormal(2),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, 6)),
        ... )
        >>> annealed_log_likelihood(model, torch.ones(3, 6), num_steps=5, num_chains=10).pointwise.shape
        torch.Size([3])
    """
    check_annealing(num_steps, num_chains)
    with measuring(model):
        sampling, joint = sampling_of(model, x, num_chains, seed, limit=limit), Joint(model)
        found = join([forward(tuned(batch, joint, num_steps), batch) for batch in sampling.batches])
    sampling.warn(found.pointwise)
    return found


def check_annealing(num_steps: int, num_chains: int) -> None:
    """Raises ValueError where there is no path to walk, or too many chains to hold at once."""
    if num_steps < 2 or not 1 <= num_chains <= ROWS:
        raise ValueError(f"num_steps={num_steps} must be at least 2 and num_chains={num_chains} from 1 to {ROWS}")


def tuned(batch: Batch, joint: Joint, num_steps: int) -> Annealing:
    """Returns the path of the examples of a batch with steps tuned for it; seeds the noise of all that follows."""
    seed_generators(device_of(batch.sampling.model), (batch.sampling.seed, batch.first))
    with torch.inference_mode(False), torch.no_grad():
        return Annealing.tuned(joint, batch.condition.x.clone(), num_steps, batch.sampling.num_samples)


def forward(path: Annealing, batch: Batch) -> Estimate:
    """Returns the lower bound of a batch of examples."""
    with torch.inference_mode(False), torch.no_grad():
        log_w = path.forward(path.joint.draw(batch.sampling.num_samples, len(path.x)))
    weights = _weights(log_w, batch)
    return _estimate(batch, weights.log_mean, weights.variance, "annealed importance sampling", weights.quality)


def backward(path: Annealing, batch: Batch, z: Tensor) -> Estimate:
    """Returns the upper bound of a batch of examples, all chains of an example from its one exact posterior draw.

    Chains with one start are not independent, so that their spread is no error: the error is the one over examples.

    Args:
        path: of the examples.
        batch: the examples.
        z: exact draws from their posteriors (B, L).
    """
    with torch.inference_mode(False), torch.no_grad():
        log_w = path.backward(z.clone().expand(batch.sampling.num_samples, *z.shape))
    log_mean = _weights(log_w, batch).log_mean
    return _estimate(batch, -log_mean, torch.full_like(log_mean, torch.nan), "reverse annealed importance sampling")


def _weights(log_w: Tensor, batch: Batch) -> Weights:
    keep = batch.wanted
    weights = Weights(len(log_w), keep.stop - keep.start)
    weights.add(log_w[:, keep])
    batch.numbers(weights.log_mean)  # refuses rows that are not finite
    return weights


def _estimate(
    batch: Batch, pointwise: Tensor, variance: Tensor, estimator: str, quality: WeightQuality | None = None
) -> Estimate:
    sampling = batch.sampling
    pointwise = torch.where(pointwise.isnan(), -math.inf, pointwise)
    return Estimate.of(pointwise, variance, sampling.num_samples, sampling.seed, estimator, weights=quality)
