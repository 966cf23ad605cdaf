"""A prior with latents of its own: the variational hierarchical prior (VHP)."""

from __future__ import annotations

from torch import Size, Tensor, nn
from torch.distributions import Distribution

from prioria.distributions.marginal import Marginal
from prioria.nets import MLP
from prioria.posteriors.gaussian import Gaussian
from prioria.priors.base import Prior
from prioria.priors.normal import StandardNormal

HIDDEN = 256
BOUNDS = (-10.0, 5.0)  # of log-variances: zeta far out must not make a density of e^(10^17)


class Hierarchical(Prior):
    r"""p(z) = integral of p(z|zeta) p(zeta) d zeta, p(zeta) = N(0, I), learned through q(zeta|z).

    ``log_prob`` is the K-sample importance-weighted lower bound (marked ``bound``), so that the rate of a model with
    it is an upper bound on KL(q(z|x) || p(z)); ``sample`` is ancestral (Klushyn et al., 2019, "Learning Hierarchical
    Priors in VAEs", the poster's bound L_IW). With ``num_samples=1`` under the IWAE objective it is the
    importance-weighted autoencoder with two stochastic layers (Burda, Grosse and Salakhutdinov, 2016).

    The poster leaves the networks, the width of zeta and K open; the defaults here are ours.

    Args:
        latents: dimensions of z.
        auxiliary_latents: dimensions of zeta; as many as z has by default.
        num_samples: K; may be changed between uses, for instance to evaluate with more.
        auxiliary_decoder: conditional zeta (..., auxiliary_latents) -> p(z|zeta), for instance ``priors.Gaussian`` on
            any network; by default a diagonal Gaussian on two ReLU layers of 256.
        auxiliary_encoder: conditional z (..., latents) -> q(zeta|z), likewise.

    Raises:
        ValueError: a size or the number of samples is not positive.

    Example:
        >>> import torch
        >>> prior = Hierarchical(2, 3, num_samples=8)
        >>> prior().log_prob(torch.zeros(5, 2)).shape
        torch.Size([5])
    """

    def __init__(
        self,
        latents: int,
        auxiliary_latents: int | None = None,
        num_samples: int = 16,
        *,
        auxiliary_decoder: nn.Module | None = None,
        auxiliary_encoder: nn.Module | None = None,
    ) -> None:
        super().__init__()
        auxiliary_latents = latents if auxiliary_latents is None else auxiliary_latents
        if min(latents, auxiliary_latents, num_samples) < 1:
            sizes = f"latents={latents}, auxiliary_latents={auxiliary_latents} and num_samples={num_samples}"
            raise ValueError(f"{sizes} must be positive")
        self.latents, self.num_samples = latents, num_samples
        self.zeta = StandardNormal(auxiliary_latents)
        self.decoder = auxiliary_decoder if auxiliary_decoder is not None else _gaussian(auxiliary_latents, latents)
        self.encoder = auxiliary_encoder if auxiliary_encoder is not None else _gaussian(latents, auxiliary_latents)

    @property
    def can_narrow(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether p(z|zeta) can."""
        return getattr(self.decoder, "can_narrow", True)

    def forward(self, context: Tensor | None = None) -> Distribution:
        return Marginal(self.zeta(), self.decoder, self.encoder, Size([self.latents]), self.num_samples)


def _gaussian(inputs: int, outputs: int) -> Gaussian:
    layers = MLP(inputs, HIDDEN, HIDDEN, activate_output=True)
    return Gaussian(HIDDEN, outputs, net=layers, log_variance_bounds=BOUNDS)
