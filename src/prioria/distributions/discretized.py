"""Logistic distribution integrated over the bins of grey values."""

from __future__ import annotations

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, constraints
from torch.nn import functional as F

ROUNDING = 2.0**-22  # relative: k / n in single precision, times n, is k up to three roundings of 2^-24
NEAR = 8  # levels on each side of the location that the mean sums one by one: it is right to 2e-7


class Bins(constraints.Constraint):
    """Values of [0, 1] of which only the bin [k/n, (k+1)/n) counts that they lie in.

    Args:
        count: n.
    """

    is_discrete = True
    event_dim = 0

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__()

    def bin(self, value: Tensor) -> Tensor:
        """Returns the number of the bin of each value, those outside in the outer bins."""
        # Rounded down, (1 / 41) * 41 would be bin 0: only where n is a power of two are edges exact.
        return (value * (self.count * (1 + ROUNDING))).floor().clamp(0, self.count - 1)

    def check(self, value: Tensor) -> Tensor:
        return (value >= 0) & (value <= 1)


class DiscretizedLogistic(Distribution):
    r"""Logistic distribution on [0, 1) cut into equal bins, the outer two with their tails.

    P(x) = sigmoid((x + 1/n - m) / s) - sigmoid((x - m) / s) for the bin [x, x + 1/n), n the number of bins; the
    first bin starts at -infinity and the last one ends at +infinity, so the probabilities sum to one. (Kingma et al.,
    2016, IAF, appendix; the VampPrior code (Tomczak and Welling, 2018) leaves the outer bins open at neither end.)

    Args:
        mean: m (...), the location, in [0, 1]; the ``mean`` of the distribution is another number.
        log_scale: log s (...).
        bins: n; a value is read as the bin that contains it; draws are the middles of bins, as grey data are stored.

    Example:
        >>> d = DiscretizedLogistic(torch.tensor(0.5), torch.tensor(-2.0), bins=4)
        >>> d.log_prob(torch.arange(4) / 4).exp().sum()
        tensor(1.)
    """

    arg_constraints: dict = {}

    def __init__(self, mean: Tensor, log_scale: Tensor, bins: int = 256) -> None:
        if bins < 2:
            raise ValueError(f"bins={bins} leaves nothing to discretize; use at least 2")
        self.location, self.log_scale, self.bins = mean, log_scale, bins
        super().__init__(batch_shape=torch.broadcast_shapes(mean.shape, log_scale.shape), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        return Bins(self.bins)

    @property
    def mean(self) -> Tensor:
        """Of the middles that ``sample`` gives: 1/(2n) + sum over levels k > 0 of P(x >= k/n) / n.

        A sum over 256 levels would cost more than most decoders, and as much memory to differentiate. Levels near the
        location are summed one by one, the smooth rest is integrated (Euler and Maclaurin, midpoints).
        """
        at, step = torch.broadcast_tensors(self.location * self.bins, (-self.log_scale).exp() / self.bins)
        center = at.detach().floor()
        first, last = (center - NEAR).clamp(0, self.bins - 1), (center + NEAR).clamp(0, self.bins - 1)
        ends = (torch.zeros_like(center), first, last, torch.full_like(center, self.bins - 1))
        zero, below, above, end = (_integral((at - level - 0.5) * step, step) for level in ends)
        total = below - zero + end - above
        for offset in range(1 - NEAR, NEAR + 1):
            level = center + offset
            near = (level > first) & (level <= last)
            total = total + torch.where(near, torch.sigmoid((at - level) * step), 0.0)
        return (total + 0.5) / self.bins

    def log_prob(self, value: Tensor) -> Tensor:
        index = Bins(self.bins).bin(value)
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
            return ((x * self.bins).floor().clamp(0, self.bins - 1) + 0.5) / self.bins


def _integral(u: Tensor, step: Tensor) -> Tensor:
    """Returns an antiderivative over levels k of sigmoid(u_k), u falling by ``step`` a level, with a first correction.

    Between half levels its differences are the sum over the levels there, up to the third derivative.
    """
    return step * torch.sigmoid(u) * torch.sigmoid(-u) / 24 - F.softplus(u) / step
