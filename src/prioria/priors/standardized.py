"""Any prior, of latents that are standardized first."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import Rescaled
from prioria.priors.base import Prior


class Standardized(Prior):
    r"""p(z) = p_0((z - m) / s) / prod_j s_j, with m and s the moments of the aggregate posterior, set once (ours).

    Learned priors start near N(0, I). Where the posterior has gone far from it before the prior is trained, as after
    the initial phase of :class:`prioria.objectives.REWO` or under a small beta, they start in the wrong place and at
    the wrong scale, and may never get out. ``fit`` sets m and s from 5,000 draws of q(z) before the first step that is
    one epoch in and beyond every warm-up and initial phase; until then they are 0 and 1. They are kept with the
    weights. A VampPrior does not need it: its components are the posterior's own.

    Args:
        prior: p_0, any prior of the same latents.
        latents: dimensions of z.

    Raises:
        ValueError: ``latents`` is not positive.

    Example:
        >>> from prioria import priors
        >>> prior = Standardized(priors.StandardNormal(1), 1)
        >>> prior.set(torch.tensor([[8.0], [12.0]]))
        >>> prior().log_prob(torch.tensor([10.0]))
        tensor(-1.9587)
    """

    def __init__(self, prior: nn.Module, latents: int) -> None:
        super().__init__()
        if latents < 1:
            raise ValueError(f"latents={latents} must be positive")
        self.prior = prior
        self.register_buffer("mean", torch.zeros(latents))
        self.register_buffer("scale", torch.ones(latents))
        self.register_buffer("is_set", torch.tensor(False))

    def forward(self, context: Tensor | None = None) -> Distribution:
        return Rescaled(self.prior(context), self.get_buffer("mean"), self.get_buffer("scale"))

    @property
    def can_narrow(self) -> bool:
        """As the prior inside: a prior that says nothing may."""
        return getattr(self.prior, "can_narrow", True)

    def bind(self, group: str, encoder: nn.Module, posterior: nn.Module) -> None:
        """Passes its group and networks to the prior inside."""
        if bind := getattr(self.prior, "bind", None):
            bind(group, encoder, posterior)

    def at_rows(self, rows: Tensor | None) -> None:
        """Passes the numbers of the rows of a step to the prior inside."""
        if told := getattr(self.prior, "at_rows", None):
            told(rows)

    def check_training(self) -> None:
        """Raises ValueError where the prior inside cannot be trained with its model."""
        if check := getattr(self.prior, "check_training", None):
            check()

    @property
    def awaits_draws(self) -> bool:
        """Whether m and s are still to be set: asked by the training loop."""
        return not self.get_buffer("is_set")

    @torch.no_grad()
    def set(self, z: Tensor) -> None:
        """Sets m and s to mean and deviation of draws z (N, latents) of the aggregate posterior.

        Raises:
            ValueError: fewer than two draws, or a dimension in which they do not differ.
        """
        if len(z) < 2:
            raise ValueError(f"z has {len(z)} draws; a deviation needs at least 2")
        scale = z.std(0)
        if not (scale > 0).all():
            raise ValueError(f"z does not vary in dimension {int(scale.argmin())}; is that latent a constant?")
        self.get_buffer("mean").copy_(z.mean(0))
        self.get_buffer("scale").copy_(scale)
        self.get_buffer("is_set").fill_(True)
