r"""The unbiased gradient of expectations over draws that cannot be differentiated.

For a loss L(z_1, ..., z_K) of K independent draws from q(z | x),

    grad E L = E [ grad L + sum_k s_k grad log q(z_k | x) ],   s_k = L - (a baseline that does not depend on z_k).

Here the baseline is the loss of the other draws: REINFORCE with leave-one-out (Mnih and Rezende, 2016; Kool, van Hoof
and Welling, 2019). It needs K >= 2 draws, and nothing but the record of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prioria.distributions import is_reparameterized
from prioria.draw import Draw
from prioria.objectives.reductions import Mean, Reduction


def discrete_log_q(draw: Draw) -> Tensor | None:
    """Returns log q (K, B) summed over the groups whose draws have no gradient; None where there is nothing to do."""
    log_q = [
        latent.log_q
        for latent in draw.latents.values()
        if latent.q is not None and latent.log_q is not None and not is_reparameterized(latent.q)
    ]
    return torch.stack(log_q).sum(0) if any(each.requires_grad for each in log_q) else None


def score_function(log_q: Tensor, signal: Tensor) -> Tensor:
    """Returns the scalar sum_k s_k log q(z_k | x), averaged over examples; only its gradient matters."""
    return (signal.detach() * log_q).sum(0).mean()


def expected_cost(draw: Draw, cost: Tensor, reduction: Reduction | None = None) -> Tensor:
    """Returns the mean of a cost (K, B), to differentiate: with the score function of draws that have no gradient.

    Args:
        draw: the draws that were scored.
        cost: what each of them costs, of it and of its example alone.
        reduction: of the K costs of an example; their mean by default.
    """
    reduction = Mean() if reduction is None else reduction
    mean, log_q = reduction.over_batch(cost), discrete_log_q(draw)
    return mean if log_q is None else mean + score_function(log_q, reduction.signal(cost))


def check_gradients(draw: Draw) -> None:
    """Raises ValueError where draws of any group have no gradient: terms of a whole batch have no score function."""
    for latent in draw.latents.values():
        if latent.q is not None and not is_reparameterized(latent.q):
            raise ValueError(
                f"{type(latent.q).__name__} draws have no gradient, which a term of the whole batch needs; use "
                "posteriors.Bernoulli(straight_through=True)"
            )
