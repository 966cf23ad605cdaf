"""Bits with a straight-through gradient."""

from __future__ import annotations

from torch import Size, Tensor
from torch.distributions import Bernoulli, Independent


class StraightThroughBernoulli(Bernoulli):
    r"""Bernoulli(p) whose draws pass their gradient on to p: z is exactly 0 or 1, and dz/dp := 1.

    z = b + (p - sg(p)) with b ~ Bernoulli(p) and sg the stop-gradient (Bengio, Leonard and Courville, 2013). The
    gradient is biased wherever what follows is not linear in z; the unbiased one is that of
    :class:`prioria.objectives.ELBO` with several samples of a plain Bernoulli.
    """

    has_rsample = True

    def rsample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        return self.sample(Size(sample_shape)) + (self.probs - self.probs.detach())


def straight_through_bernoulli(logits: Tensor, event_dims: int = 1) -> Independent:
    """Product of :class:`StraightThroughBernoulli` with the last ``event_dims`` axes as the event."""
    return Independent(StraightThroughBernoulli(logits=logits, validate_args=False), event_dims, validate_args=False)
