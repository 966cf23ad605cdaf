"""Logistic distribution integrated over the bins of grey values."""

from __future__ import annotations

import torch
from torch import Size, Tensor
from torch.distributions import Distribution
from torch.nn import functional as F


class DiscretizedLogistic(Distribution):
    r"""Logistic distribution on [0, 1) cut into equal bins, the outer two with their tails.

    P(x) = sigmoid((x + 1/n - m) / s) - sigmoid((x - m) / s) for the bin [x, x + 1/n), n the number of bins; the
    first bin starts at -infinity and the last one ends at +infinity, so the probabilities sum to one. (Kingma et al.,
    2016, IAF, appendix; the VampPrior code (Tomczak and Welling, 2018) leaves the outer bins open at neither end.)

    Args:
        mean: m (...), in [0, 1].
        log_scale: log s (...).
        bins: n; values are read as the bin that contains them, floor(x n) / n.

    Example:
        >>> d = DiscretizedLogistic(torch.tensor(0.5), torch.tensor(-2.0), bins=4)
        >>> d.log_prob(torch.arange(4) / 4).exp().sum()
        tensor(1.)
    """

    arg_constraints: dict = {}

    def __init__(self, mean: Tensor, log_scale: Tensor, bins: int = 256) -> None:
        if bins < 2:
            raise ValueError(f"bins={bins} leaves nothing to discretise; use at least 2")
        self.location, self.log_scale, self.bins = mean, log_scale, bins
        super().__init__(batch_shape=torch.broadcast_shapes(mean.shape, log_scale.shape), validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.location

    def log_prob(self, value: Tensor) -> Tensor:
        index = (value * self.bins).floor().clamp(0, self.bins - 1)
        inverse_scale = (-self.log_scale).exp()
        lower = (index / self.bins - self.location) * inverse_scale
        upper = ((index + 1) / self.bins - self.location) * inverse_scale
        # log(sigmoid(u) - sigmoid(l)) = log sigmoid(u) + log sigmoid(-l) + log(1 - exp(l - u)): no
        # cancellation in the tails.
        inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
        outer = torch.where(index == 0, F.logsigmoid(upper), F.logsigmoid(-lower))
        return torch.where((index == 0) | (index == self.bins - 1), outer, inside)

    def sample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        with torch.no_grad():
            uniform = torch.rand(Size(sample_shape) + self.batch_shape, device=self.location.device)
            x = self.location + self.log_scale.exp() * torch.logit(uniform, eps=1e-7)
            return (x * self.bins).floor().clamp(0, self.bins - 1) / self.bins
