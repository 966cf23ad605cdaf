"""The importance-weighted bound."""

from __future__ import annotations

from torch import Tensor

from prioria.draw import Draw
from prioria.objectives.base import Objective, Progress, check_num_samples
from prioria.objectives.reductions import LogMeanExp


class IWAE(Objective):
    r"""-log (1/K) sum_k w_k (Burda, Grosse and Salakhutdinov, 2016, eq. 8).

    What is reported is the bound itself, and its gradient is taken through the log-mean-exp. Where a posterior's
    draws have no gradient, the unbiased score-function term is added, and one draw of each example is refused.

    Args:
        num_samples: K.

    Raises:
        ValueError: no sample; before training, points for a posterior under a learned prior of any width.
    """

    reduction = LogMeanExp()

    def __init__(self, num_samples: int = 50) -> None:
        super().__init__()
        check_num_samples(num_samples)
        self.num_samples = num_samples

    def cost(self, draw: Draw, progress: Progress | None = None) -> Tensor:
        return -draw.log_w

    def weighting(self) -> str | None:
        return "a log-mean-exp over K weights"
