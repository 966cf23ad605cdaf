"""The aggregate posterior q(z) = (1/N) sum_n q(z|x_n), estimated from the posteriors of one batch of B examples."""

from __future__ import annotations

import math
from collections.abc import Sized
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution
from torch.utils.checkpoint import checkpoint

from prioria.distributions import factors, logsumexp
from prioria.draw import Latent
from prioria.module import Module
from prioria.objectives.base import Rates

TILE = 2**18  # elements of one temporary: larger ones leave the processor's cache, then are paged in anew at every step
KEPT = 2**20  # elements up to which what the tiles computed is kept for the backward pass


@dataclass(frozen=True)
class Aggregate:
    """What an estimator says of the aggregate posterior at the z (B, *event) of a batch.

    Attributes:
        total_correlation: log q(z) - sum_j log q(z_j) (B,).
        log_q: log q(z) (B,), None where only the ratio is known.
        fit: a scalar that fits the estimator's own parameters, zero where it has none.
    """

    total_correlation: Float[Tensor, " B"]
    log_q: Float[Tensor, " B"] | None
    fit: Float[Tensor, ""]


class BatchEstimate(Module):
    """What :class:`Minibatch` and :class:`Stratified` share: q(z) as a weighted mixture of the batch's posteriors.

    Args:
        dataset_size: N, training examples; ``fit`` knows it, alone it must be given.
    """

    has_density = True
    rates = Rates()

    def __init__(self, dataset_size: int | None = None) -> None:
        super().__init__()
        self.dataset_size = dataset_size
        self._found: int | None = None

    def check(self, latent: Latent, data: Sized | None = None) -> None:
        """Learns N from the data, and refuses a posterior without marginals."""
        assert latent.q is not None
        factors(latent.q)
        self._found = None if data is None else len(data)
        if self.dataset_size is not None and self._found not in (None, self.dataset_size):
            raise ValueError(
                f"dataset_size={self.dataset_size}, but there are {self._found} training examples; leave it out"
            )
        _ = self.size

    @property
    def size(self) -> int:
        """N.

        Raises:
            ValueError: it is not known.
        """
        size = self._found if self.dataset_size is None else self.dataset_size
        if size is None:
            raise ValueError(
                f"dataset_size=None is known to fit only; here give tc={type(self).__name__}(dataset_size=...)"
            )
        return size

    def forward(self, latent: Latent) -> Aggregate:
        z = only_sample(latent)
        assert latent.q is not None
        joint, product = aggregate_log_probs(latent.q, z, self.log_weights(len(z)).to(z.device))
        return Aggregate(joint - product, joint, joint.new_zeros(()))

    def log_weights(self, batch: int) -> Float[Tensor, "B B"]:
        """Returns log w_ik, the weight of example k's posterior in the density of q at the z of example i."""
        raise NotImplementedError(f"{type(self).__name__} must define log_weights")


class Minibatch(BatchEstimate):
    """w_ik = 1/(N B): minibatch-weighted sampling (Chen et al., 2018, appendix C.1).

    Biased: each log-density is low by up to log N (exactly so when the batch is the data set), the total correlation
    therefore high by up to (latents - 1) log N. As in the paper's code the constant stays in what is reported.
    """

    def log_weights(self, batch: int) -> Tensor:
        return torch.full((batch, batch), -math.log(self.size * batch))


class Stratified(BatchEstimate):
    """w_ii = 1/N, w_ij = (N - M)/(N M) for one other j, 1/M for the rest, M = B - 1 (Chen et al., 2018, appendix C.2).

    Each row sums to one, and over batches the density is unbiased. The matrix of the public codes is another: a stride
    of B puts the 1/N into one column instead of the diagonal. A batch of one has nothing to compare with: w = 1.
    """

    def log_weights(self, batch: int) -> Tensor:
        size, others = self.size, batch - 1
        if size < batch:
            raise ValueError(
                f"dataset_size={size} is smaller than a batch of {batch}; give the number of training examples"
            )
        if others == 0:
            return torch.zeros(1, 1)
        weights = torch.full((batch, batch), 1 / others)
        rows = torch.arange(batch)
        weights[rows, (rows + 1) % batch] = (size - others) / (size * others)
        weights[rows, rows] = 1 / size
        return weights.log()


def only_sample(latent: Latent) -> Float[Tensor, " B *event"]:
    """Returns the one z of each example.

    Raises:
        ValueError: several were drawn.
    """
    if len(latent.z) != 1:
        raise ValueError(f"num_samples={len(latent.z)} draws of each example cannot be aggregated; draw one")
    return latent.z[0]


def aggregate_log_probs(
    q: Distribution, z: Float[Tensor, " R *event"], log_weights: Float[Tensor, "R B"]
) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"]]:
    r"""Returns log q(z_i) and sum_j log q(z_ij), q(z_i) = sum_k w_ik q(z_i|x_k) and likewise for each dimension j.

    All pairs of rows and components meet in every dimension, R B D numbers. They are computed in tiles of rows, and
    where they are many again in the backward pass, so that memory stays at that of a tile.

    Args:
        q: factorized posteriors of the batch, batch shape (B,) or (1, B).
        z: values.
        log_weights: log w_ik.

    Raises:
        ValueError: q does not factorize over its dimensions.
    """
    family, components = factors(q), log_weights.shape[1] * q.event_shape.numel()
    rows = max(1, TILE // components)
    tiles = zip(z.split(rows), log_weights.split(rows), strict=True)
    tile = _tile if len(z) * components <= KEPT else _recomputed_tile
    joint, product = zip(*(tile(family, *each) for each in tiles), strict=True)
    return torch.cat(joint), torch.cat(product)


def _tile(family: Distribution, z: Tensor, log_weights: Tensor) -> tuple[Tensor, Tensor]:
    pairs = family.log_prob(z.unsqueeze(1)).flatten(2)  # (rows, B, D)
    joint = logsumexp(pairs.sum(-1) + log_weights)
    product = logsumexp(pairs + log_weights.unsqueeze(-1), 1).sum(-1)
    return joint, product


def _recomputed_tile(family: Distribution, z: Tensor, log_weights: Tensor) -> tuple[Tensor, Tensor]:
    return checkpoint(_tile, family, z, log_weights, use_reentrant=False, preserve_rng_state=False)
