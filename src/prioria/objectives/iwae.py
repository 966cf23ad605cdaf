"""The importance-weighted bound."""

from __future__ import annotations

from collections.abc import Sized

from prioria.distributions import log_mean_exp
from prioria.draw import Draw
from prioria.model import VAE
from prioria.objectives.base import Loss, Objective, Progress, terms_of
from prioria.objectives.probe import check_minimum, probe
from prioria.objectives.score_function import check_samples, discrete_log_q, leave_one_out_bound, score_function


class IWAE(Objective):
    r"""-log (1/K) sum_k w_k (Burda, Grosse and Salakhutdinov, 2016, eq. 8).

    What is reported is the bound itself, and its gradient is taken through the log-mean-exp. Where a posterior's
    draws have no gradient, the unbiased score-function term is added.

    Args:
        num_samples: K.

    Raises:
        ValueError: no sample; before training, points for a posterior under a learned prior of any width.
    """

    def __init__(self, num_samples: int = 50) -> None:
        super().__init__()
        if num_samples < 1:
            raise ValueError(f"num_samples={num_samples} must be at least 1")
        self.num_samples = num_samples

    def check(self, model: VAE, data: Sized | None = None) -> None:
        check_samples(probe(model), self.num_samples)
        check_minimum(model, model.groups)

    def forward(self, draw: Draw, progress: Progress | None = None) -> Loss:
        per_example = -log_mean_exp(draw.log_w, 0)
        value, log_q = per_example.mean(), discrete_log_q(draw)
        score = 0.0 if log_q is None else score_function(log_q, leave_one_out_bound(draw.log_w))
        return Loss(value, value + score, per_example.detach(), terms_of(draw))

    def weighting(self) -> str | None:
        return "a log-mean-exp over K weights"
