"""The two-level hierarchy of the VampPrior paper."""

from __future__ import annotations

from torch import nn

from prioria.nets import GatedLinear, GatedMLP, Join
from prioria.posteriors.gaussian import Gaussian
from prioria.stage import Stage

BOUNDS = (-6.0, 2.0)


def TwoLevel(  # noqa: N802 - reads as a constructor beside DependencyGraph and ConvLadder
    *,
    prior: nn.Module,
    posterior: nn.Module,
    features: int,
    latents: tuple[int, int],
    hidden: int = 300,
) -> dict[str, Stage]:
    r"""p(z1, z2) = p(z1|z2) p(z2) and q(z1, z2|x) = q(z1|x, z2) q(z2|x) (Tomczak and Welling, 2018, section 4).

    z2 is inferred from x directly, not through z1. Any prior goes on top. The two groups read x through encoders of
    their own: ``VAE(encoder={"z2": ..., "z1": ...})``; convolutions in them make it the paper's convHVAE. The
    likelihood sees [z2, z1].

    Args:
        prior: p(z2).
        posterior: q(z2 | features of x).
        features: width F of the features that the encoder of z1 gives (B, F).
        latents: dimensions of (z2, z1).
        hidden: width of the gated layers of q(z1|x, z2) and p(z1|z2).

    Returns:
        ``{"z2": Stage, "z1": Stage}``.

    Example:
        >>> from prioria import posteriors, priors
        >>> q = posteriors.Gaussian(8, 2)
        >>> list(TwoLevel(prior=priors.StandardNormal(2), posterior=q, features=8, latents=(2, 3)))
        ['z2', 'z1']
    """
    top, bottom = latents
    below = Stage(
        prior=Gaussian(
            hidden, bottom, net=GatedMLP(top, hidden, hidden, gated_output=True), log_variance_bounds=BOUNDS
        ),
        posterior=Gaussian(hidden, bottom, log_variance_bounds=BOUNDS),
        join=Join(features, GatedLinear(top, hidden), width=hidden, outputs=hidden),
    )
    return {"z2": Stage(prior=prior, posterior=posterior), "z1": below}
