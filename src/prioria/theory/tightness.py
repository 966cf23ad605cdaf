r"""How far a VAE is from the consistent set, the models whose bound is tight.

Consistent are exactly the decoders d(z) = W psi(z) + u with encoders e(x) = W^T nu(x) + v and the harmonium's marginal
as prior (:mod:`prioria.theory.harmonium`); a deeper encoder does not enlarge that set.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli, Distribution
from torch.nn.functional import softplus

from prioria.distributions import factors, natural_parameters, sufficient_statistics
from prioria.model import VAE
from prioria.theory.enumeration import codes

F64 = torch.float64


@dataclass(frozen=True)
class Consistency:
    """What keeps a model out of the consistent set; all zero inside it.

    Attributes:
        decoder_residual: root mean square of d(z) - (W_d psi(z) + u), the best affine fit over all z.
        encoder_residual: the same of e(x) - (W_e nu(x) + v), over the data.
        asymmetry: |W_d - W_e^T|, Frobenius norm.
        prior_divergence: KL(p(z) || the marginal of the harmonium with W_d, u and v), in nats.
    """

    decoder_residual: float
    encoder_residual: float
    asymmetry: float
    prior_divergence: float


@torch.no_grad()
def consistency(model: VAE, x: Float[Tensor, "B D"]) -> Consistency:
    """Measures how far decoder, encoder and prior are from being consistent.

    Natural parameters and sufficient statistics are those of the model's own families: nu(x) = x for bits, (x^2, x) for
    Gaussians. Where the data do not determine W_e the least-squares fit of least norm is taken.

    Args:
        model: one group of at most 20 bits, with a Bernoulli or Gaussian likelihood.
        x: data over which the encoder is fitted (B, D).

    Raises:
        ValueError: more than one group, or a posterior that is not Bernoulli.
    """
    condition = model.condition(x)
    prior, q = condition.top
    if len(model.groups) > 1 or not isinstance(factors(q), Bernoulli):
        raise ValueError(f"groups={model.groups}: consistency is measured for one group of bits; see theory.exact")
    z = codes(q.event_shape[0]).to(x)
    px = model.likelihood(z.unsqueeze(1))
    d, _ = natural_parameters(px, F64)
    e, _ = natural_parameters(q, F64)
    w_d, u, decoder_residual = _affine_fit(sufficient_statistics(q, z, F64), d.squeeze(1))
    w_e, v, encoder_residual = _affine_fit(sufficient_statistics(px, x, F64), e)
    log_prior = prior.log_prob(z).double().log_softmax(0)
    marginal = (z.double() @ v + _log_normalizer(px, z.double() @ w_d + u)).log_softmax(0)
    divergence = (log_prior.exp() * (log_prior - marginal)).sum()
    return Consistency(decoder_residual, encoder_residual, (w_d - w_e.mT).norm().item(), divergence.item())


def _affine_fit(inputs: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor, float]:
    """Least squares outputs = inputs @ w + b: w, b and the root mean square residual."""
    design = torch.cat([inputs, torch.ones_like(inputs[:, :1])], -1)
    found = torch.linalg.lstsq(design.cpu(), outputs.cpu(), driver="gelsd")  # other devices lack this driver
    solution = found.solution.to(design)
    residual = (outputs - design @ solution).square().mean().sqrt().item()
    return solution[:-1], solution[-1], residual


def _log_normalizer(family: Distribution, eta: Tensor) -> Tensor:
    if isinstance(factors(family), Bernoulli):
        return softplus(eta).sum(-1)
    quadratic, linear = eta.chunk(2, -1)
    return (-linear.square() / (4 * quadratic) - 0.5 * (-2 * quadratic).log()).sum(-1)
