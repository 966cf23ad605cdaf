"""The aggregate posterior as a prior: the optimum that learned priors approach."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Normal

from prioria.distributions import Mixture, bernoulli, families, normal
from prioria.priors.base import Prior


class AggregatePosterior(Prior):
    r"""p(z) = (1/N) sum_n q(z|x_n), the posteriors of N examples by an encoder that is fixed.

    It is the prior with the highest bound for that encoder (Hoffman and Johnson, 2016), as costly as the data set is
    large: a reference row. Nothing in it is learned, and it does not follow an encoder that is; the VampPrior on N
    training rows with ``trainable=False`` does.

    Args:
        location: means (N, L) of diagonal Gaussians; without ``scale``, logits of Bernoullis.
        scale: standard deviations (N, L).

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> import torch
        >>> from prioria.distributions import normal
        >>> two = normal(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [0.5]]))
        >>> AggregatePosterior.of(two)().log_prob(torch.ones(1))
        tensor(-1.7431)
    """

    can_narrow = False

    def __init__(self, location: Tensor, scale: Tensor | None = None) -> None:
        super().__init__()
        if location.dim() != 2 or (scale is not None and scale.shape != location.shape):
            found = None if scale is None else tuple(scale.shape)
            raise ValueError(f"location has shape {tuple(location.shape)} and scale {found}; both must be (N, L)")
        self.register_buffer("location", location.clone())
        self.register_buffer("scale", None if scale is None else scale.clone())

    @classmethod
    def of(cls, components: Distribution) -> AggregatePosterior:
        """Builds it from posteriors with batch shape (N,), such as ``evaluate.aggregate_posterior(...).components``."""
        match families.base(components):
            case Normal(loc=loc, scale=scale):
                return cls(loc, scale)
            case Bernoulli(logits=logits):
                return cls(logits)
            case other:
                raise AssertionError(other)

    def forward(self, context: Tensor | None = None) -> Distribution:
        location = self.get_buffer("location")
        return Mixture(bernoulli(location) if self.scale is None else normal(location, self.get_buffer("scale")))
