"""Flow priors: the decoupled prior of the dpVAE."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution, TransformedDistribution

from prioria import flows
from prioria.flows import Coupling
from prioria.priors.base import Prior
from prioria.priors.normal import StandardNormal


class RealNVP(Prior):
    r"""log p(z) = log N(g(z); 0, I) + log|det dg/dz|, g a stack of affine couplings with alternating halves kept.

    The decoupled prior (Bhalodia, Lee and Elhabian, 2020, eq. 2-5): z is the representation space, where a regularizer
    acts, z0 = g(z) the generation space, from which samples start. Any zuko flow over L features serves as a prior too,
    as it is: ``VAE(prior=zuko.flows.NSF(L))`` (``pip install prioria[flows]``).

    Args:
        latents: L. With one latent g is affine and the prior a learned Gaussian: prefer ``priors.Mixture`` there.
        blocks: number of couplings, 6 in the paper's code.
        hidden: width of the two hidden layers of every s and t network.
        identity: begin as N(0, I), the last layer of every network at zero.

    Raises:
        ValueError: an argument is not positive.

    Example:
        >>> import torch
        >>> prior = RealNVP(2)
        >>> z = torch.randn(5, 2)
        >>> torch.allclose(prior.from_generation(prior.to_generation(z)), z, atol=1e-5)
        True
    """

    can_narrow = False

    def __init__(self, latents: int, blocks: int = 6, *, hidden: int = 64, identity: bool = False) -> None:
        super().__init__()
        if min(latents, blocks, hidden) < 1:
            raise ValueError(f"latents={latents}, blocks={blocks} and hidden={hidden} must be positive")
        self.blocks = nn.ModuleList(
            Coupling(latents, hidden=hidden, keep_first=k % 2 == 0, identity=identity) for k in range(blocks)
        )
        self.base = StandardNormal(latents)

    def forward(self, context: Tensor | None = None) -> Distribution:
        # sampling runs through the blocks forwards, g backwards
        return TransformedDistribution(self.base(), [block() for block in self.blocks], validate_args=False)

    def to_generation(self, z: Tensor) -> Tensor:
        """Returns z0 = g(z) (..., L)."""
        return flows.to_generation(self(), z)

    def from_generation(self, z0: Tensor) -> Tensor:
        """Returns z = g^-1(z0) (..., L)."""
        return flows.from_generation(self(), z0)
