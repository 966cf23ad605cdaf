"""Mixture of Gaussians trained freely (MoG)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria import distributions
from prioria.distributions import normal
from prioria.priors.base import Prior
from prioria.priors.centers import centers


class Mixture(Prior):
    r"""p(z) = sum_k w_k N(z; m_k, diag s_k^2), all of it learned.

    The mixture-of-Gaussians prior that the VampPrior is compared with (Tomczak and Welling, 2018, section 5), where the
    weights are uniform.

    Args:
        latents: dimensions of z.
        components: K.
        learned_weights: learn w_k too (departure from the paper).

    Raises:
        ValueError: ``latents`` or ``components`` is not positive.

    Example:
        >>> Mixture(3, components=7)().log_prob(torch.zeros(5, 3)).shape
        torch.Size([5])
    """

    def __init__(self, latents: int, components: int = 500, *, learned_weights: bool = False) -> None:
        super().__init__()
        if min(latents, components) < 1:
            raise ValueError(f"latents={latents} and components={components} must be positive")
        self.mean = nn.Parameter(torch.randn(components, latents))
        self.log_variance = nn.Parameter(torch.zeros(components, latents))
        self.log_weights = nn.Parameter(torch.zeros(components)) if learned_weights else None

    def forward(self, context: Tensor | None = None) -> Distribution:
        components = normal(self.mean, (0.5 * self.log_variance).exp())
        return distributions.Mixture(components, self.log_weights)

    @torch.no_grad()
    def start_at_codes(self, codes: Tensor) -> bool:
        """Moves the components to centers, variances and shares of codes (N, L) by k-means; see ``starts.initialize``.

        A variance is at least a hundredth of that of all codes, which a component without codes has.
        """
        count, least = len(self.mean), 1e-2 * codes.var(0, correction=0)
        found, labels = centers(codes, count)
        member = nn.functional.one_hot(labels, count).to(codes.dtype)  # (N, K)
        rows = member.sum(0).unsqueeze(-1)
        variance = (member.mT @ codes**2) / rows.clamp(min=1) - found**2
        self.mean.copy_(found)
        self.log_variance.copy_(torch.where(rows > 0, variance, codes.var(0, correction=0)).maximum(least).log())
        if self.log_weights is not None:
            self.log_weights.copy_(((rows.squeeze(-1) + 1) / (len(codes) + count)).log())
        return True
