"""How well the prior of a study fits its aggregate posterior, beside the paths that go through its samples."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from prioria import evaluate, priors
from prioria.data import Split
from prioria.evaluate.sampling import measuring
from prioria.model import VAE

INNER, DRAWS, FAR = 64, 2000, 10.0  # K of a hierarchical prior's bound; draws of q and p; nats
ROWS, SAMPLES = 500, 20  # of the likelihood: test rows and importance samples


def fit_of(model: VAE, train: Split, x: Tensor, *, draws: int = DRAWS, samples: int = SAMPLES) -> dict[str, Any]:
    """Returns both divergences, the shares of prior draws that q(z) does not know, and the likelihood of test rows.

    Args:
        model: whose prior; that of a hierarchical one is bounded with 64 samples meanwhile.
        train: rows whose encodings are q(z).
        x: test rows (N, D).
        draws: of q and of p.
        samples: of each row's importance weights.
    """
    hierarchical = [part for part in model.modules() if isinstance(part, priors.Hierarchical)]
    before = [part.num_samples for part in hierarchical]
    for part in hierarchical:
        part.num_samples = INNER
    found = {
        "kl": evaluate.symmetric_kl(model, train, num_samples=draws).to_json(),
        **unknown_to(model, train, draws=draws),
        "log_likelihood": evaluate.log_likelihood(model, x[:ROWS], num_samples=samples).to_json(),
        "rate": evaluate.parts(model, x[:ROWS], num_samples=5)["rate"].value,
    }
    for part, number in zip(hierarchical, before, strict=True):
        part.num_samples = number
    return found


def unknown_to(model: VAE, train: Split, *, draws: int = DRAWS) -> dict[str, float]:
    """Returns the shares of prior draws below the first percentile of log q(z), and ten nats below its lowest draw."""
    q = evaluate.aggregate_posterior(model, train)
    with measuring(model):
        known = q.log_prob(evaluate.aggregate_draws(model, train, num_samples=draws))
        found = q.log_prob(evaluate.prior_draws(model, num_samples=draws))
        levels = {"pockets": known.quantile(0.01), "far": known.min() - FAR}
        return {name: (found < level).double().mean().item() for name, level in levels.items()}
