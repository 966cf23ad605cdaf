r"""The unbiased gradient of expectations over draws that cannot be differentiated.

For a loss L(z_1, ..., z_K) of K independent draws from q(z | x),

    grad E L = E [ grad L + sum_k s_k grad log q(z_k | x) ],   s_k = L - (a baseline that does not depend on z_k).

Here the baseline is the loss of the other draws: REINFORCE with leave-one-out (Mnih and Rezende, 2016; Kool, van Hoof
    and
Welling, 2019). It needs K >= 2 draws, and nothing but the record of them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from prioria.distributions import is_reparameterized, logsumexp
from prioria.draw import Draw


def discrete_log_q(draw: Draw) -> Tensor | None:
    """Returns log q (K, B) summed over the groups whose draws have no gradient; None where there is nothing to do."""
    log_q = [
        latent.log_q
        for latent in draw.latents.values()
        if latent.q is not None and latent.log_q is not None and not is_reparameterized(latent.q)
    ]
    return torch.stack(log_q).sum(0) if any(each.requires_grad for each in log_q) else None


def check_samples(draw: Draw, count: int) -> None:
    """Raises ValueError where draws have no gradient and ``count`` of them do not make a score function."""
    if discrete_log_q(draw) is not None:
        _check(count)


def leave_one_out(cost: Tensor) -> Tensor:
    """Returns the signal (K, B) of a cost (K, B) that is averaged over K.

    Raises:
        ValueError: K = 1.

    Example:
        >>> leave_one_out(torch.tensor([[3.0], [1.0]])).mT
        tensor([[ 1., -1.]])
    """
    _check(len(cost))
    return (cost - cost.mean(0)) / (len(cost) - 1)  # = (f_k - mean of the other f) / K


def leave_one_out_bound(log_w: Tensor) -> Tensor:
    """Returns the signal (K, B) of -log (1/K) sum_k w_k: its difference from the same loss of the other K - 1 draws.

    Raises:
        ValueError: K = 1.
    """
    count = len(log_w)
    _check(count)
    own = torch.eye(count, dtype=torch.bool, device=log_w.device).unsqueeze(-1)
    others = logsumexp(log_w.expand(count, *log_w.shape).masked_fill(own, -torch.inf), 1) - math.log(count - 1)
    return others - (logsumexp(log_w, 0) - math.log(count))


def score_function(log_q: Tensor, signal: Tensor) -> Tensor:
    """Returns the scalar sum_k s_k log q(z_k | x), averaged over examples; only its gradient matters."""
    return (signal.detach() * log_q).sum(0).mean()


def expected_cost(draw: Draw, cost: Tensor) -> Tensor:
    """Returns the mean of a cost (K, B), to differentiate: with the score function of draws that have no gradient."""
    log_q = discrete_log_q(draw)
    return cost.mean() if log_q is None else cost.mean() + score_function(log_q, leave_one_out(cost))


def _check(count: int) -> None:
    if count < 2:
        raise ValueError(
            "num_samples=1 leaves no other draw to compare with, and the posterior's draws have no gradient; use "
            "num_samples=2 or more, or posteriors.Bernoulli(straight_through=True)"
        )
