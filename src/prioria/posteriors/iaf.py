"""Inverse autoregressive flow, as a posterior and as a flow behind a fused stage."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution, constraints
from torch.nn import functional as F

from prioria.distributions import at_least_float32
from prioria.module import Module
from prioria.nets.masked import Autoregressive
from prioria.posteriors.gaussian import Gaussian

Transform = Callable[[Tensor], tuple[Tensor, Tensor]]  # z_{t-1} -> z_t and log |det dz_t / dz_{t-1}|


class Pushforward(Distribution):
    """z_T = f_T(... f_1(z_0)) with z_0 from a base distribution: its density is known at its own draws only.

    log q(z_T) = log q(z_0) - sum_t log |det dz_t / dz_{t-1}|, in the pass that draws.

    Args:
        base: the distribution of z_0, with one event axis.
        steps: f_1, ..., f_T.
    """

    arg_constraints: dict = {}
    has_rsample = True
    support = constraints.real_vector  # pyright: ignore[reportAssignmentType]

    def __init__(self, base: Distribution, steps: Sequence[Transform]) -> None:
        self.base, self.steps = base, steps
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    def expand(self, batch_shape: Size | tuple[int, ...], _instance: object = None) -> Pushforward:
        return Pushforward(self.base.expand(batch_shape), self.steps)

    def rsample_and_log_prob(self, sample_shape: Size | tuple[int, ...] = Size()) -> tuple[Tensor, Tensor]:
        """Draws, and returns the draw with its log-density."""
        z = self.base.rsample(Size(sample_shape))
        log_q = self.base.log_prob(z)
        for step in self.steps:
            z, log_det = step(z)
            log_q = log_q - log_det
        return z, log_q

    def rsample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        return self.rsample_and_log_prob(sample_shape)[0]

    def mean_of_draws(self, count: int) -> Tensor:
        """Returns the average of so many draws of one fixed noise, the same for every example, whatever the others."""
        noise = torch.randn(count, *self.event_shape, generator=torch.Generator().manual_seed(0))
        z = noise.unflatten(0, (-1, *[1] * len(self.batch_shape))).to(self.base.mean)
        z = self.base.mean + self.base.stddev * z
        for step in self.steps:
            z, _ = step(z)
        return z.mean(0)

    def log_prob(self, value: Tensor) -> Tensor:
        raise ValueError(
            "value: log q of an inverse autoregressive flow is known at its own draws only (its inverse takes one pass "
            "for each latent); draw z and log q together with sample_and_log_prob, or use posteriors.Gaussian"
        )


class InverseAutoregressiveFlow(Module):
    r"""Takes a Gaussian of z_0 and a context h to the distribution of z_T, in T autoregressive steps.

    Gated: z_t = s z_{t-1} + (1 - s) m, s = sigmoid(a) (Kingma et al., 2016, the LSTM-type update), log-det
    sum log sigmoid(a). Affine: z_t = m + s z_{t-1}, s = softplus(a), which starts at 1, log-det sum log s. In both, m
    and a of z_i depend on z_1, ..., z_{i-1} and h, and z is reversed after every step.

    Args:
        latents: L, at least 2.
        context: width of h.
        steps: T.
        hidden: widths of the hidden layers of each step.
        gated: the gated form, else the affine one.
        reverse: reverse z after every step.

    Raises:
        ValueError: one latent (no entry comes before it, so each step is an affine map of a Gaussian and adds nothing),
            or no step.
    """

    def __init__(
        self,
        latents: int,
        context: int,
        *,
        steps: int = 2,
        hidden: Sequence[int] = (320, 320),
        gated: bool = True,
        reverse: bool = True,
    ) -> None:
        super().__init__()
        if latents < 2:
            raise ValueError(
                f"latents={latents} leaves a flow nothing to be autoregressive in: no entry comes before the first, "
                "and the flow of a Gaussian stays a Gaussian; use posteriors.Gaussian, or at least 2 latents"
            )
        if steps < 1:
            raise ValueError(f"steps={steps} must be at least 1")
        start = 2.0 if gated else math.log(math.e - 1)  # gates open: s = .88; affine: s = 1
        nets = [Autoregressive(latents, context, hidden=hidden, start=(0.0, start)) for _ in range(steps)]
        self.nets = nn.ModuleList(nets)
        self.gated, self.reverse = gated, reverse

    def forward(self, base: Distribution, features: Tensor) -> Distribution:
        """Returns the distribution of z_T for that of z_0 and the context (B, context)."""
        nets = [net for net in self.nets if isinstance(net, Autoregressive)]
        return Pushforward(base, [self._step(net, net.read(features)) for net in nets])

    def _step(self, net: Autoregressive, read: Tensor) -> Transform:
        def step(z: Tensor) -> tuple[Tensor, Tensor]:
            m, a = (at_least_float32(output) for output in net(z, read))
            if self.gated:
                gate = a.sigmoid()
                z, log_det = gate * z + (1 - gate) * m, F.logsigmoid(a).sum(-1)
            else:
                scale = F.softplus(a)
                z, log_det = m + scale * z, scale.log().sum(-1)
            return (z.flip(-1) if self.reverse else z), log_det

        return step


class IAF(Module):
    r"""q(z|x): a diagonal Gaussian of z_0 followed by an inverse autoregressive flow (Kingma et al., 2016).

    Mean and variance of z_0 are linear in the context, which is also the flow's h. Draws and their density come in one
    pass; the density at a z that was not drawn is refused, and so is a VampPrior.

    Args:
        context: width of the context.
        latents: L, at least 2.
        steps: T.
        hidden: widths of the hidden layers of each step.
        gated: the gated form, else the affine one; see :class:`InverseAutoregressiveFlow`.
        reverse: reverse z after every step.
        log_variance_bounds: clamp of the log-variance of z_0.

    Raises:
        ValueError: one latent, no step, or bounds that do not increase.

    Example:
        >>> import torch
        >>> q = IAF(8, 3, hidden=(16, 16))(torch.zeros(5, 8))
        >>> [part.shape for part in q.rsample_and_log_prob((7,))]
        [torch.Size([7, 5, 3]), torch.Size([7, 5])]
    """

    own_draws_only = True  # log q is known of no other values

    def __init__(
        self,
        context: int,
        latents: int,
        *,
        steps: int = 2,
        hidden: Sequence[int] = (320, 320),
        gated: bool = True,
        reverse: bool = True,
        log_variance_bounds: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.base = Gaussian(context, latents, log_variance_bounds=log_variance_bounds)
        self.flow = InverseAutoregressiveFlow(
            latents, context, steps=steps, hidden=hidden, gated=gated, reverse=reverse
        )

    def forward(self, context: Tensor) -> Distribution:
        return self.flow(self.base(context), context)
