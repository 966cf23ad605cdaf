"""Deep hierarchies of feature maps with strong encoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import at_least_float32, factors, fuse, normal
from prioria.nets.pyramid import Normalization, Resize, cells, check_scales, size_at
from prioria.nets.rows import Rows
from prioria.stage import Stage

Posterior = Literal["precision-weighted", "residual", "free"]
POSTERIORS = ("precision-weighted", "residual", "free")
LIMIT = 5.0  # of every log-scale: |log s| < 5 keeps the first steps of a deep hierarchy finite


class ConvStage(Stage):
    r"""One group of a ladder of feature maps: z (latents, H, W) given a state (channels, H, W) that each adds to.

    p(z | state) is Gaussian, its mean and log-scale maps of the state. q(z | x, state) is one of

    - "precision-weighted": the prior fused with evidence from features of x (Soenderby et al., 2016),
    - "residual": N(m_p + dm, (s_p ds)^2) with dm and ds from features and state (Vahdat and Kautz, 2020, eq. 3),
    - "free": N(m, s^2) from features and state, the prior not used.

    Args:
        size: (H, W).
        channels: of the state, and of the features of x.
        latents: channels of z.
        posterior: kind of the posterior.
        first: the top group, whose state is learned.
        below: size of the next group's state, to which this one's is enlarged; None: as it is.
        cells_per_group: residual cells between this group and the next.
        normalization: of the convolutions in the cells.

    Raises:
        ValueError: an unknown posterior or normalization.
    """

    def __init__(
        self,
        size: tuple[int, int],
        *,
        channels: int,
        latents: int,
        posterior: Posterior = "residual",
        first: bool = False,
        below: tuple[int, int] | None = None,
        cells_per_group: int = 1,
        normalization: Normalization = "none",
    ) -> None:
        if posterior not in POSTERIORS:
            raise ValueError(f"posterior={posterior!r} is unknown; use one of {', '.join(POSTERIORS)}")
        seen = channels if posterior == "precision-weighted" else 2 * channels
        super().__init__(prior=_head(channels, channels, latents), posterior=_head(seen, channels, latents))
        self.kind = posterior
        self.start = nn.Parameter(0.1 * torch.randn(channels, *size)) if first else None
        enlarged = [] if below is None or below == size else [Resize(below)]
        self.mix = Rows(nn.Conv2d(latents, channels, 1), event_dims=3)
        self.refine = Rows(nn.Sequential(*enlarged, *cells(cells_per_group, channels, normalization)), event_dims=3)

    def prior(self, above: Tensor | None) -> Distribution:
        mean, log_scale = _moments(self.p(self._state(above)))
        return normal(mean, log_scale.exp(), event_dims=3)

    def posterior(self, features: Tensor, above: Tensor | None, prior: Distribution) -> Distribution:
        seen = features if self.kind == "precision-weighted" else _joined(features, self._state(above))
        mean, log_scale = _moments(self.q(seen))
        if self.kind == "residual":
            base = factors(prior)
            return normal(base.mean + mean, base.stddev * log_scale.exp(), event_dims=3)
        q = normal(mean, log_scale.exp(), event_dims=3)
        return fuse(prior, q) if self.kind == "precision-weighted" else q

    def merge(self, above: Tensor | None, z: Tensor) -> Tensor:
        return self.refine(self._state(above) + self.mix(z))

    def _state(self, above: Tensor | None) -> Tensor:
        return self.get_parameter("start") if above is None else above


def ConvLadder(  # noqa: N802 - reads as a constructor, as TwoLevel does
    shape: tuple[int, int, int],
    scales: Mapping[str, int],
    *,
    channels: int = 32,
    latents: int = 4,
    posterior: Posterior = "residual",
    cells_per_group: int = 1,
    normalization: Normalization = "none",
) -> dict[str, Stage]:
    r"""A deep hierarchy over feature maps, p(z) = prod_i p(z_i | state_i), every group adding to the state below it.

    The kind of model that "strong encoders" make good (Vahdat and Kautz, 2020; Soenderby et al., 2016): one bottom-up
    network gives every group features, one top-down path of residual cells serves prior, posterior and likelihood.
    Free bits and balanced rates are options of :class:`prioria.objectives.ELBO`. Departures from NVAE: plain 3x3
    cells without batch normalization or depthwise convolutions, and spectral normalization in place of its spectral
    penalty.

    Args:
        shape: image shape (C, H, W).
        scales: group -> how often its maps are halved, top group first; see :func:`groups_at`.
        channels: of the state, and of the encoder's features.
        latents: channels of each z.
        posterior: "residual", "precision-weighted" or "free"; see :class:`ConvStage`.
        cells_per_group: residual cells between two groups.
        normalization: of the convolutions in the cells: "none", "weight" or "spectral".

    Returns:
        Stages by name, top first. They go with ``encoder=nets.Pyramid(shape, scales, channels=...)`` and a likelihood
        of ``nets.PyramidHead(shape, channels=...)``.

    Raises:
        ValueError: scales that grow from the top down, or an unknown option.

    Example:
        >>> ladder = ConvLadder((1, 28, 28), groups_at({2: 2, 1: 1}), channels=8, latents=3)
        >>> [tuple(stage.prior(None).event_shape) for stage in list(ladder.values())[:1]], list(ladder)
        ([(3, 7, 7)], ['z3', 'z2', 'z1'])
    """
    check_scales(scales)
    names, sizes = list(scales), [size_at(shape, scale) for scale in scales.values()]
    return {
        name: ConvStage(
            size,
            channels=channels,
            latents=latents,
            posterior=posterior,
            first=name == names[0],
            below=below,
            cells_per_group=cells_per_group,
            normalization=normalization,
        )
        for name, size, below in zip(names, sizes, [*sizes[1:], None], strict=True)
    }


def groups_at(counts: Mapping[int, int]) -> dict[str, int]:
    """Returns scales of a ladder with so many groups at each scale, z_N (on top) to z_1.

    Example:
        >>> groups_at({2: 1, 1: 2})
        {'z3': 2, 'z2': 1, 'z1': 1}
    """
    scales = [scale for scale, count in sorted(counts.items(), reverse=True) for _ in range(count)]
    return {f"z{len(scales) - index}": scale for index, scale in enumerate(scales)}


def _head(inputs: int, hidden: int, latents: int) -> nn.Module:
    # Close to zero at the start: prior and posterior of every group begin near N(0, 1), and the rate near zero.
    last = nn.Conv2d(hidden, 2 * latents, 1)
    for parameter in last.parameters():
        nn.init.normal_(parameter, std=0.01)
    layers = nn.Conv2d(inputs, hidden, 1), *cells(1, hidden), nn.SiLU(), last
    return Rows(nn.Sequential(*layers), event_dims=3)


def _moments(parameters: Tensor) -> tuple[Tensor, Tensor]:
    mean, raw = at_least_float32(parameters).chunk(2, -3)
    return mean, LIMIT * torch.tanh(raw / LIMIT)


def _joined(features: Tensor, state: Tensor) -> Tensor:
    lead = torch.broadcast_shapes(features.shape[:-3], state.shape[:-3])
    return torch.cat([part.expand(*lead, *part.shape[-3:]) for part in (features, state)], -3)
